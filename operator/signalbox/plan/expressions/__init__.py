"""Conditions in CEL: checked by the official checker, told in plain words, made into the tree that routers evaluate."""
