"""A thousand policies and five thousand backends on a real control plane: ``make bench-scale``."""
