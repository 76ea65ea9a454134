"""Declared shares under load: a promise that is kept until somebody would drown in it.

A target that is overloaded gives away as much as brings it back to where it is just not: its part of the share falls
with 0.9 / utilisation in each period. It gets it back when there is room again. What it gives goes to the others in
proportion to their shares.
"""

from collections.abc import Mapping, Sequence

import msgspec

OVERLOADED, RELIEVED = 0.9, 0.7
"""Utilisation from which a target counts as overloaded, and below which no more."""
LEAST_PART = 0.1
FALL, RISE = 0.5, 1.5
NEARLY = 0.99
"""Of a part: what is missing is what rounding took."""


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """A target with a share (any unit). ``utilization`` is None where nothing is known: then it is not overloaded.

    ``held``: there is no new sample, but the last one still means something: it keeps its part.
    """

    name: str
    share: float
    usable: bool = True
    utilization: float | None = None
    held: bool = False


class Parts(msgspec.Struct, frozen=True):
    """What each target keeps of its share (0.1 to 1), and who is overloaded."""

    kept: dict[str, float] = {}
    overloaded: frozenset[str] = frozenset()


def keep(targets: Sequence[Declared], before: Parts) -> Parts:
    """One period further."""
    kept: dict[str, float] = {}
    overloaded: set[str] = set()
    for each in targets:
        part, was = before.kept.get(each.name, 1.0), each.name in before.overloaded
        load = each.utilization
        if each.held:
            overloaded |= {each.name} & before.overloaded
        elif load is not None and load >= (RELIEVED if was else OVERLOADED):
            overloaded.add(each.name)
            part *= min(RISE, max(FALL, OVERLOADED / load))
        else:
            part *= RISE
        kept[each.name] = min(1.0, max(LEAST_PART, part))
    # Where all are overloaded nobody can take what others give.
    most = max((kept[each.name] for each in targets if each.usable and each.share), default=1.0)
    return Parts({name: min(1.0, part / most) for name, part in kept.items()}, frozenset(overloaded))


def kept_of(effective: Mapping[str, float], shares: Mapping[str, float]) -> Parts:
    """What was kept where these weights were in force: who has most in relation to its share has kept all of it."""
    ratios = {name: weight / shares[name] for name, weight in effective.items() if weight and shares.get(name)}
    most = max(ratios.values(), default=1.0)
    kept = {name: max(LEAST_PART, ratio / most) for name, ratio in ratios.items()}
    return Parts(kept, frozenset(name for name, part in kept.items() if part < NEARLY))


def weights(targets: Sequence[Declared], parts: Mapping[str, float]) -> dict[str, float]:
    """What is in force; sums to one, or is all zero where no target with a share is usable."""
    raw = {each.name: each.share * parts.get(each.name, 1.0) if each.usable else 0.0 for each in targets}
    total = sum(raw.values())
    return {name: value / total for name, value in raw.items()} if total > 0.0 else raw


def declared(targets: Sequence[Declared]) -> dict[str, float]:
    """The shares as declared; they sum to one."""
    total = sum(each.share for each in targets)
    return {each.name: each.share / total if total else 0.0 for each in targets}
