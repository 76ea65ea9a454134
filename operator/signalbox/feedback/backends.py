"""A backend: all of its endpoints and all of its traffic, from every policy and from outside, in one load."""

import msgspec

from signalbox.feedback import endpoints as endpoint
from signalbox.feedback.endpoints import Endpoint
from signalbox.feedback.plan import Backend
from signalbox.feedback.readings import Reading
from signalbox.feedback.traffic import Length, Traffic, smoothed

MOST_UTILIZATION = 2.0
BUSY_FACTOR = 0.7
"""What a 429 leaves of the capacity that was believed in."""
RECOVERY = 0.02
"""How much of it comes back with each interval without one."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """A backend at one moment.

    ``in_system`` is running and waiting requests of all traffic, ``arrivals`` requests a second, ``length`` tokens a
    request, ``capacity`` tokens a second over the usable endpoints (None: nothing is known); ``utilization`` and
    ``kv_usage`` are shares. ``observed_at`` is when the newest sample was taken, None where there is none;
    ``silent`` endpoints of the ``usable`` ones gave none lately.
    """

    usable: int
    silent: int = 0
    observed_at: float | None = None
    running: float = 0.0
    waiting: float = 0.0
    kv_usage: float | None = None
    utilization: float | None = None
    capacity: float | None = None
    length: float
    arrivals: float | None = None
    work: float | None = None

    @property
    def in_system(self) -> float:
        """Requests that are there."""
        return self.running + self.waiting

    @property
    def requests(self) -> float | None:
        """How many a second it can do. Where answers are longer than elsewhere, the same tokens are fewer requests."""
        return None if self.capacity is None else self.capacity / self.length

    @property
    def delay(self) -> float | None:
        """Seconds until what is there would be done."""
        if not self.capacity or self.observed_at is None:
            return None
        return self.in_system * self.length / self.capacity


class BackendState(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of a backend between two steps. ``peak`` is the most work a second that routers saw there,
    ``belief`` the part of it that 429 have left."""

    endpoints: dict[str, Endpoint] = {}
    length: Length = Length()
    arrivals: float | None = None
    traffic: Traffic | None = None
    work: float | None = None
    peak: float | None = None
    belief: float = 1.0


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """What is new about a backend: readings by endpoint, and what routers counted.

    ``reachable`` False: no router has a usable endpoint.
    """

    readings: dict[str, Reading] = {}
    traffic: Traffic | None = None
    reachable: bool = True


def observe(
    state: BackendState, backend: Backend, sight: Sight, now: float, *, first: bool, typical: float | None = None
) -> BackendState:
    """Take over what is new. ``first``: the loop has just begun, and endpoints that it finds are not new. ``typical``
    is the capacity of an endpoint of the same model, as far as it is known by now."""
    known: dict[str, Endpoint] = {}
    length = state.length
    for key in backend.endpoints:
        before = state.endpoints.get(key) or Endpoint(first_at=now, new=not first)
        reading = sight.readings.get(key)
        after = before
        if reading is not None:
            after = endpoint.read(before, reading, backend, state.length.mean, typical)
        known[key] = after
        between = after.rates
        if between is not before.rates and between is not None and between.work is not None and between.finished:
            # All endpoints together let the past fade once.
            seconds, part = between.seconds, between.seconds / len(backend.endpoints)
            length = length.seen(between.work * seconds, between.finished * seconds, part)
    traffic = _Passed(state.traffic, sight.traffic)
    arrivals, work = state.arrivals, state.work
    counted = [each.arrivals for each in known.values() if each.arrivals is not None]
    if counted:
        arrivals = sum(counted)
    elif traffic.seconds:
        length = length.seen(traffic.work, traffic.completed, traffic.seconds)
        arrivals = smoothed(arrivals, traffic.started / traffic.seconds)
    worked = [each.rates.work for each in known.values() if each.rates is not None and each.rates.work is not None]
    if worked:
        work = sum(worked)
    elif traffic.seconds:
        work = smoothed(work, traffic.work / traffic.seconds)
    peak = max(state.peak or 0.0, work) if work else state.peak
    return BackendState(
        endpoints=known,
        length=length,
        arrivals=arrivals,
        traffic=sight.traffic or state.traffic,
        work=work,
        peak=peak,
        belief=_belief(state.belief, traffic),
    )


