"""``objective``: the target that is best in one respect among those that meet the bounds.

Each candidate gets a rank of its own, so what the others are never changes which of two is preferred. What is not known
counts as worst, for the aim and for a bound. Ties go to the less loaded, then by order.
"""

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING, Final, cast

from signalbox.routing import config
from signalbox.routing.backlog import Backlog
from signalbox.routing.choosing.candidate import Candidate, LiveTarget
from signalbox.routing.choosing.ordered import OrderedChoice
from signalbox.routing.expressions.translate import translate
from signalbox.routing.expressions.values import UNKNOWN, EvaluationError, UnknownValueError
from signalbox.routing.features import Facts

if TYPE_CHECKING:
    from signalbox.routing.strategies import Weights

Rank = tuple[float, float, float]
"""By how much a bound is missed, then the aim, then load: the least is the best."""


def missed(candidate: Candidate, bounds: config.Bounds) -> float:
    """0 where a candidate meets all bounds, else by how much it misses one most, as a part of that bound."""
    return max(part for _, part in misses(candidate, bounds))


def misses(candidate: Candidate, bounds: config.Bounds) -> Sequence[tuple[str, float]]:
    """Each bound, and by how much of it a candidate misses it; below 0 it meets it. The first is none."""
    found = [("", 0.0)]
    if bounds.min_quality is not None:
        percent = candidate.percent
        short = inf if percent is None else (bounds.min_quality - percent) / max(bounds.min_quality, 1)
        found.append(("minQuality", short))
    if bounds.max_cost is not None:
        found.append(("maxCost", _over(candidate.cost, bounds.max_cost)))
    if bounds.max_first_token_ms is not None:
        found.append(("maxFirstToken", _over(candidate.first_token_ms, bounds.max_first_token_ms)))
    return found


def _over(value: float | None, most: int) -> float:
    return inf if value is None else (value - most) / max(most, 1)


_AIMS: Final[Mapping[str, Callable[[Candidate], float | None]]] = {
    "Cost": lambda candidate: candidate.cost,
    "Latency": lambda candidate: candidate.first_token_ms,
    "Load": lambda candidate: candidate.load,
    "Quality": lambda candidate: None if candidate.percent is None else -candidate.percent,
}


def rank(candidate: Candidate, strategy: config.Objective) -> Rank:
    """How good a candidate is."""
    value = _AIMS[strategy.aim](candidate)
    return missed(candidate, strategy.bounds), inf if value is None else value, candidate.load


class Ranked(OrderedChoice):
    """The candidates of one request, best first; ``failed`` is the filter's error, by which a target was left out."""

    __slots__ = ("_strategy", "candidates", "failed")

    def __init__(
        self, candidates: Sequence[Candidate], strategy: config.Objective, failed: EvaluationError | None
    ) -> None:
        super().__init__([candidate.position for candidate in candidates])
        self.candidates = candidates
        self.failed = failed
        self._strategy = strategy

    def why(self) -> str:
        """The first of the order in words."""
        strategy = self._strategy
        if not self.candidates:
            return "the filter leaves no target"
        best = self.candidates[0]
        value = _AIMS[strategy.aim](best)
        said = "unknown" if value is None else _shown(strategy.aim, value)
        text = f"{strategy.aim.lower()} {said} of {best.name}"
        bound, part = max(misses(best, strategy.bounds), key=lambda miss: miss[1])
        return f"{text}, no target meets the bounds, this one comes nearest to {bound}" if part > 0.0 else text


def _shown(aim: str, value: float) -> str:
    match aim:
        case "Cost":
            return f"{value / 1e12:.9f}".rstrip("0").rstrip(".")
        case "Latency":
            return f"{value:.0f} ms"
        case "Quality":
            return f"{-value:.1f}"
        case _:
            return f"{value:.3f}"


class ObjectiveChoice:
    """The strategy at work; an order is made for every request."""

    __slots__ = ("_filter", "_plain", "_positions", "_strategy", "by_load", "mask")

    def __init__(self, strategy: config.Objective, positions: Mapping[str, int]) -> None:
        """Raises ``KeyError`` for a target that the policy does not have."""
        self._strategy = strategy
        self._positions = [(name, positions[name]) for name in strategy.targets]
        self._plain = OrderedChoice([position for _, position in self._positions])
        self._filter = translate(strategy.filter) if strategy.filter is not None else None
        self.by_load = False
        self.mask = self._plain.mask

    def for_(self, facts: Facts) -> Ranked:
        """See ``Choice.for_``."""
        strategy = self._strategy
        said = facts.classified.of(strategy.quality) if strategy.quality else None
        candidates = [
            Candidate(name, position, cast("LiveTarget", facts.targets[name]), facts, said)
            for name, position in self._positions
        ]
        failed = None
        if self._filter is not None:
            candidates, failed = self._filtered(candidates, facts)
        if len(candidates) > 1:
            candidates.sort(key=lambda candidate: rank(candidate, strategy))
        return Ranked(candidates, strategy, failed)

    def _filtered(
        self, candidates: Sequence[Candidate], facts: Facts
    ) -> tuple[list[Candidate], EvaluationError | None]:
        """Those for which the filter holds, and its error, if it has any."""
        assert self._filter is not None
        left = []
        failed = None
        for candidate in candidates:
            facts.target = candidate
            try:
                holds = self._filter(facts)
            except EvaluationError as error:
                failed = error
                continue
            if holds is UNKNOWN:
                raise UnknownValueError(facts.awaited)
            if holds is True:
                left.append(candidate)
        return left, failed

    def first(self, usable: int) -> int:
        """As if there were no preference."""
        return self._plain.first(usable)

    next = first

    def steer(self, sets: "Sequence[Weights]", spill: float, backlogs: Sequence[Backlog] | None) -> None:
        """See ``Choice.steer``: load counts only where the objective says so."""
