"""What the feedback loop said last of each namespace, for who writes statuses."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from signalbox.plan.status.said import Said, news, said
from signalbox.signals.space import Space


class Heard:
    """``changed`` is called with a namespace where a status may have to be written."""

    def __init__(self, changed: Callable[[str], None]) -> None:
        self._changed = changed
        self._newest: dict[str, Said] = {}
        self._told: dict[str, Said] = {}

    def stepped(self, namespace: str, space: Space | None) -> None:
        """The loop of a namespace has decided something; or it has ended, and there is no space any more."""
        if space is None or space.loop.step is None:
            self.forget(namespace)
            return
        problems, now = space.problems(), time.monotonic()
        outcome = space.loop.step.outcome
        self.take(namespace, said(space.plan, outcome, lambda name: problems.get(name, {}), now, _calendar))

    def take(self, namespace: str, newest: Said) -> None:
        """After a step of the loop."""
        self._newest[namespace] = newest
        if news(self._told.get(namespace), newest):
            self._told[namespace] = newest
            self._changed(namespace)

    def of(self, namespace: str) -> Said | None:
        """The newest; None before there was a step."""
        return self._newest.get(namespace)

    def forget(self, namespace: str | None = None) -> None:
        """Of a namespace where nothing is followed any more, or of all: who leads no more hears nothing."""
        for known in (self._newest, self._told):
            known.clear() if namespace is None else known.pop(namespace, None)


def _calendar(at: float) -> datetime:
    """What it was when the monotonic clock, which samples go by, said this."""
    return datetime.now(UTC) - timedelta(seconds=time.monotonic() - at)
