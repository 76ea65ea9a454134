"""The operator's side of the control stream as a whole: who is told what, and what they say."""

import asyncio
import base64
import re
import time
from collections.abc import Callable, Mapping

import msgspec

from signalbox.control.hub import MAX_REVOKED, Hub
from signalbox.control.messages import MAX_DIGESTS, Hello, Report
from signalbox.control.peers import Peer, Router
from signalbox.control.server import ControlServer, Identity
from signalbox.controller.routers.reports import Reports
from signalbox.kube.client import Object
from signalbox.plan.digests import tenant_digests
from signalbox.plan.status.reported import Reported
from signalbox.routing.config import FORMAT_VERSION, RouterConfig, content_hash, decode, encode

JUDGE_SECONDS = 1.0
# Routers need a moment to find a new leader: until then what stands in a status is left as it is.
SETTLE_SECONDS = 10.0
_DIGEST = re.compile("[0-9a-f]{64}")


class Control:
    """``changed`` is called with a namespace whose routers report something new, ``heard`` with every report."""

    def __init__(self, changed: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._changed, self._clock = changed, clock
        self._sidecars: dict[Router, str] = {}
        self._held: dict[Router, set[str]] = {}
        self._in_force: dict[Router, frozenset[str]] = {}
        self._began: float | None = None
        self._settled = False
        self.hub = Hub(clock)
        self._reports = Reports(self.hub.hash, FORMAT_VERSION, changed, clock)
        self.heard: Callable[[Peer, Report], None] = lambda _, __: None
        self.server: ControlServer | None = None

    def open(self, identity: Identity) -> ControlServer:
        """The handler of the stream."""
        self.server = ControlServer(identity, self.hub, self)
        return self.server

    async def lead(self) -> None:
        """Serve, until cancelled: the stream is the leader's."""
        assert self.server is not None
        self._began = self._clock()
        self.server.begin()
        try:
            while True:
                await asyncio.sleep(JUDGE_SECONDS)
                self._reports.judge()
                self.hub.expire()
                self._settle()
        finally:
            self.server.end()
            self._began, self._settled = None, False
            self._reports.forget()
            self._held.clear()
            self._in_force.clear()

    def look_again(self, uid: str) -> None:
        """Something has happened to a pod: its stream ends at once if it may not be served any more."""
        if self.server is not None:
            self.server.look_again(uid)

    def hello(self, peer: Peer, message: Hello) -> None:
        """See ``control.server.Sink``. What its files hold may have been taken away while another one led."""
        self._reports.hello(peer, message)
        digests = {digest for digest in message.digests[:MAX_DIGESTS] if _DIGEST.fullmatch(digest)}
        in_force = self._in_force.get(peer.router)
        if in_force is not None:
            self.hub.revoke(peer.router, digests - in_force)
        else:
            held = self._held.setdefault(peer.router, set())
            held |= digests if len(held) < MAX_REVOKED else set()

    def report(self, peer: Peer, message: Report) -> None:
        """See ``control.server.Sink``."""
        self.heard(peer, message)
        self._reports.report(peer, msgspec.structs.replace(message, weights={}))

    def gone(self, peer: Peer) -> None:
        """See ``control.server.Sink``."""
        self._reports.gone(peer)

    def replaces(self, namespace: str, name: str, config_map: Object | None, secret: Object | None) -> None:
        """A router's children are about to be written; this is what they hold, and what pods may have mounted."""
        if config_map is not None and secret is not None:
            held = self._held.setdefault(Router(namespace, name), set())
            held |= _digests(config_map.get("data") or {}, secret.get("data") or {})

    def publish(self, namespace: str, config: RouterConfig, secrets: Mapping[str, bytes]) -> None:
        """A router's children hold this now."""
        router, data = Router(namespace, config.name), encode(config)
        in_force = tenant_digests(config, secrets)
        revoked = self._held.get(router, set()) - in_force
        self._held[router] = set(in_force)
        self._in_force[router] = in_force
        backends = (backend.name for backend in config.backends)
        policies = (policy.name for policy in config.policies)
        self.hub.publish(router, content_hash(data), data, revoked, in_force, backends, policies)

    def retain(self, namespace: str, routers: Mapping[str, tuple[str, ...]]) -> None:
        """The routers that a namespace has, and the sidecar policies of each."""
        self.hub.retain(namespace, routers)
        for router in [r for r in self._held if r.namespace == namespace and r.name not in routers]:
            del self._held[router]
            self._in_force.pop(router, None)
        for key in [key for key in self._sidecars if key.namespace == namespace]:
            del self._sidecars[key]
        for name, policies in routers.items():
            self._sidecars |= {Router(namespace, policy): name for policy in policies}

    def sidecar_of(self, namespace: str, policy: str) -> str | None:
        """The router of a sidecar policy."""
        return self._sidecars.get(Router(namespace, policy))

    def reported(self, namespace: str, router: str) -> Reported | None:
        """What a router's pods say; None as long as they may not have found us."""
        return self._reports.of(Router(namespace, router)) if self._settled else None

    def reports(self, namespace: str) -> list[Reported] | None:
        """What all routers of a namespace say; None as above."""
        return self._reports.of_namespace(namespace) if self._settled else None

    def _settle(self) -> None:
        if not self._settled and self._began is not None and self._clock() - self._began >= SETTLE_SECONDS:
            self._settled = True
            for namespace in {router.namespace for router in self.hub.routers()}:
                self._changed(namespace)


def _digests(config_map: Mapping[str, str], secret: Mapping[str, str]) -> frozenset[str]:
    """Nothing is known of a configuration that cannot be read."""
    try:
        config = decode(config_map["config.json"].encode())
        return tenant_digests(config, {name: base64.b64decode(value) for name, value in secret.items()})
    except (KeyError, ValueError):
        return frozenset()
