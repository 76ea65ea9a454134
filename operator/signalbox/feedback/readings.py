"""What an engine said at one moment, and what two such moments say of the time between them."""

import msgspec

PROMPT_WORK = 0.1
"""What a prompt token that was not cached costs, in output tokens: engines read prompts in parallel."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One look at one endpoint. ``at`` is seconds of a monotonic clock; what is None is not exported.

    ``running`` and ``waiting`` count requests, ``kv_usage`` is 0 to 1. The others are counters since the engine's
    start: output tokens, prompt tokens and those of them that were cached, and requests that have ended. ``late``:
    counters move only when a request ends, so that two readings say something only with many ends between them.
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
    if before.late != after.late:
        return Rates(seconds=seconds)  # it has begun to export others
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


def _moved(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None or after < before else after - before
