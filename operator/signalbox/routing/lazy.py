"""Attributes that are computed when first asked for."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

_Value = TypeVar("_Value")


class Lazy(Generic[_Value]):
    """An attribute computed on first access, then stored on the instance, where plain attribute access finds it.

    ``functools.cached_property`` does the same behind a lock, at ten times the cost.
    """

    __slots__ = ("_compute", "_name")

    def __init__(self, compute: Callable[[Any], _Value]) -> None:
        self._compute = compute
        self._name = compute.__name__

    @overload
    def __get__(self, instance: None, owner: type) -> "Lazy[_Value]": ...
    @overload
    def __get__(self, instance: object, owner: type) -> _Value: ...
    def __get__(self, instance: object, owner: type) -> "Lazy[_Value] | _Value":
        if instance is None:
            return self
        value = self._compute(instance)
        setattr(instance, self._name, value)
        return value
