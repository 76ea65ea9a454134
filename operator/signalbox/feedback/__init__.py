"""The feedback loop as pure functions: what engines say, what that means, and the weights that follow."""
