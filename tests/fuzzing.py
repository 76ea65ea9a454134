"""Properties that ``make fuzz`` tries with many more examples than the tests do, saying how far it is.

``SIGNALBOX_FUZZ_EXAMPLES`` is the number for each; without it, each has the number that its test names.
"""

import functools
import inspect
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

EXAMPLES = int(os.environ.get("SIGNALBOX_FUZZ_EXAMPLES", "0"))
# Seconds between two lines that say how far a property is.
TELL_SECONDS = 10.0

tried: Counter[str] = Counter()
failed: Counter[str] = Counter()
_told = time.monotonic()


def fuzzed(examples: int) -> Callable[[Any], Any]:
    """Mark a property, above ``given``: so many examples in a test, and as many as one likes in ``make fuzz``."""

    def decorate(test: Any) -> Any:
        if EXAMPLES:
            test.hypothesis.inner_test = _counted(test.hypothesis.inner_test)
        bounds = settings(
            max_examples=EXAMPLES or examples, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
        )
        return pytest.mark.fuzz(bounds(test))

    return decorate


def _counted(inner: Any) -> Any:
    name = f"{inner.__module__.rpartition('.')[2]}.{inner.__name__}"

    @functools.wraps(inner)
    def plain(*args: Any, **kwargs: Any) -> None:
        with _Example(name):
            inner(*args, **kwargs)

    @functools.wraps(inner)
    async def awaited(*args: Any, **kwargs: Any) -> None:
        with _Example(name):
            await inner(*args, **kwargs)

    return awaited if inspect.iscoroutinefunction(inner) else plain


class _Example:
    """Counts one example; an assumption that does not hold is no failure."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        tried[self._name] += 1
        tell(self._name)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, Exception) and not kind.__module__.startswith("hypothesis"):
            failed[self._name] += 1


def tell(name: str) -> None:
    """Say how far a property is, now and then."""
    global _told  # noqa: PLW0603 - one line for all properties
    now = time.monotonic()
    if now - _told >= TELL_SECONDS:
        _told = now
        print(
            f"  {name}: {tried[name]:,} of {EXAMPLES:,} examples, {failed[name]} failing", file=sys.stderr, flush=True
        )


def summary() -> list[str]:
    """What was tried, and what does not hold."""
    lines = [f"{name}: {count:,} examples, {failed[name]} failing" for name, count in sorted(tried.items())]
    wrong = sum(1 for name in tried if failed[name])
    total = f"{len(tried)} properties, {sum(tried.values()):,} examples, {wrong} properties that do not hold"
    return [*lines, total] if tried else []
