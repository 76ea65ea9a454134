"""Choosing for the query: what classifiers say of it, and which target is best by that, or by an objective. Pure."""
