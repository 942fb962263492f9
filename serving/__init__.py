"""Serving: loads a model bundle and predicts. Stands on nothing of the project."""
