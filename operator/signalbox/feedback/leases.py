"""Limits of a backend divided among routers, so that all of them together never go beyond.

A router whose part is lowered may have spent the whole of the old one just before: what it gives up is free only when
its last minute shows less. So each router says what it applies and the most that its minute may come to with that, and
a part rises only by what those of all routers leave of the limit, those among them that do not answer, and for a minute
those that have ended. Nobody's part is lowered for these: who comes in their place keeps the little that it began with.

Each part can be told and not yet be applied, or never arrive. Therefore nothing new is told to a router before it
applies what it was told; until then it counts with the larger of the two.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

SILENT = 10.0
"""Seconds without a report after which a router is taken not to hear anything."""
MINUTE = 62.0
"""Seconds for which the backend remembers what a router sent that has ended: a minute, and the rounding of two ends."""
MEMORY = 30.0
"""Seconds over which recent use fades."""
SETTLING = 15.0
"""Seconds from the first division in which no part rises: routers that a new leader has not heard of yet have parts."""
FLOOR = 0.1
"""What is divided equally, for those of whom nothing is known yet; the rest goes by recent use."""
DEAD_BAND = 0.1
"""A part that would move by less stays."""


class Amounts(NamedTuple):
    """Requests in flight, requests a minute, tokens a minute; None where there is no limit."""

    in_flight: int | None = None
    requests: int | None = None
    tokens: int | None = None


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """What a router said last of a backend, ``at`` seconds of the same clock as ``now``.

    ``lease`` is what it applies, ``spent`` what it used in its last minute and ``most`` what that may come to (the
    larger of the two, for each of its workers). The counters never go back within a process: requests ``started`` and
    turned away (``shed``) for want of room, ``tokens`` of those that ended. ``in_flight`` is a gauge.
    """

    at: float
    lease: Amounts
    most: Amounts
    spent: Amounts = Amounts()
    started: int = 0
    shed: int = 0
    tokens: int = 0
    in_flight: int = 0


class Router(msgspec.Struct, frozen=True, kw_only=True):
    """One router: what it said last, what it was told, and what it wants (units of ``Amounts``, smoothed)."""

    use: Use
    told: Amounts
    wants: tuple[float, float, float] | None = None


class Ended(msgspec.Struct, frozen=True):
    """What a router that has ended may have spent within the last minute, which is over at ``until``. It has nothing in
    flight any more."""

    most: Amounts
    until: float

    @classmethod
    def at(cls, now: float, most: Amounts) -> "Ended":
        """It has ended just now."""
        return cls(most._replace(in_flight=None), now + MINUTE)


class Division(msgspec.Struct, frozen=True, kw_only=True):
    """A backend's limits, divided: what one step hands to the next. Empty at first. ``began`` in seconds; ``inherited``
    says that routers may have had them before."""

    inherited: bool = True
    began: float | None = None
    settled: bool = True
    routers: dict[str, Router] = {}
    ended: tuple[Ended, ...] = ()

    @property
    def leases(self) -> dict[str, Amounts]:
        """By router, what to tell it, again and again: what is lost is so made good.

        Who is to go on as it does is told so only once we know of all: a router that was just started would take the
        little that it begins with for its part.
        """
        return {
            name: router.told
            for name, router in self.routers.items()
            if self.settled or router.told != router.use.lease
        }


def leases(limits: Amounts, usage: Mapping[str, Use], before: Division, now: float) -> Division:
    """Divide once more, say once a second or an interval; the parts are the ``leases`` of what is returned.

    ``usage`` names every router that may be alive: one that is cut off goes on with its last part, so it stays, with
    what it said last, until its process is known to have ended. Whoever is not named any more has ended.
    """
    if before.began is not None and before.settled and not (usage or before.routers or before.ended):
        return before  # nobody is there, as with most backends of a cluster most of the time
    began = now if before.began is None else before.began
    settled = now - began >= SETTLING
    ended = [each for each in before.ended if each.until > now]
    routers: dict[str, Router] = {}
    for name, use in usage.items():
        known = before.routers.get(name)
        if known is not None and _anew(known.use, use):  # another process under the same name
            ended.append(Ended.at(now, _most(known)))
            known = None
        was_told = known is not None and (before.settled or known.told != known.use.lease)
        told = known.told if known is not None and was_told else use.lease
        routers[name] = Router(use=use, told=told, wants=_wants(known, use))
    ended += [Ended.at(now, _most(known)) for name, known in before.routers.items() if name not in usage]
    if before.inherited and settled and not before.settled:
        # Whoever ended just before we began is heard no more, and the backend remembers it: what nobody claims was its.
        ended.append(Ended.at(now, _unclaimed(limits, routers, ended)))
    divided = [_divide(index, limit, routers, ended, now, rise=settled) for index, limit in enumerate(limits)]
    return Division(
        inherited=before.inherited,
        began=began,
        settled=settled,
        routers={
            name: msgspec.structs.replace(router, told=Amounts(*(parts.get(name) for parts in divided)))
            for name, router in routers.items()
        },
        ended=tuple(ended),
    )


class _Part(NamedTuple):
    """A router's part of one limit. ``hold``: what its minute may come to, whatever of what it was told arrives;
    ``spent``: what no smaller part takes back."""

    told: int
    hold: int
    spent: int
    settled: bool
    speaks: bool
    wants: float


def _divide(
    index: int, limit: int | None, routers: Mapping[str, Router], ended: list[Ended], now: float, *, rise: bool
) -> dict[str, int]:
    """The parts of one limit. A router that does not say what it applies has not read of the limit yet."""
    if limit is None:
        return {}
    parts: dict[str, _Part] = {}
    for name, router in routers.items():
        lease = router.use.lease[index]
        if lease is None:
            continue
        told = router.told[index]
        told = lease if told is None else told
        hold = max(lease, told, router.use.most[index] or 0)
        speaks = now - router.use.at <= SILENT
        wants = router.wants[index] if router.wants is not None else 0.0
        parts[name] = _Part(told, hold, router.use.spent[index] or 0, speaks and told == lease, speaks, wants)
    unheld = max(0, limit - sum(part.hold for part in parts.values()))
    gone = min(unheld, sum(each.most[index] or 0 for each in ended))  # what somebody has is not taken for the past
    pool = limit - gone - sum(part.hold for part in parts.values() if not part.speaks)
    speaking = {name: part.wants for name, part in parts.items() if part.speaks}
    targets = _targets(max(0, pool), speaking) if rise else {}  # what is lowered before would seem to be nobody's
    new = {name: part.told for name, part in parts.items()}
    missing: dict[str, float] = {}
    for name, target in targets.items():
        part = parts[name]
        if not part.settled or abs(target - part.told) < max(1.0, DEAD_BAND * part.told):
            continue
        new[name] = min(target, part.hold)  # down, or up to what it counts with anyway
        if target > part.hold:
            missing[name] = float(target - part.hold)
    over = gone - limit + sum(max(new[n], part.spent) if part.settled else part.hold for n, part in parts.items())
    room = {name: float(max(0, new[name] - part.spent)) for name, part in parts.items() if part.settled}
    for name, less in _shared(min(max(0, over), int(sum(room.values()))), room).items():
        new[name] -= less  # most of all of a newcomer, which has spent nothing yet of what others still have to give up
    if not rise:
        return new
    free = limit - gone - sum(part.hold for part in parts.values())
    for name, more in _shared(min(max(0, free), int(sum(missing.values()))), missing).items():
        new[name] += more
    return new


def _targets(pool: int, wants: Mapping[str, float]) -> dict[str, int]:
    """Whole parts that sum to ``pool``: a floor for each, the rest by what each wants."""
    if not wants:
        return {}
    total = sum(wants.values())
    each = 1.0 / len(wants)
    least = min(1, pool // len(wants))  # nobody is shut out as long as there is one for each
    weights = {name: FLOOR * each + (1.0 - FLOOR) * (want / total if total else each) for name, want in wants.items()}
    shared = _shared(pool - least * len(wants), weights)
    return {name: least + part for name, part in shared.items()}


def _shared(amount: int, weights: Mapping[str, float]) -> dict[str, int]:
    """Whole parts in proportion to weights that sum to ``amount``: what rounding leaves goes to the largest rests."""
    total = sum(weights.values())
    if not total:
        return {}
    exact = {name: amount * weight / total for name, weight in weights.items()}
    parts = {name: math.floor(value) for name, value in exact.items()}
    rest = amount - sum(parts.values())
    for name in sorted(exact, key=lambda name: (parts[name] - exact[name], name))[:rest]:
        parts[name] += 1
    return parts


def _unclaimed(limits: Amounts, routers: Mapping[str, Router], ended: list[Ended]) -> Amounts:
    """What of the limits nobody has whom we know of."""
    claims = [*(_most(router) for router in routers.values()), *(each.most for each in ended)]
    return Amounts(
        *(
            None if limit is None else max(0, limit - sum(claim[index] or 0 for claim in claims))
            for index, limit in enumerate(limits)
        )
    )


def _anew(before: Use, after: Use) -> bool:
    """Whether a counter went back."""
    return after.started < before.started or after.shed < before.shed or after.tokens < before.tokens


def _most(router: Router) -> Amounts:
    """What a router may have spent in its last minute, whether or not it has heard the last of what it was told."""
    each = zip(router.use.lease, router.use.most, router.told, strict=True)
    return Amounts(*(max((value for value in values if value is not None), default=None) for values in each))


def _wants(known: Router | None, use: Use) -> tuple[float, float, float] | None:
    """Recent use, with what was turned away: a router that is kept short would otherwise seem to want no more."""
    if known is None or use.at <= known.use.at:
        return known.wants if known is not None else None
    seconds = use.at - known.use.at
    started, shed = use.started - known.use.started, use.shed - known.use.shed
    tokens = max(0, use.tokens - known.use.tokens)
    short = (started + shed) / max(1, started)
    wants = (
        (use.in_flight + (1 if shed else 0)) * short,
        (started + shed) * 60.0 / seconds,
        tokens * short * 60.0 / seconds,
    )
    if known.wants is None:
        return wants
    keep = math.exp(-seconds / MEMORY)
    in_flight, requests, spent = (keep * old + (1.0 - keep) * new for old, new in zip(known.wants, wants, strict=True))
    return in_flight, requests, spent
