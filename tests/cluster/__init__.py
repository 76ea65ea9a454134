"""A real Kubernetes for the tests, built from Go modules: see docs/testing.md for what there is and what it needs.

Tests take the fixtures of ``tests/conftest.py``; ``python -m cluster`` serves the Makefile.
"""
