"""What routers counted, as one: sums that never go back, whatever routers do."""

from collections.abc import Collection, Mapping

from signalbox.control.messages import Traffic as Counted
from signalbox.feedback.traffic import Traffic

COUNTERS = ("started", "completed", "busy", "output_tokens", "input_tokens", "cached_tokens")


class _Backend:
    """Of one backend: sums, what each router said last, and how many of them know it and can use it."""

    __slots__ = ("at", "knowing", "said", "sums", "using")

    def __init__(self) -> None:
        self.at = 0.0
        self.sums = [0] * len(COUNTERS)
        self.said: dict[str, Counted] = {}
        self.knowing = self.using = 0

    def take(self, router: str, counted: Counted, at: float) -> None:
        before = self.said.get(router)
        self.at = at
        if counted == before:
            self.said[router] = counted  # others keep it too, as long as it is the newest
            return
        if before is not None:
            self.leave(router)
            # What a router counted before it was heard first is no news; one that began anew counts from nothing.
            then, now = _counters(before), _counters(counted)
            anew = any(map(int.__lt__, now, then))
            for index, value in enumerate(now):
                self.sums[index] += value if anew else value - then[index]
        self.said[router] = counted
        self.knowing += counted.known > 0
        self.using += counted.usable > 0

    def leave(self, router: str) -> None:
        counted = self.said.pop(router, None)
        if counted is not None:
            self.knowing -= counted.known > 0
            self.using -= counted.usable > 0

    @property
    def unreachable(self) -> bool:
        return self.knowing > 0 and self.using == 0


class Totals:
    """By backend. A router's last word is remembered as long as it is heard now and then, and nothing after that."""

    def __init__(self) -> None:
        self._backends: dict[str, _Backend] = {}
        self._heard: dict[str, tuple[float, Collection[str]]] = {}
        self._unreachable: set[str] = set()

    @property
    def routers(self) -> Collection[str]:
        """Those that are heard."""
        return self._heard.keys()

    @property
    def unreachable(self) -> frozenset[str]:
        """Backends that no router can use, of those that any knows an endpoint of."""
        return frozenset(self._unreachable)

    def keep(self, backends: Collection[str]) -> None:
        """These are all there are; of others nothing is remembered, or taken."""
        self._backends = {name: self._backends.get(name) or _Backend() for name in backends}
        self._unreachable &= self._backends.keys()

    def take(self, router: str, backends: Mapping[str, Counted], at: float) -> None:
        """A router's newest report; ``at`` is when it came, in seconds."""
        _, before = self._heard.get(router, (at, ()))
        self._heard[router] = at, backends.keys()
        for name, counted in backends.items():
            backend = self._backends.get(name)
            if backend is not None:
                backend.take(router, counted, at)
                self._judge(name, backend)
        self._leave(router, [name for name in before if name not in backends])

    def leave(self, router: str) -> None:
        """A router has gone; what it counted stays."""
        _, backends = self._heard.pop(router, (0.0, ()))
        self._leave(router, backends)

    def expire(self, before: float) -> None:
        """Routers that were not heard since then have gone."""
        for router in [router for router, (at, _) in self._heard.items() if at < before]:
            self.leave(router)

    def traffic(self, backend: str) -> Traffic | None:
        """The sums; None where no router has said anything lately."""
        found = self._backends.get(backend)
        if found is None or not found.said:
            return None
        in_flight = sum(each.in_flight for each in found.said.values())
        return Traffic(at=found.at, in_flight=in_flight, **dict(zip(COUNTERS, found.sums, strict=True)))

    def said(self, backend: str) -> Mapping[str, Counted]:
        """What each router said last of a backend."""
        found = self._backends.get(backend)
        return found.said if found is not None else {}

    def _leave(self, router: str, backends: Collection[str]) -> None:
        for name in backends:
            backend = self._backends.get(name)
            if backend is not None:
                backend.leave(router)
                self._judge(name, backend)

    def _judge(self, name: str, backend: _Backend) -> None:
        if backend.unreachable:
            self._unreachable.add(name)
        else:
            self._unreachable.discard(name)


def _counters(counted: Counted) -> tuple[int, ...]:
    return (
        counted.started,
        counted.completed,
        counted.busy,
        counted.output_tokens,
        counted.input_tokens,
        counted.cached_tokens,
    )
