"""``status.load`` of a backend, and whether it has moved far enough to be written again."""

from collections.abc import Callable, Mapping
from typing import Any

from signalbox.feedback.backends import Load
from signalbox.plan.status.conditions import Entry
from signalbox.plan.status.telemetry import MOVE_PERCENT

# With fewer requests than that, one more or less is no tenth of anything.
LEAST_REQUESTS = 20


def load_entry(load: Load, dated: Callable[[float | None], str | None]) -> Entry | None:
    """None where nothing was ever seen of the backend."""
    if load.observed_at is None:
        return None
    known = {
        "running": round(load.running),
        "waiting": round(load.waiting),
        "kvCacheUsagePercent": None if load.kv_usage is None else min(100, round(100 * load.kv_usage)),
        "tokensPerSecond": None if load.work is None else round(load.work),
        "capacityTokensPerSecond": None if load.capacity is None else round(load.capacity),
        "observedAt": dated(load.observed_at),
    }
    return {name: value for name, value in known.items() if value is not None}


def load_moved(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> bool:
    """By a tenth of what it is measured with. Times alone move nothing, where nothing goes on there is nothing to begin
    with, and what was seen last stays when nothing is seen any more: ``observedAt`` tells."""
    if after is None:
        return False
    if before is None:
        return any(value for name, value in after.items() if name != "observedAt")
    requests = max(LEAST_REQUESTS, *(one.get("running", 0) + one.get("waiting", 0) for one in (before, after)))
    tokens = max(
        *(one.get(name, 0) for one in (before, after) for name in ("tokensPerSecond", "capacityTokensPerSecond")), 1
    )
    wholes = {
        "running": requests,
        "waiting": requests,
        "kvCacheUsagePercent": 100,
        "tokensPerSecond": tokens,
        "capacityTokensPerSecond": tokens,
    }
    return any(
        (name in before) != (name in after)
        or abs(before.get(name, 0) - after.get(name, 0)) * 100 >= MOVE_PERCENT * whole
        for name, whole in wholes.items()
        if name in before or name in after
    )
