"""Benchmarks: what Signalbox promises in figures, measured beside its peers in one run. See docs/benchmarks.md."""
