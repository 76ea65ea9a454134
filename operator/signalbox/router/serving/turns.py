"""How much a worker begins in one turn of its loop.

Where thousands of clients have sent a request, beginning all of them would take half a second, in which no event of a
stream passes and no answer of an engine is read. So a turn begins a few, and lets what has come meanwhile pass.

They are served in the order in which they came, unless the first of them waits for long: then more comes than can be
served, and in order all would wait, and be answered when nobody may want it any more. So the last to come is served
first, which is not late. Those who have waited for too long are refused, in a part of the time that leaves the rest to
serve.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from signalbox.router.time_share import TimeShare
from signalbox.router.wire.errors import Refusal

MOST_BEGUN = 64
MOST_SECONDS = 0.005
"""A turn ends after the request with which it has lasted for so long: those with long prompts take a millisecond."""
LATE_SECONDS = 1.0
"""As many clients as a worker keeps are all served within this, in order, unless their requests are dear."""
LONGEST_WAIT_SECONDS = 2.0
REFUSING = 0.1
"""Part of the time, at most."""


class Client(Protocol):
    """Has a request to be served: ``ClientConnection``."""

    def wait(self) -> None:
        """It will be served in one of the next turns."""

    def serve_next(self, refusal: Refusal | None = None) -> None:
        """Serve it now, or refuse it."""


class Turns:
    """Of one worker: clients whose requests wait for a turn, in the order in which they came. See the module."""

    __slots__ = ("_begun", "_clock", "_now", "_refusing", "_scheduled", "_waiting")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting: deque[tuple[Client, float]] = deque()
        self._begun = 0  # in this turn
        self._now = 0.0  # when it began; monotonic seconds
        self._refusing = TimeShare(REFUSING, MOST_SECONDS, clock())
        self._scheduled = False

    def __len__(self) -> int:
        return len(self._waiting)

    def begin(self, client: Client) -> None:
        """Let a client's request be served: now, or in one of the next turns."""
        if not self._scheduled:
            self._schedule()
        if self._begun < MOST_BEGUN:
            self._begun += 1
            client.serve_next()
            self._end_when_long()
        else:
            self._append(client)

    def later(self, client: Client) -> None:
        """Let a client's request be served in one of the next turns."""
        if not self._scheduled:
            self._schedule()
        self._append(client)

    def _append(self, client: Client) -> None:
        client.wait()
        # Not since this turn began, which may have been long ago: who has just come has not waited.
        self._waiting.append((client, self._clock()))

    def _schedule(self) -> None:
        self._scheduled = True
        self._now = self._clock()
        asyncio.get_running_loop().call_soon(self._next_turn)

    def _end_when_long(self) -> None:
        if self._clock() - self._now > MOST_SECONDS:
            self._begun = MOST_BEGUN

    def _next_turn(self) -> None:
        waiting = self._waiting
        # What is begun here counts for the turn that follows: its reads come after this.
        self._begun = 0
        if not waiting:
            self._scheduled = False
            return
        self._schedule()
        late = waiting[0][1] < self._now - LATE_SECONDS
        for _ in range(min(MOST_BEGUN, len(waiting))):
            self._begun += 1
            (waiting.pop() if late else waiting.popleft())[0].serve_next()
            self._end_when_long()
            if self._begun >= MOST_BEGUN:
                break
        self._refuse()

    def _refuse(self) -> None:
        """Those who have waited for too long, the longest first."""
        waiting, too_early = self._waiting, self._now - LONGEST_WAIT_SECONDS
        if not waiting or waiting[0][1] >= too_early:
            return
        began = self._clock()
        self._refusing.earn(began)
        while self._refusing.left > 0.0 and waiting and waiting[0][1] < too_early:
            waiting.popleft()[0].serve_next(_overloaded())
            now = self._clock()
            self._refusing.left -= now - began
            began = now


def _overloaded() -> Refusal:
    # One for each: an exception that is raised again and again keeps the frames of all those times.
    return Refusal(503, "router_overloaded", "The router has more requests than it can serve.", retry_after=1)
