"""Asking models for answers to queries and writing them down, for evaluation and training."""
