"""Two claims of the paper at a scale that fits two cores: pretraining helps, and a larger trunk is better.

python -m vitruvian.recipes.claims --work runs/claims                          # the queue; the same command goes on
python -m vitruvian.recipes.claims --work runs/claims --report docs/results    # the report of what is finished

Figures, hardware and what they mean: docs/results/claims.md.
"""
