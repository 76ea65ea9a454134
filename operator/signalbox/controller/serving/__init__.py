"""The ports of the operator, and what answers at each."""
