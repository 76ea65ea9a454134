"""How many requests are at a backend: the newest sample of its engines, corrected by what one worker did since.

A sample is seconds old when it is used. What the worker itself has sent since is known exactly, and stands for what all
the others have sent, by the part that it has in the arrivals.
"""

from collections import deque

QUANTUM = 0.25
KEPT = 80
"""Quanta of history: 20 s."""
ARRIVAL_SECONDS = 15.0
"""Over which a worker counts its own arrivals: about as long as the rate of all arrivals is smoothed."""
MOST_SCALE = 16.0


class Backlog:
    """One backend, as one worker sees it. Times are seconds of the worker's own monotonic clock.

    The estimate is max(``in_flight``, ``offset`` + ``scale`` × ``in_flight``): two fields that are written with a
    sample, so that a decision only reads. Before any sample it is what the worker has in flight; once the last one is
    too old, ``scale`` times that.
    """

    __slots__ = ("_born", "_due", "_history", "in_flight", "offset", "scale", "started")

    def __init__(self, now: float) -> None:
        self.in_flight = 0
        self.started = 0
        self.offset = 0.0
        self.scale = 1.0
        self._born = now
        self._due = now
        # Time of a change, and both counters before it. Between two entries more than a quantum apart nothing changed.
        self._history: deque[tuple[float, int, int]] = deque(maxlen=KEPT)

    def began(self, now: float) -> None:
        """A request goes there."""
        if now >= self._due:
            self._note(now)
        self.in_flight += 1
        self.started += 1

    def ended(self, now: float) -> None:
        """A request has ended."""
        if now >= self._due:
            self._note(now)
        self.in_flight -= 1

    @property
    def estimate(self) -> float:
        """Requests that are there now, of all traffic; the worker's own are, whatever a sample says."""
        return max(self.in_flight, self.offset + self.scale * self.in_flight)

    def sample(self, in_system: float, arrivals: float | None, age: float, now: float) -> None:
        """There were ``in_system`` requests ``age`` seconds ago; ``arrivals`` a second come from everywhere."""
        then, _ = self._before(now - age)
        if arrivals is not None:
            self.scale = min(MOST_SCALE, max(1.0, arrivals / self._own_arrivals(now)))
        self.offset = in_system - self.scale * then

    def forget(self) -> None:
        """The sample is too old to say anything; which part of the arrivals is ours, it still says."""
        self.offset = 0.0

    def _note(self, now: float) -> None:
        self._history.append((now, self.in_flight, self.started))
        self._due = now + QUANTUM

    def _before(self, at: float) -> tuple[int, int]:
        """In flight and started at a time; as far back as is known."""
        in_flight, started = self.in_flight, self.started
        for when, *counters in reversed(self._history):
            if when <= at:
                break
            in_flight, started = counters
        return in_flight, started

    def _own_arrivals(self, now: float) -> float:
        """A second. One at least counts as seen: nobody's first request is worth sixteen because none came before."""
        begin = max(self._born, now - ARRIVAL_SECONDS)
        _, before = self._before(begin)
        return max(1, self.started - before) / max(now - begin, QUANTUM)
