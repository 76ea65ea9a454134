"""Conditions: the checked tree of an expression, and its translation to Python."""
