"""Classifiers of queries: what a trained one is made of and how it judges. Pure, and without numpy: routers hold it."""
