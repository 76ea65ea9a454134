"""The one error of the benches."""


class BenchError(Exception):
    """A bench cannot run; the message says why and what would help."""
