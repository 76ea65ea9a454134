"""Towards engines: addresses, connections, health, and what a request to a backend starts with."""
