"""What an engine said at one moment, and what two such moments say of the time between them."""

import msgspec

PROMPT_WORK = 0.1
"""What a prompt token that was not cached costs, in output tokens: engines read prompts in parallel."""
SPANS = 4.0
"""Request lengths that a window over late counters holds: what is under way at its ends is then an eighth of it."""
LONGEST = 300.0
"""Seconds of a window; who takes longer for so few requests is no longer what it was."""
ENOUGH = 240.0
"""Seconds after which a window tells what it can, however few requests have ended."""

Window = tuple["Reading", ...]
"""Readings of one process, the oldest first."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One look at one endpoint. ``at`` is seconds of a monotonic clock; what is None is not exported.

    ``running`` and ``waiting`` count requests, ``kv_usage`` is 0 to 1. The others are counters since the engine's
    start: output tokens, prompt tokens and those of them that were cached, and requests that have ended. ``late``:
    counters move only when a request ends, so that two readings say something only with many ends between them.
    ``source`` tells apart what was read: counters of different series say nothing of each other.
    """

    at: float
    running: float | None = None
    waiting: float | None = None
    kv_usage: float | None = None
    generated: float | None = None
    prompted: float | None = None
    cached: float | None = None
    finished: float | None = None
    late: bool = False
    source: int = 0

    @property
    def in_system(self) -> float:
        """Requests that are there."""
        return (self.running or 0.0) + (self.waiting or 0.0)


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Between two readings. ``work`` is output tokens and ``PROMPT_WORK`` of each uncached prompt token, per second;
    ``finished`` and ``arrived`` are requests per second; None where a counter is missing or has begun anew."""

    seconds: float
    work: float | None = None
    finished: float | None = None
    arrived: float | None = None


def rates(before: Reading, after: Reading) -> Rates | None:
    """What happened in between; None when no time has passed. A counter that went back belongs to a new process: the
    interval says nothing of it, rather than something wrong."""
    seconds = after.at - before.at
    if seconds <= 0.0:
        return None
    if before.late != after.late or before.source != after.source:
        return Rates(seconds=seconds)  # it has begun to export others, or others are read
    generated = _moved(before.generated, after.generated)
    prompted = _moved(before.prompted, after.prompted) or 0.0
    cached = _moved(before.cached, after.cached) or 0.0
    finished = _moved(before.finished, after.finished)
    work = None if generated is None else generated + PROMPT_WORK * max(0.0, prompted - cached)
    return Rates(
        seconds=seconds,
        work=None if work is None else work / seconds,
        finished=None if finished is None else finished / seconds,
        arrived=None if finished is None else max(0.0, finished + after.in_system - before.in_system) / seconds,
    )


def extended(window: Window, reading: Reading) -> Window:
    """With a further reading. Two are enough, but where counters are late all of the last minutes are kept."""
    if not window:
        return (reading,)
    last = window[-1]
    if not reading.late or (last.late and _idle(last, reading)):
        return last, reading
    between = rates(last, reading)
    if between is None or between.work is None:
        return (reading,)
    return (*(each for each in window if reading.at - each.at <= LONGEST), reading)


def telling(window: Window, length: float) -> Window | None:
    """The newest part of it between whose ends a rate is to be taken; None while it is too short. Late counters tell
    something over ``SPANS`` request lengths; ``length`` is tokens of work a request.

    How long requests take is judged over all of the window: a part that ended where the counters have just leapt would
    always seem fast.
    """
    first, last = window[0], window[-1]
    if len(window) < 2 or not last.late or _idle(first, last):
        return window if len(window) > 1 else None
    between = rates(first, last)
    seconds = _request_seconds(between, running(window), length) if between is not None else None
    if seconds is None or SPANS * seconds > last.at - first.at:
        return window if last.at - first.at >= ENOUGH else None
    begin = max(n for n, each in enumerate(window[:-1]) if last.at - each.at >= SPANS * seconds)
    return window[begin:]


def running(window: Window) -> float:
    """How many ran, on average."""
    return sum(reading.running or 0.0 for reading in window) / len(window)


def _idle(before: Reading, after: Reading) -> bool:
    """Nothing is under way at either: then also late counters have counted all."""
    return before.running == after.running == 0.0 and before.in_system == after.in_system == 0.0


def _request_seconds(between: Rates, ran: float, length: float) -> float | None:
    """How long a request runs: a place in a batch ends one in each such time."""
    ended = between.finished if between.finished is not None else (between.work or 0.0) / length
    return max(1.0, ran) / ended if ended else None


def _moved(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None or after < before else after - before
