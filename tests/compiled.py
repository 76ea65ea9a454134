"""Whether the hot path is compiled in this run (`make test-compiled`), for tests that need it to be Python."""

import importlib.util

import pytest

_found = importlib.util.find_spec("signalbox.router.serving.exchange")
COMPILED = _found is not None and not (_found.origin or "").endswith(".py")
needs_python = pytest.mark.skipif(
    COMPILED, reason="puts its own methods or objects in place of those of a compiled class, which cannot be done"
)
