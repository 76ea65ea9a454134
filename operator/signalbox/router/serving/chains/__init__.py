"""Strategies that ask several models for one answer, at work: calls, deadlines, delivery."""
