"""What every router is to be told: always the newest, never a queue of what is past."""

import asyncio
from collections.abc import Callable, Iterable, Mapping

import msgspec

from signalbox.control.messages import MAX_DIGESTS, Config, Revoked, line
from signalbox.control.peers import Router

# Longer than mounted files take to follow a Secret.
REVOKED_SECONDS = 300.0
# Of one router, beside those that the operator takes away itself.
MAX_REVOKED = 8 * MAX_DIGESTS


class Channel:
    """What one router is to be told, as lines; ``changed`` is set, and replaced, at every change.

    ``weights`` makes its line anew each time, because it says how old samples are; ``weighed`` differs with each that
    is new. ``leases`` are by the uid of a pod.
    """

    def __init__(self) -> None:
        self.hash = ""
        self.backends: frozenset[str] = frozenset()
        self.policies: frozenset[str] = frozenset()
        self.config = b""
        self.revoked = b""
        self.digests: dict[str, float] = {}
        self.weights: Callable[[], bytes] | None = None
        self.weighed = 0
        self.leases: Mapping[str, bytes] = {}
        self.changed = asyncio.Event()

    def announce(self) -> None:
        """Wake everybody who waits."""
        self.changed.set()
        self.changed = asyncio.Event()


class Hub:
    """Channels by router. ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._channels: dict[Router, Channel] = {}
        self._weighed = 0

    def channel(self, router: Router) -> Channel:
        """The channel of a router, which nothing may have been published on yet."""
        return self._channels.setdefault(router, Channel())

    def hash(self, router: Router) -> str:
        """Of the configuration published last, "" before there is one."""
        found = self._channels.get(router)
        return found.hash if found else ""

    def backends(self, router: Router) -> frozenset[str]:
        """Those of the configuration published last."""
        found = self._channels.get(router)
        return found.backends if found else frozenset()

    def policies(self, router: Router) -> frozenset[str]:
        """As above."""
        found = self._channels.get(router)
        return found.policies if found else frozenset()

    def routers(self) -> list[Router]:
        """All that anything was published for, or that are connected."""
        return list(self._channels)

    def publish(
        self,
        router: Router,
        config_hash: str,
        config: bytes,
        revoked: Iterable[str],
        in_force: Iterable[str],
        backends: Iterable[str] = (),
        policies: Iterable[str] = (),
    ) -> None:
        """Tell a router its newest configuration, and which digests were taken away just now and which are in force.

        ``backends`` and ``policies`` are those of the configuration.
        """
        channel = self.channel(router)
        channel.backends, channel.policies = frozenset(backends), frozenset(policies)
        until = self._clock() + REVOKED_SECONDS
        digests = channel.digests | dict.fromkeys(revoked, until)
        for digest in in_force:
            digests.pop(digest, None)
        changed = self._set_digests(channel, digests)
        if channel.hash != config_hash:
            channel.hash, channel.config = config_hash, line(Config(hash=config_hash, config=msgspec.Raw(config)))
            changed = True
        if changed:
            channel.announce()

    def steer(self, router: Router, weights: Callable[[], bytes] | None) -> None:
        """Tell a router new weights: the line is made when it is written. None: there are none to tell any more."""
        channel = self._channels.get(router)
        if channel is not None:
            self._weighed += 1
            channel.weights, channel.weighed = weights, self._weighed
            channel.announce()

    def lease(self, router: Router, leases: Mapping[str, bytes]) -> None:
        """Tell each pod of a router, by uid, its parts of limits."""
        channel = self._channels.get(router)
        if channel is not None and leases != channel.leases:
            channel.leases = dict(leases)
            channel.announce()

    def revoke(self, router: Router, digests: Iterable[str]) -> None:
        """A router may hold these, and none of them is in force."""
        channel = self.channel(router)
        if len(channel.digests) >= MAX_REVOKED:
            return  # a pod may say what it likes, but not without end
        until = self._clock() + REVOKED_SECONDS
        if self._set_digests(channel, channel.digests | dict.fromkeys(digests, until)):
            channel.announce()

    def retain(self, namespace: str, names: Iterable[str]) -> None:
        """The routers that a namespace still has; streams of others are told nothing more."""
        kept = set(names)
        for router in [r for r in self._channels if r.namespace == namespace and r.name not in kept]:
            self._channels.pop(router).announce()

    def expire(self) -> None:
        """Forget what mounted files cannot hold any more."""
        now = self._clock()
        for channel in self._channels.values():
            left = {digest: until for digest, until in channel.digests.items() if until > now}
            if self._set_digests(channel, left):
                channel.announce()

    @staticmethod
    def _set_digests(channel: Channel, digests: dict[str, float]) -> bool:
        changed = digests.keys() != channel.digests.keys()
        channel.digests = digests
        if changed:
            channel.revoked = line(Revoked(digests=tuple(sorted(digests))))
        return changed
