"""What the feedback loop said last of each namespace, for who writes statuses."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from signalbox.plan.status.said import Said, news, pressing, said, shared
from signalbox.plan.status.telemetry import SECONDS
from signalbox.signals.telemetry import Seen


class Heard:
    """``changed`` is called with a namespace where a status may have to be written: for figures that have moved no more
    often than they may be written. All that takes long of very many backends is done beside the event loop."""

    def __init__(self, changed: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._changed, self._clock = changed, clock
        self._newest: dict[str, Said] = {}
        self._told: dict[str, Said] = {}
        self._told_at: dict[str, float] = {}

    async def stepped(self, seen: Seen) -> None:
        """The loop of a namespace has decided something."""
        found = await asyncio.to_thread(
            said, seen.plan, seen.outcome, lambda name: seen.problems.get(name, {}), time.monotonic(), _calendar
        )
        if found is not None:
            await self.take(seen.namespace, found)

    async def take(self, namespace: str, newest: Said) -> None:
        """After a step of the loop."""
        newest = self._newest[namespace] = shared(self._newest.get(namespace), newest)
        before, now = self._told.get(namespace), self._clock()
        if before is not None and now - self._told_at[namespace] < SECONDS:
            moved = await asyncio.to_thread(pressing, before, newest)
        else:
            moved = await asyncio.to_thread(news, before, newest)
        if moved:
            self._told[namespace], self._told_at[namespace] = newest, now
            self._changed(namespace)

    def of(self, namespace: str) -> Said | None:
        """The newest; None before there was a step."""
        return self._newest.get(namespace)

    def forget(self, namespace: str | None = None) -> None:
        """Of a namespace where nothing is followed any more, or of all: who leads no more hears nothing."""
        known: tuple[dict[str, Said] | dict[str, float], ...] = (self._newest, self._told, self._told_at)
        for each in known:
            each.clear() if namespace is None else each.pop(namespace, None)


def _calendar(at: float) -> datetime:
    """What it was when the monotonic clock, which samples go by, said this."""
    return datetime.now(UTC) - timedelta(seconds=time.monotonic() - at)
