"""How the series of one kind of engine become a reading."""

import math
from collections.abc import Callable, Iterable, Mapping

import msgspec

from signalbox.feedback.exposition import Names, Scan, Series, Unreadable
from signalbox.feedback.readings import Reading

MODEL_LABEL = "model_name"
MOST = 1e15
"""Of anything that is counted, tokens since an engine's start above all. What is more comes of no engine, and sums and
rates of it would end as infinity, or as no number at all."""


class Source(msgspec.Struct, frozen=True):
    """Series of one name, with the values that labels must have; ``""`` is also a label that is absent."""

    name: str
    labels: dict[str, str] = {}

    def among(self, series: list[Series]) -> list[Series]:
        """Which of the series of its name these are."""
        if not self.labels:
            return series
        return [each for each in series if all(each.labels.get(k, "") == v for k, v in self.labels.items())]


Sources = tuple[Source, ...]
"""Names that one thing has had, the newest first: the first that is there counts."""
Quantity = tuple[Sources, ...]
"""What together makes a number. Without the first of them it is unknown, the others are added where they are."""


class Counters(msgspec.Struct, frozen=True, kw_only=True):
    """Counters that belong together; ``late``: they move only when a request ends."""

    generated: Quantity
    prompted: Quantity = ()
    cached: Quantity = ()
    finished: Quantity = ()
    late: bool = False


class Preset(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine exports. Of several sets of ``counters`` the first that is there counts.

    ``copies``: labels that tell apart who says the same of the same requests, as the ranks of one group of GPUs do;
    among those the highest counts. Series that differ otherwise are of different engines in one process, and add up.
    """

    running: Quantity
    waiting: Quantity = ()
    kv_usage: Quantity = ()
    counters: tuple[Counters, ...] = ()
    copies: tuple[str, ...] = ()
    models: bool = True
    """Whether the engine says of which model a series is."""


class Reader:
    """Makes readings of the texts of one engine. ``model`` chooses among several in one process, where it is the name
    that the engine has for one of them; otherwise they are taken together."""

    def __init__(self, preset: Preset, model: str = "") -> None:
        self._preset, self._model = preset, model
        self._names = Names(_names(preset))

    def scan(self) -> Scan:
        """Begin with a text."""
        return self._names.scan()

    def read(self, text: bytes, at: float) -> Reading:
        """A reading of a whole text. Raises ``Unreadable``."""
        return self.reading(self._names.read(text), at)

    def reading(self, found: Iterable[Series], at: float) -> Reading:
        """A reading of what a scan found. Raises ``Unreadable`` where nothing of the engine was there."""
        series = list(found)
        if not series:
            raise Unreadable("none of the series that the engine is known to export")
        preset = self._preset
        values = _Values(self._of_model(series), preset.copies)
        counters = next((each for each in preset.counters if values.has(each.generated)), None)
        usage = values.mean(preset.kv_usage)
        return Reading(
            at=at,
            running=values.sum(preset.running),
            waiting=values.sum(preset.waiting),
            kv_usage=None if usage is None else min(1.0, usage),
            generated=values.sum(counters.generated) if counters else None,
            prompted=values.sum(counters.prompted) if counters else None,
            cached=values.sum(counters.cached) if counters else None,
            finished=values.sum(counters.finished) if counters else None,
            late=counters.late if counters else False,
        )

    def _of_model(self, series: list[Series]) -> list[Series]:
        if not self._preset.models or all(each.labels.get(MODEL_LABEL) != self._model for each in series):
            return series
        return [each for each in series if each.labels.get(MODEL_LABEL, self._model) == self._model]


class _Values:
    """The series by name, and sums of them. A series that is no number, negative or beyond ``MOST`` leaves its sum
    unknown: without it a counter would seem to go back, and then to leap."""

    def __init__(self, series: list[Series], copies: tuple[str, ...]) -> None:
        self._by_name: dict[str, list[Series]] = {}
        for each in series:
            self._by_name.setdefault(each.name, []).append(each)
        self._copies = copies

    def has(self, quantity: Quantity) -> bool:
        """Whether it is there."""
        return bool(quantity) and bool(self._found(quantity[0]))

    def sum(self, quantity: Quantity) -> float | None:
        """Over all engines of the process."""
        return self._together(quantity, sum)

    def mean(self, quantity: Quantity) -> float | None:
        """Over all engines of the process: they share requests out among themselves, so what one has left counts for
        all. By the highest, an endpoint would count as full while most of it is free."""
        return self._together(quantity, lambda values: sum(values) / len(values))

    def _together(self, quantity: Quantity, fold: Callable[[list[float]], float]) -> float | None:
        total = None
        for sources in quantity:
            found = self._found(sources)
            if found:
                total = fold(found) + (total or 0.0)
            elif total is None:
                return None
        return total if total is not None and math.isfinite(total) else None

    def _found(self, sources: Sources) -> list[float]:
        for source in sources:
            if (series := self._by_name.get(source.name)) and (found := source.among(series)):
                return self._distinct(found)
        return []

    def _distinct(self, series: list[Series]) -> list[float]:
        if not self._copies or len(series) == 1:
            return [_number(each.value) for each in series]
        groups: dict[tuple[tuple[str, str], ...], list[float]] = {}
        for each in series:
            key = tuple(sorted((k, v) for k, v in each.labels.items() if k not in self._copies))
            groups.setdefault(key, []).append(_number(each.value))
        return [math.nan if any(map(math.isnan, values)) else max(values) for values in groups.values()]


def _number(value: float) -> float:
    return value if 0.0 <= value <= MOST else math.nan


def _names(preset: Preset) -> Iterable[str]:
    quantities = [preset.running, preset.waiting, preset.kv_usage]
    for counters in preset.counters:
        quantities += [counters.generated, counters.prompted, counters.cached, counters.finished]
    return (source.name for quantity in quantities for sources in quantity for source in sources)


def named(*names: str, labels: Mapping[str, str] | None = None) -> Sources:
    """Sources by their names, the newest first."""
    return tuple(Source(name, dict(labels or {})) for name in names)
