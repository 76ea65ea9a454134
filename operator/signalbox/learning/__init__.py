"""Learning classifiers from examples, and judging what was learnt. Pure functions over arrays; no router imports it."""
