"""What classifiers say of one request: each is asked at most once, and only if something depends on its answer."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, Protocol, TypeVar

from signalbox.routing.expressions.values import UnknownValueError

Outcome = Literal["answered", "unsure", "failed", "timeout", "untrained"]
"""What became of a classifier; by all but the first the default label holds."""

NOTHING_EXPECTED: Final[Mapping[str, float]] = MappingProxyType({})


class Result(NamedTuple):
    """One classifier's word. ``expected`` has the expected score of each target, where it was learned from scores."""

    label: str
    score: float
    confidence: float
    expected: Mapping[str, float] = NOTHING_EXPECTED
    outcome: Outcome = "answered"


NOTHING_SAID: Final[Mapping[str, Result]] = MappingProxyType({})


class Judge(Protocol):
    """A classifier at work."""

    @property
    def immediate(self) -> bool:
        """Whether it answers at once; else ``judge`` must not be called, and somebody tells the answer later."""
        ...

    def judge(self, text: str) -> Result:
        """What it says of a query. Never raises."""
        ...


class Classified:
    """Of one request. ``results`` holds what is known so far."""

    __slots__ = ("_judges", "results", "text")

    def __init__(self, judges: Mapping[str, Judge], text: str) -> None:
        self._judges = judges
        self.text = text
        self.results: dict[str, Result] = {}

    def of(self, name: str) -> Result:
        """What a classifier says. Raises ``UnknownValueError`` while it has to be waited for."""
        found = self.results.get(name)
        if found is None:
            judge = self._judges.get(name)
            if judge is None or not judge.immediate:
                raise UnknownValueError(name)
            found = self.results[name] = judge.judge(self.text)
        return found

    def tell(self, name: str, result: Result) -> None:
        """What one that was waited for has said."""
        self.results[name] = result


_Value = TypeVar("_Value")


class Column(dict[str, _Value]):
    """One field of all results, by classifier; looking one up asks for it."""

    __slots__ = ("_classified", "_field")

    def __init__(self, classified: Classified, field: Literal["label", "score", "confidence"]) -> None:
        super().__init__()
        self._classified = classified
        self._field = field

    def __missing__(self, name: str) -> _Value:
        value: _Value = getattr(self._classified.of(name), self._field)
        self[name] = value
        return value
