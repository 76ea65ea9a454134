"""Whether a request is turned away because too many wait already.

A queue that is longer than clients wait serves nobody: what comes out of it was given up. So of a portfolio of which
every target has a queue, a part of the requests is refused at once, and the more the longer the shortest wait is: what
is admitted settles at what is served. The least important tier goes first, and is gone before the next one is touched.
"""

import math

BEARABLE = 0.5
"""Part of the time-out for the first token that a request may wait; the rest is for its prompt and for old samples."""
CALM = 0.25
"""Part of the bearable wait below which nobody is refused: queues of some seconds come and go."""
LONGEST = 60.0


class Queue:
    """What waits at one backend, by the newest sample and what happened since. Monotonic seconds."""

    __slots__ = ("_in_system", "_rate", "_sampled_at", "_waiting", "bearable")

    def __init__(self) -> None:
        self._sampled_at = -math.inf
        self._in_system = self._waiting = self._rate = 0.0
        self.bearable = math.inf

    def bound(self, first_token_ms: int, request_ms: int) -> None:
        """These are the time-outs of a request."""
        self.bearable = BEARABLE * min(first_token_ms, request_ms) / 1000

    def heard(self, waiting: float, in_system: float, rate: float | None, sampled_at: float) -> None:
        """A sample of that time; ``rate`` is how many requests a second are served at most."""
        self._waiting, self._in_system, self._sampled_at = waiting, in_system, sampled_at
        self._rate = rate or 0.0

    def forget(self) -> None:
        """Nothing is known any more."""
        self._sampled_at = -math.inf

    def wait(self, present: float, oldest: float) -> float:
        """Seconds that a request would wait where ``present`` are there now; 0.0 where none wait, or nothing is known:
        a sample from before ``oldest`` says nothing."""
        if self._sampled_at < oldest or not self._waiting or not self._rate:
            return 0.0
        return max(0.0, self._waiting + present - self._in_system) / self._rate


def retry_after(wait: float, bearable: float, rank: int, ranks: int, draw: float) -> float:
    """0.0: admit; else the seconds until the excess will have been served and the wait is bearable again.

    ``wait`` is that at the least crowded target and ``bearable`` its bound; of ``ranks`` tiers, 0 is the most important
    one; ``draw`` is random, from 0 to 1.
    """
    width = (1.0 - CALM) / ranks
    begin = CALM + (ranks - 1 - rank) * width
    if draw >= (wait / bearable - begin) / width:
        return 0.0
    return min(LONGEST, max(1.0, wait - begin * bearable))
