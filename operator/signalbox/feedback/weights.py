"""Weights where no share was declared: requests follow capacity, and leave those who are behind.

τ is the delay of a target: what is there over what it does a second. A queue integrates, so what is corrected with a
delay of one period must be corrected gently: the gain T/H, with H = 4 T, neither swings nor overshoots. Where samples
come later than that, H grows with their age.
"""

import math
from collections.abc import Mapping, Sequence

import msgspec

HORIZON_PERIODS = 4.0
LEAST_FACTOR, MOST_FACTOR = 0.02, 3.0
DEAD_SHARE, DEAD_SECONDS = 0.1, 0.2
CHANCE = 2.0
"""Differences of delay that are not worth a move: a part of the mean, a constant, and what chance makes: where n
requests are to be there, 19 of 20 samples are within two times √n of it."""
FALL, RISE = 0.5, 1.5
"""How far a weight may go in one period."""
FLOOR = 0.02
"""Of its base: who gets nothing cannot be measured."""
RETURN = 0.1
"""Of its base: what one gets at first that had nothing."""
LEAST_LOAD = 0.1


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A usable target: its base, which is the requests a second that it can do, and its delay in seconds, None where
    nothing is known of it.

    ``arrivals`` are requests a second of all traffic. ``age`` is that of the sample, in seconds. ``held``: there is no
    new sample, but the last one still means something: its weight stays.
    """

    name: str
    base: float
    delay: float | None = None
    arrivals: float = 0.0
    age: float = 0.0
    held: bool = False


def bases(candidates: Sequence[Candidate]) -> dict[str, float]:
    """Shares by capacity; they sum to one."""
    total = sum(each.base for each in candidates)
    if total <= 0.0:
        return {each.name: 1.0 / len(candidates) for each in candidates}
    return {each.name: each.base / total for each in candidates}


def steer(candidates: Sequence[Candidate], before: Mapping[str, float], period: float) -> dict[str, float]:
    """The next weights of usable targets; they sum to one. ``before`` are those in force, ``period`` is in seconds."""
    if len(candidates) < 2:
        return {each.name: 1.0 for each in candidates}
    base = bases(candidates)
    factors = _factors(candidates, period)
    wanted = {each.name: base[each.name] * factor for each, factor in zip(candidates, factors, strict=True)}
    held = {each.name for each in candidates if each.held and before.get(each.name)}
    left = sum(before.get(name, 0.0) for name in base)
    known = {name: before.get(name, 0.0) / left for name in base} if left > 0.0 else {}
    floor = {name: FLOOR * part for name, part in base.items()}
    if not known:
        return fit(wanted, floor, dict.fromkeys(base, 1.0))
    low = {name: max(FALL * known[name], floor[name]) for name in base}
    high = {name: max(RISE * known[name], RETURN * base[name], low[name]) for name in base}
    for name in held:  # what the others make up among themselves does not touch it
        low[name] = high[name] = max(known[name], floor[name])
    return fit(wanted, low, high)


def _factors(candidates: Sequence[Candidate], period: float) -> list[float]:
    seen = [each for each in candidates if each.delay is not None and not each.held]
    capacity = sum(each.base for each in seen)
    if not seen or capacity <= 0.0:
        return [1.0] * len(candidates)
    mean = sum((each.delay or 0.0) * each.base for each in seen) / capacity
    load = min(1.0, max(LEAST_LOAD, sum(each.arrivals for each in seen) / capacity))
    factors = []
    for each in candidates:
        if each.delay is None or each.held:
            factors.append(1.0)
            continue
        ahead = mean - each.delay
        dead = DEAD_SHARE * mean + DEAD_SECONDS + CHANCE * math.sqrt(mean / each.base)
        ahead = max(0.0, ahead - dead) + min(0.0, ahead + dead)
        factor = 1.0 + ahead / (load * HORIZON_PERIODS * max(period, each.age))
        factors.append(min(MOST_FACTOR, max(LEAST_FACTOR, factor)))
    return factors


def fit(wanted: Mapping[str, float], low: Mapping[str, float], high: Mapping[str, float]) -> dict[str, float]:
    """As near to ``wanted``, up to a common factor, as bounds allow; sums to one, which the bounds must enclose."""
    if sum(low.values()) >= 1.0:
        return _normal(low)
    if sum(high.values()) <= 1.0:
        return _normal(high)
    if (total := sum(wanted.values())) > 0.0:
        found = {name: value / total for name, value in wanted.items()}
        if all(low[name] <= value <= high[name] for name, value in found.items()):
            return found  # as it mostly is
    # The sum is made of straight pieces: they bend where a weight leaves its lower bound, and where it meets the upper.
    bends = [(low[name] / value, value, -low[name]) for name, value in wanted.items() if value > 0.0]
    bends += [(high[name] / value, -value, high[name]) for name, value in wanted.items() if value > 0.0]
    bends.sort()
    fixed, slope, factor = sum(low.values()), 0.0, 0.0
    for at, rise, constant in bends:
        if fixed + slope * at >= 1.0:
            break
        slope, fixed, factor = slope + rise, fixed + constant, at
    if slope > 0.0:
        factor = (1.0 - fixed) / slope
    return _normal(_within(wanted, low, high, factor))


def _within(
    wanted: Mapping[str, float], low: Mapping[str, float], high: Mapping[str, float], factor: float
) -> dict[str, float]:
    return {name: min(high[name], max(low[name], value * factor)) for name, value in wanted.items()}


def _normal(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {name: value / total for name, value in weights.items()}
