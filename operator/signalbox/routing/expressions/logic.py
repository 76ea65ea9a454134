"""``&&``, ``||`` and the macros over operands that can fail: one that decides absorbs errors and unknowns of others."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

from signalbox.routing.expressions.values import EvaluationError, UnknownValueError


def and_of(operands: Iterable[Callable[[], bool]]) -> bool:
    """False if one is false; else unknown if one is, else an error if one is, else true."""
    return not _decide(operands, decisive=False)


def or_of(operands: Iterable[Callable[[], bool]]) -> bool:
    """True if one is true; else unknown if one is, else an error if one is, else false."""
    return _decide(operands, decisive=True)


def all_of(elements: Iterable[Any], predicate: Callable[[Any], bool]) -> bool:
    """``&&`` over the elements of a list."""
    return not _decide((partial(predicate, element) for element in elements), decisive=False)


def exists_of(elements: Iterable[Any], predicate: Callable[[Any], bool]) -> bool:
    """``||`` over the elements of a list."""
    return _decide((partial(predicate, element) for element in elements), decisive=True)


def _decide(operands: Iterable[Callable[[], bool]], *, decisive: bool) -> bool:
    """Whether an operand has the decisive value."""
    unknown: UnknownValueError | None = None
    failed: EvaluationError | None = None
    for operand in operands:
        try:
            if operand() is decisive:
                return True
        except UnknownValueError as value:  # another name than below: compiled, one name has one type
            unknown = unknown or value
        except EvaluationError as error:
            failed = failed or error
    if unknown or failed:
        raise unknown or failed  # type: ignore[misc]
    return False


LOGIC: Final[dict[str, Any]] = {"and_of": and_of, "or_of": or_of, "all_of": all_of, "exists_of": exists_of}
