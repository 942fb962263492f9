"""Drift of features and scores, decay of the model on known outcomes, and the daily maintenance check."""
