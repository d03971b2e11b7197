"""Fine-tuning as a user's verb: labelled people or photos, and weights to begin with -> a model that `predict` takes."""
