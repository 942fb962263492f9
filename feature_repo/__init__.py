"""Feast: the features by name, and their point-in-time join."""
