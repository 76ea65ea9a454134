"""Simulated engines: batch limit, queue, token rates, metrics and faults of a real one."""
