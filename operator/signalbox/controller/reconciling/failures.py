"""What goes wrong on the way, while the rest is done all the same."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from signalbox.kube.errors import ApiError


class Failures:
    """Collects, and raises in the end."""

    def __init__(self) -> None:
        self._found: list[Exception] = []

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Whatever fails here is no reason to leave what follows undone."""
        try:
            yield
        except Exception as error:
            self._found.append(error)

    def add(self, failures: Iterable[Exception]) -> None:
        """These, too."""
        self._found += failures

    def raise_worst(self) -> None:
        """A defect, or else who asks for the longest pause."""
        if self._found:
            raise max(self._found, key=_weight)


def _weight(failure: Exception) -> float:
    return failure.retry_after or 0.0 if isinstance(failure, ApiError) else float("inf")
