"""What an evaluation may give beside a value: an error, or *unknown*.

Both travel as exceptions inside a translated condition, because they are rare and a value must cost nothing.
"""

from typing import Final, final


@final
class Unknown:
    """The type of ``UNKNOWN``. It has no truth: asking for it would decide what is undecided."""

    __slots__ = ()

    def __bool__(self) -> bool:
        raise TypeError("an unknown result is neither true nor false")

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


class EvaluationError(Exception):
    """The expression has no value for this request (division by zero, an index out of range, …)."""


class UnknownValueError(Exception):
    """What a classifier says is not known yet; never leaves a translated condition, which notes who is awaited."""

    def __init__(self, classifier: str) -> None:
        super().__init__(classifier)
        self.classifier = classifier
