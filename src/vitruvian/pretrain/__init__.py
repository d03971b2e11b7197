"""Masked pretraining as a user's verb: photos -> an encoder, and a look at what it has learned."""
