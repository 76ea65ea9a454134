"""What routers counted, as rates of the last seconds: for people's eyes, no decision rests on it.

Counters run since a router's start. Their growth is summed, so that a router that ends or starts again takes nothing
back.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

import msgspec

from signalbox.control.messages import Traffic, Ways

WINDOW_SECONDS = 10.0
LEAST_SECONDS = 0.9
"""Between two looks: routers report every second."""
MAX_WAYS = 5_000
"""Targets of routes over all routers: names are what routers say."""

SILENT_SECONDS = 30.0
"""A router that has not reported for so long is not there."""

Key = tuple[str, ...]


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


class Meter:
    """Tell it every report; ask it for ``flows`` every second or so."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heard: dict[str, float] = {}
        self._last: dict[str, dict[Key, tuple[int, ...]]] = {}
        self._reports: dict[str, Mapping[str, Traffic]] = {}
        self._sums: dict[Key, tuple[int, ...]] = {}
        self._looks: deque[tuple[float, dict[Key, tuple[int, ...]]]] = deque()

    def report(self, router: str, backends: Mapping[str, Traffic], sent: Ways) -> None:
        """What one router has counted so far."""
        counted: dict[Key, tuple[int, ...]] = {
            (name,): (
                each.requests,
                each.failures,
                each.output_tokens,
                each.first_tokens,
                each.first_token_ms,
                each.shed,
            )
            for name, each in backends.items()
        }
        for policy, routes in sent.items():
            for route, targets in routes.items():
                for target, way in targets.items():
                    counted[policy, route, target] = (way.requests, way.failed)
        before = self._last.get(router)
        for key, values in counted.items():
            old = before.get(key) if before is not None else values  # what was before we listened is not of now
            if key not in self._sums and len(key) > 1 and len(self._sums) >= MAX_WAYS:
                continue
            sums = self._sums.get(key, (0,) * len(values))
            if old is None or any(new < was for new, was in zip(values, old, strict=True)):
                old = (0,) * len(values)  # new, or begun anew
            self._sums[key] = tuple(total + new - was for total, new, was in zip(sums, values, old, strict=True))
        self._last[router] = counted
        self._reports[router] = backends
        self._heard[router] = self._clock()

    def gone(self, router: str) -> None:
        """It will not report any more."""
        self._last.pop(router, None)
        self._reports.pop(router, None)
        self._heard.pop(router, None)

    def flows(self, now: float) -> Flows:
        """Rates until now."""
        silent = self._clock() - SILENT_SECONDS
        for router in [router for router, at in self._heard.items() if at < silent]:
            self.gone(router)
        if not self._looks or now - self._looks[-1][0] >= LEAST_SECONDS:
            self._looks.append((now, dict(self._sums)))
        while len(self._looks) > 2 and now - self._looks[1][0] >= WINDOW_SECONDS:
            self._looks.popleft()
        since, before = self._looks[0]
        seconds = now - since
        backends: dict[str, Flow] = {}
        ways: dict[str, dict[str, dict[str, Way]]] = {}
        for key, sums in list(self._sums.items()):
            old = before.get(key, (0,) * len(sums))
            moved = [new - was for new, was in zip(sums, old, strict=True)]
            if len(key) == 1:
                backends[key[0]] = _flow(moved, seconds)
            else:
                policy, route, target = key
                ways.setdefault(policy, {}).setdefault(route, {})[target] = _way(moved, seconds)
        said: dict[str, list[Traffic]] = {}
        for report in self._reports.values():
            for name, traffic in report.items():
                said.setdefault(name, []).append(traffic)
        return Flows(
            seconds=seconds if self._heard else 0.0,
            backends={name: self._seen(said.get(name, ()), flow) for name, flow in backends.items()},
            ways=ways,
        )

    @staticmethod
    def _seen(found: Sequence[Traffic], flow: Flow) -> Flow:
        if not found:
            return flow
        known = max(each.known for each in found)
        usable = max(each.usable for each in found)
        causes = {cause for each in found for cause in each.causes} if usable < known else set()
        return msgspec.structs.replace(flow, known=known, usable=usable, causes=tuple(sorted(causes)))


def _flow(moved: list[int], seconds: float) -> Flow:
    requests, failures, tokens, first_tokens, first_token_ms, shed = moved
    if seconds <= 0.0:
        return Flow()
    return Flow(
        requests=requests / seconds,
        tokens=tokens / seconds,
        errors=failures / requests if requests else None,
        shed=shed / seconds,
        first_token=first_token_ms / first_tokens / 1000.0 if first_tokens else None,
    )


def _way(moved: list[int], seconds: float) -> Way:
    requests, failed = moved
    return Way(
        requests=requests / seconds if seconds > 0.0 else 0.0,
        errors=failed / requests if requests else None,
    )
