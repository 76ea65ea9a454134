"""How much a worker begins in one turn of its loop.

Where thousands of clients have sent a request, beginning all of them would take half a second, in which no event of a
stream passes and no answer of an engine is read; and each would be taken up again when it has long left the processor's
caches, which makes it half as expensive again. So a turn begins a few, and lets what has come meanwhile pass.

They are served in the order in which they came, unless the first of them waits for long: then more comes than can be
served, and in order all would wait, and be answered when nobody may want it any more. So the last to come is served
first: it is not late, and the processor still knows it. Those who have waited for too long are refused, as many in a
turn as leaves time to serve.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from signalbox.router.wire.errors import Refusal

MOST_BEGUN = 64
MOST_REFUSED = 8
LATE_SECONDS = 0.25
LONGEST_WAIT_SECONDS = 2.0


class Client(Protocol):
    """Has a request to be served: ``ClientConnection``."""

    def wait(self) -> None:
        """It will be served in one of the next turns."""

    def serve_next(self, refusal: Refusal | None = None) -> None:
        """Serve it now, or refuse it."""


class Turns:
    """Of one worker: clients whose requests wait for a turn, in the order in which they came. See the module."""

    __slots__ = ("_begun", "_clock", "_now", "_scheduled", "_waiting")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting: deque[tuple[Client, float]] = deque()
        self._begun = 0  # in this turn
        self._now = 0.0  # when it began; monotonic seconds
        self._scheduled = False

    def begin(self, client: Client) -> None:
        """Let a client's request be served: now, or in one of the next turns."""
        if not self._scheduled:
            self._schedule()
        if self._begun < MOST_BEGUN:
            self._begun += 1
            client.serve_next()
        else:
            client.wait()
            self._waiting.append((client, self._now))

    def later(self, client: Client) -> None:
        """Let a client's request be served in one of the next turns."""
        if not self._scheduled:
            self._schedule()
        client.wait()
        self._waiting.append((client, self._now))

    def _schedule(self) -> None:
        self._scheduled = True
        self._now = self._clock()
        asyncio.get_running_loop().call_soon(self._next_turn)

    def _next_turn(self) -> None:
        waiting = self._waiting
        # What is begun here counts for the turn that follows: its reads come after this.
        self._begun = min(MOST_BEGUN, len(waiting))
        if not waiting:
            self._scheduled = False
            return
        self._schedule()
        late = waiting[0][1] < self._now - LATE_SECONDS
        for _ in range(self._begun):
            (waiting.pop() if late else waiting.popleft())[0].serve_next()
        too_early = self._now - LONGEST_WAIT_SECONDS
        for _ in range(MOST_REFUSED):
            if not waiting or waiting[0][1] >= too_early:
                break
            waiting.popleft()[0].serve_next(_overloaded())


def _overloaded() -> Refusal:
    # One for each: an exception that is raised again and again keeps the frames of all those times.
    return Refusal(503, "router_overloaded", "The router has more requests than it can serve.", retry_after=1)
