"""What routers counted, as rates of the last seconds: for people's eyes, no decision rests on it.

Counters run since a router's start. Their growth is summed, so that a router that ends or starts again takes nothing
back.
"""

import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from math import inf
from operator import add, attrgetter, lt, sub
from typing import Generic, TypeVar

import msgspec

from signalbox.control.messages import Sent, Traffic, Ways

WINDOW_SECONDS = 10.0
LEAST_SECONDS = 0.9
"""Between two looks: routers report every second."""
MAX_WAYS = 5_000
"""Targets of routes over all routers: names are what routers say."""

SILENT_SECONDS = 30.0
"""A router that has not reported for so long is not there."""

Name = TypeVar("Name", bound=Hashable)
Said = TypeVar("Said", Traffic, Sent)
Counts = tuple[int, ...]
_traffic = attrgetter("requests", "failures", "output_tokens", "first_tokens", "first_token_ms", "shed")
_sent = attrgetter("requests", "failed")


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """A backend's requests, tokens a second, share of failed attempts, requests that were turned away for want of room,
    and mean seconds to the first token; endpoints that a router knows and may use, and why others are out. None is not
    known."""

    requests: float = 0.0
    tokens: float | None = None
    errors: float | None = None
    shed: float = 0.0
    first_token: float | None = None
    known: int = 0
    usable: int | None = None
    causes: tuple[str, ...] = ()


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """Requests a second that a target of a route answered, and the share of those that failed."""

    requests: float = 0.0
    errors: float | None = None


class Flows(msgspec.Struct, frozen=True, kw_only=True):
    """By backend, and by policy, route and target; over so many seconds, and none where no router was heard."""

    seconds: float = 0.0
    backends: Mapping[str, Flow] = {}
    ways: Mapping[str, Mapping[str, Mapping[str, Way]]] = {}


class _Growth(Generic[Name, Said]):
    """How far counters have moved since somebody listens, over all routers. What a router counted before it was heard
    of, now or again, is no news; a counter that went back has begun anew, with all others of its process.

    Most of very many do not move: those are neither added up nor taken from each other, as sums that have not changed
    are the same object.
    """

    def __init__(self, counts: Callable[[Said], Counts], nothing: Said, most: float = inf) -> None:
        self._counts: Callable[[Said], Counts] = counts
        self._nothing, self._most = counts(nothing), most
        self._said: dict[str, Mapping[Name, Said]] = {}
        self._sums: dict[Name, Counts] = {}
        self._looks: deque[tuple[float, dict[Name, Counts]]] = deque()

    def take(self, router: str, said: Mapping[Name, Said]) -> None:
        """All that it counts."""
        before = self._said.get(router, {})
        self._said[router] = said
        for name, new in said.items():
            old = before.get(name)
            if name not in self._sums:
                if len(self._sums) >= self._most:
                    continue
                self._sums[name] = self._nothing
            if old is not None and old != new:
                self._grow(name, self._counts(old), self._counts(new))

    def leave(self, router: str) -> None:
        """It counts no more."""
        self._said.pop(router, None)

    def said(self) -> dict[Name, list[Said]]:
        """Of each name, by whoever says anything of it."""
        found: dict[Name, list[Said]] = {}
        for said in self._said.values():
            for name, each in said.items():
                found.setdefault(name, []).append(each)
        return found

    def moved(self, now: float) -> tuple[float, dict[Name, Counts]]:
        """In the last seconds, and how many those are."""
        if not self._looks or now - self._looks[-1][0] >= LEAST_SECONDS:
            self._looks.append((now, dict(self._sums)))
        while len(self._looks) > 2 and now - self._looks[1][0] >= WINDOW_SECONDS:
            self._looks.popleft()
        since, before = self._looks[0]
        if now - since >= WINDOW_SECONDS:
            self._forget(before)
        found = dict.fromkeys(self._sums, self._nothing)
        for name, sums in self._sums.items():
            old = before.get(name, self._nothing)
            if sums is not old:
                found[name] = tuple(map(sub, sums, old))
        return now - since, found

    def _grow(self, name: Name, old: Counts, new: Counts) -> None:
        grown = new if any(map(lt, new, old)) else tuple(map(sub, new, old))
        if any(grown):
            self._sums[name] = tuple(map(add, self._sums[name], grown))

    def _forget(self, before: Mapping[Name, Counts]) -> None:
        """What nobody says any more and is in no rate: names are what routers say."""
        said = set().union(*self._said.values())
        for name in [name for name, sums in self._sums.items() if name not in said and before.get(name) is sums]:
            del self._sums[name]
            for _, look in self._looks:
                look.pop(name, None)


class Meter:
    """Tell it every report; ask it for ``flows`` every second or so."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heard: dict[str, float] = {}
        self._backends = _Growth[str, Traffic](_traffic, Traffic())
        self._ways = _Growth[tuple[str, str, str], Sent](_sent, Sent(), MAX_WAYS)

    def report(self, router: str, backends: Mapping[str, Traffic], sent: Ways) -> None:
        """What one router has counted so far."""
        ways = {
            (policy, route, target): way
            for policy, routes in sent.items()
            for route, targets in routes.items()
            for target, way in targets.items()
        }
        self._backends.take(router, backends)
        self._ways.take(router, ways)
        self._heard[router] = self._clock()

    def gone(self, router: str) -> None:
        """It will not report any more."""
        self._backends.leave(router)
        self._ways.leave(router)
        self._heard.pop(router, None)

    def flows(self, now: float) -> Flows:
        """Rates until now."""
        silent = self._clock() - SILENT_SECONDS
        for router in [router for router, at in self._heard.items() if at < silent]:
            self.gone(router)
        seconds, moved = self._backends.moved(now)
        said = self._backends.said()
        backends = {name: _flow(counts, seconds, said.get(name, ())) for name, counts in moved.items()}
        ways: dict[str, dict[str, dict[str, Way]]] = {}
        for (policy, route, target), counts in self._ways.moved(now)[1].items():
            ways.setdefault(policy, {}).setdefault(route, {})[target] = _way(counts, seconds)
        return Flows(seconds=seconds if self._heard else 0.0, backends=backends, ways=ways)


def _flow(moved: Counts, seconds: float, said: Sequence[Traffic]) -> Flow:
    requests, failures, tokens, first_tokens, first_token_ms, shed = moved
    known = max((each.known for each in said), default=0)
    usable = max((each.usable for each in said), default=None)
    out = usable is not None and usable < known
    return Flow(
        requests=requests / seconds if seconds else 0.0,
        tokens=tokens / seconds if seconds else None,
        errors=failures / requests if requests else None,
        shed=shed / seconds if seconds else 0.0,
        first_token=first_token_ms / first_tokens / 1000.0 if first_tokens else None,
        known=known,
        usable=usable,
        causes=tuple(sorted({cause for each in said for cause in each.causes})) if out else (),
    )


def _way(moved: Counts, seconds: float) -> Way:
    requests, failed = moved
    return Way(requests=requests / seconds if seconds else 0.0, errors=failed / requests if requests else None)
