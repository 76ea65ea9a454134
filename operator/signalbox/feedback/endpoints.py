"""One endpoint: its newest reading, and what was learned of how much it can do.

Nothing exports an engine's capacity. It is the throughput while requests queue; below that, throughput tells it by the
law that was measured on real engines: r sequences in a batch get r^0.6 times the rate of one.
"""

import math
from statistics import median

import msgspec

from signalbox.feedback.plan import Backend
from signalbox.feedback.readings import Rates, Reading, Window, extended, rates, running, telling
from signalbox.feedback.traffic import smoothed

BATCH_EXPONENT = 0.6
FULL = 0.9
"""Of the concurrency: from here on a batch counts as saturated."""
GAIN = 0.3
"""Of a full batch. What is extrapolated from a part of one is worth that part of it."""
FADING = 0.05
"""How fast it is forgotten that somebody who has never been full once did more."""
ROOM = 1.25
"""Times what an engine does that it is taken to be able to do, as long as no queue has shown its limit. Without it,
who was never full would never get more; with it, nobody is taken to be more than 80 % used before a queue says so."""
LEAST, MOST = 0.05, 20.0
"""Capacity in relation to what was declared: beyond that it is a fault of measuring. Where nothing was, it still does
not leap to more than ``MOST`` times what is known; what is far less may be so, for engines of one model are unlike."""
FIRST_RAMP = 0.1


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """``first_at`` is when it was ready first, in seconds; ``capacity`` in tokens/s and ``concurrency`` in requests are
    None before anything was learned; ``arrivals`` are requests a second, smoothed. ``rates`` are those of ``window``,
    or the last ones before it while it is too short. ``saturated`` counts readings in a row. ``proven``: a request has
    ended there since it was first seen; before that, what its gauges say may be what a cold engine says."""

    first_at: float
    new: bool = True
    window: Window = ()
    rates: Rates | None = None
    concurrency: float | None = None
    capacity: float | None = None
    arrivals: float | None = None
    saturated: int = 0
    proven: bool = False

    @property
    def reading(self) -> Reading | None:
        """The newest."""
        return self.window[-1] if self.window else None


def read(endpoint: Endpoint, reading: Reading, backend: Backend, length: float, typical: float | None) -> Endpoint:
    """With a further reading. One that is not newer changes nothing. ``length`` is tokens of work a request,
    ``typical`` what endpoints of the same model do."""
    before = endpoint.reading
    if before is not None and reading.at <= before.at:
        return endpoint
    window = extended(endpoint.window, reading)
    part = telling(window, length)
    between = rates(part[0], part[-1]) if part else None
    concurrency = backend.concurrency or _concurrency(endpoint.concurrency, reading)
    full = bool(reading.waiting) or (concurrency is not None and (reading.running or 0.0) >= FULL * concurrency)
    saturated = endpoint.saturated + 1 if full else 0
    last = rates(before, reading) if before is not None else None
    moved = last is not None and bool(last.work or last.finished)
    return msgspec.structs.replace(
        endpoint,
        window=window,
        rates=between if between is not None or len(window) == 1 else endpoint.rates,
        concurrency=concurrency,
        arrivals=_arrivals(endpoint.arrivals, between),
        saturated=saturated,
        capacity=_learn(endpoint, between, part or (), concurrency, saturated, _bounds(endpoint, backend, typical)),
        proven=endpoint.proven or moved or not endpoint.new,
    )


def ramp(endpoint: Endpoint, seconds: float, now: float) -> float:
    """How much of its capacity a new endpoint is trusted with: 10 % at first, all after ``seconds``."""
    if not endpoint.new or seconds <= 0.0:
        return 1.0
    return min(1.0, FIRST_RAMP + (1.0 - FIRST_RAMP) * max(0.0, now - endpoint.first_at) / seconds)


def typical(endpoints: list[Endpoint]) -> float | None:
    """The median of what was learned, for those of whom nothing is known."""
    known = [endpoint.capacity for endpoint in endpoints if endpoint.capacity is not None]
    return median(known) if known else None


def _arrivals(known: float | None, between: Rates | None) -> float | None:
    return known if between is None or between.arrived is None else smoothed(known, between.arrived)


def _concurrency(known: float | None, reading: Reading) -> float | None:
    """The most that ran while others waited."""
    if not reading.waiting or not reading.running:
        return known
    return max(known or 0.0, reading.running)


def _bounds(endpoint: Endpoint, backend: Backend, typical: float | None) -> tuple[float, float]:
    """Between what its capacity is to be."""
    prior = backend.tokens_per_second
    if prior is not None:
        return LEAST * prior, MOST * prior
    known = max(endpoint.capacity or 0.0, typical or 0.0)
    return 0.0, MOST * known if known else math.inf


def _learn(
    endpoint: Endpoint,
    between: Rates | None,
    window: Window,
    concurrency: float | None,
    saturated: int,
    bounds: tuple[float, float],
) -> float | None:
    known = endpoint.capacity
    if between is None or between.work is None or between.work <= 0.0:
        return known
    work, ran = between.work, running(window)
    if saturated >= len(window):
        learned = work if known is None else known + GAIN * (work - known)
    elif concurrency is not None and ran >= 2.0:
        fullness = min(1.0, ran / concurrency)
        full = work / fullness**BATCH_EXPONENT
        start = full if known is None else known
        learned = max(start + GAIN * fullness * (full - start), work)
    elif concurrency is not None:
        if known is None:
            return None  # one or two requests tell little; what they do is not what it can do
        learned = max(known, work)
    else:
        room = ROOM * work
        learned = max(room, (known or room) + FADING * (room - (known or room)))
    least, most = bounds
    return min(max(learned, least), most)
