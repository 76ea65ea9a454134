"""Why nobody can listen at a port, in words that name the address and the option that says it."""

import errno


def refused(error: OSError, host: str, port: int, option: str) -> OSError:
    """The same error in such words."""
    reason = "the port is in use" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
    return OSError(error.errno, f"cannot listen on {host}:{port} ({option}): {reason}")