def load(state: BackendState, backend: Backend, sight: Sight, now: float, fresh: float, typical: float | None) -> Load:
    """The load now. Samples of the last ``fresh`` seconds count; ``typical`` is the capacity of an endpoint of the same
    model, for those of which nothing is known."""
    endpoints = list(state.endpoints.values())
    usable = endpoints if sight.reachable else []
    # Routers that have gone took with them what they waited for.
    traffic = state.traffic if state.traffic is not None and now - state.traffic.at <= fresh else None
    if not backend.measured:
        return _reported(state, backend, len(usable), traffic)
    # Who does not say how much runs says nothing of its load.
    heard = [(each, each.reading) for each in endpoints if each.reading and each.reading.running is not None]
    speaking = [(each, reading) for each, reading in heard if now - reading.at <= fresh] if sight.reachable else []
    own = endpoint.typical(usable) or backend.tokens_per_second or typical
    known = [(each.capacity or own, endpoint.ramp(each, backend.slow_start, now)) for each in usable]
    capacity = sum(value * part for value, part in known if value is not None) or None
    trusted = [(each, reading) for each, reading in speaking if each.proven or reading.in_system]
    scale = len(usable) / len(speaking) if speaking else 1.0  # the silent ones are taken to be like the others
    running = sum(reading.running or 0.0 for _, reading in trusted) * scale
    waiting = sum(reading.waiting or 0.0 for _, reading in trusted) * scale
    if traffic is not None:
        # Gauges lag, and a draining engine says that it is idle; what routers wait for is there, whatever it says.
        running = max(running, traffic.in_flight - waiting)
    usages = [reading.kv_usage for _, reading in trusted if reading.kv_usage is not None]
    usage = sum(usages) / len(usages) if usages else None
    limits = [each.concurrency for each, _ in trusted if each.concurrency is not None]
    parts = [part for part in (usage,) if part is not None]
    if limits:
        parts.append((running + waiting) / (sum(limits) / len(limits) * len(usable)))
    return Load(
        usable=len(usable),
        length=state.length.mean,
        arrivals=state.arrivals,
        work=state.work,
        silent=len(usable) - len(speaking),
        observed_at=max((reading.at for _, reading in heard), default=None),
        running=running,
        waiting=waiting,
        kv_usage=usage,
        utilization=min(MOST_UTILIZATION, max(parts)) if parts else None,
        capacity=capacity,
    )


def _reported(state: BackendState, backend: Backend, usable: int, traffic: Traffic | None) -> Load:
    """Where no engine can be asked: routers know what they sent, and a 429 says that it was too much."""
    limit = backend.tokens_per_minute / 60.0 if backend.tokens_per_minute else None
    bound = backend.max_in_flight
    prior = backend.tokens_per_second * max(1, len(backend.endpoints)) if backend.tokens_per_second else None
    # Where nothing bounds it, the most that was seen is what came: who got little would go on to get little.
    bounded = limit is not None or bound is not None or state.belief < 1.0
    known = [value for value in (state.peak if bounded else None, prior) if value is not None]
    capacity = max(known) if known else None
    if limit is not None:
        capacity = limit if capacity is None else min(capacity, limit)
    in_flight = float(traffic.in_flight) if traffic is not None else 0.0
    return Load(
        usable=usable,
        length=state.length.mean,
        arrivals=state.arrivals,
        work=state.work,
        observed_at=state.traffic.at if state.traffic is not None else None,
        running=in_flight,
        utilization=min(MOST_UTILIZATION, in_flight / bound) if bound and traffic is not None else None,
        capacity=None if capacity is None else capacity * state.belief,
    )


class _Passed:
    """What routers counted since the last look. Sums begin anew where a backend had gone and is there again."""

    def __init__(self, before: Traffic | None, after: Traffic | None) -> None:
        if before is None or after is None or after.at <= before.at:
            self.seconds = self.work = 0.0
            self.started = self.completed = self.busy = 0
            return
        self.seconds = after.at - before.at
        self.started = max(0, after.started - before.started)
        self.completed = max(0, after.completed - before.completed)
        self.busy = max(0, after.busy - before.busy)
        self.work = max(0.0, after.work - before.work)


def _belief(before: float, passed: _Passed) -> float:
    if passed.busy:
        return max(0.05, before * BUSY_FACTOR)
    return min(1.0, before + RECOVERY) if passed.seconds else before
