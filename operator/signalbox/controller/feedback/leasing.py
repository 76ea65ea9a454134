"""Limits of backends leased to routers: each pod its part, divided anew every second by recent use."""

from collections.abc import Callable, Iterable

from signalbox.control.hub import Hub
from signalbox.control.messages import Lease, Leases, Report, line
from signalbox.control.peers import Peer, Router
from signalbox.feedback.leases import Amounts, Division, Use, leases
from signalbox.routing.config import Limits, RouterConfig

# A pod of which nobody says that it has ended, and that says nothing itself, has.
LOST_SECONDS = 3600.0

Key = tuple[str, str]  # namespace and backend


class Leasing:
    """``clock`` gives seconds. Pods that are cut off keep their parts until they are known to have ended."""

    def __init__(self, hub: Hub, clock: Callable[[], float]) -> None:
        self._hub, self._clock = hub, clock
        self._limits: dict[Key, Amounts] = {}
        self._use: dict[Key, dict[str, Use]] = {}
        self._divisions: dict[Key, Division] = {}
        self._pods: dict[str, Router] = {}
        self._inherited: set[str] = set()

    def inherit(self, namespaces: Iterable[str]) -> None:
        """These had routers before we lead: some that we never hear of may have ended just now."""
        self._inherited |= set(namespaces)

    def use(self, namespace: str, routers: Iterable[RouterConfig]) -> None:
        """The configurations of a namespace are these."""
        limits = {
            (namespace, backend.name): _amounts(backend.limits)
            for router in routers
            for backend in router.backends
            if backend.limits != Limits()
        }
        for key in [key for key in self._limits if key[0] == namespace and key not in limits]:
            del self._limits[key]
            self._use.pop(key, None)
            self._divisions.pop(key, None)
        inherited = namespace in self._inherited
        self._inherited.discard(namespace)  # what comes later is new
        self._divisions |= {key: Division(inherited=inherited) for key in limits.keys() - self._limits.keys()}
        self._limits |= limits

    def heard(self, peer: Peer, report: Report) -> None:
        """A pod says what it applies, and what it did."""
        now = self._clock()
        for name, applied in report.leases.items():
            key = peer.router.namespace, name
            traffic = report.backends.get(name)
            if key not in self._limits or traffic is None:
                continue
            self._pods[peer.uid] = peer.router
            self._use.setdefault(key, {})[peer.uid] = Use(
                at=now,
                lease=_of(applied.lease),
                most=_of(applied.most),
                spent=_of(applied.spent),
                started=traffic.started,
                shed=traffic.shed,
                tokens=traffic.input_tokens + traffic.output_tokens,
                in_flight=traffic.in_flight,
            )

    def ended(self, uid: str) -> None:
        """A pod has ended."""
        if self._pods.pop(uid, None) is not None:
            for used in self._use.values():
                used.pop(uid, None)

    def divide(self) -> None:
        """Once more. To be called every second."""
        now = self._clock()
        parts: dict[Router, dict[str, dict[str, Lease]]] = {}
        for key, limits in self._limits.items():
            used = self._use.get(key, {})
            for uid in [uid for uid, use in used.items() if now - use.at > LOST_SECONDS]:
                del used[uid]
            division = self._divisions[key] = leases(limits, used, self._divisions[key], now)
            for uid, amounts in division.leases.items():
                parts.setdefault(self._pods[uid], {}).setdefault(uid, {})[key[1]] = _lease(amounts)
        for router, pods in parts.items():
            self._hub.lease(router, {uid: line(Leases(backends=backends)) for uid, backends in pods.items()})

    def forget(self) -> None:
        """We do not lead any more."""
        for known in (self._limits, self._use, self._divisions, self._pods, self._inherited):
            known.clear()


def _amounts(limits: Limits) -> Amounts:
    return Amounts(limits.max_in_flight, limits.requests_per_minute, limits.tokens_per_minute)


def _of(lease: Lease) -> Amounts:
    return Amounts(lease.in_flight, lease.requests_per_minute, lease.tokens_per_minute)


def _lease(amounts: Amounts) -> Lease:
    return Lease(in_flight=amounts.in_flight, requests_per_minute=amounts.requests, tokens_per_minute=amounts.tokens)
