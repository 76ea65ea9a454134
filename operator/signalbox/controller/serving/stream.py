"""The parts of the operator that routers talk to: port, certificate, the way to the leader, and the stream."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import msgspec
from aiohttp import web

from signalbox.control.messages import PATH
from signalbox.controller.own.leader import LeaderEndpoint, endpoint_slice
from signalbox.controller.own.owner import Owner
from signalbox.controller.own.tls import Tls
from signalbox.controller.own.trust import WebhookTrust
from signalbox.controller.routers.control import Control
from signalbox.controller.routers.identity import PodIdentity
from signalbox.controller.serving.listen import listen
from signalbox.controller.watching.listings import Listings
from signalbox.controller.watching.store import Store
from signalbox.kube.client import Client
from signalbox.plan.children import Control as ControlSettings
from signalbox.plan.children import OperatorSettings
from signalbox.routing.config import Address
from signalbox.signals.forever import for_ever

# Of the leader's Service. Where a replica listens is its own affair: the EndpointSlice says it.
SERVICE_PORT = 9443

# One request; the path says which.
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class StreamOptions:
    """Where to listen; the operator's namespace, and names in there; ``address`` is our pod's, None outside of pods.

    ``webhook`` is the MutatingWebhookConfiguration that is to trust us, and ``webhook_service`` how the API server
    finds us for it.
    """

    listen: Address
    namespace: str
    leader_service: str
    tls_secret: str
    address: str | None
    webhook: str | None = None
    webhook_service: str | None = None

    @property
    def host(self) -> str:
        """The leader's name inside the cluster."""
        return f"{self.leader_service}.{self.namespace}.svc"

    @property
    def services(self) -> tuple[tuple[str, str], ...]:
        """The Services that lead to us, by namespace and name."""
        return tuple((self.namespace, name) for name in (self.leader_service, self.webhook_service) if name)

    @property
    def hosts(self) -> tuple[str, ...]:
        """All names that the certificate is good for; localhost for who comes through `kubectl port-forward`."""
        webhook = [f"{self.webhook_service}.{self.namespace}.svc"] if self.webhook_service else []
        return (self.host, *webhook, "localhost")


class Stream:
    """``asked`` is for what strangers make us ask, ``posts`` are further handlers by path. ``changed`` is called with a
    namespace about which there is news, ``all_changed`` when every router's children are to be looked at."""

    def __init__(
        self,
        client: Client,
        asked: Client,
        children: Store,
        image: str,
        options: StreamOptions,
        posts: Mapping[str, Handler],
        changed: Callable[[str], None],
        all_changed: Callable[[], None],
        listings: Listings,
    ) -> None:
        self._client, self._options, self._all_changed, self._listings = client, options, all_changed, listings
        self.control = Control(changed)
        self.owner = Owner(client, options.namespace, options.leader_service)
        self.tls = Tls(
            client,
            options.namespace,
            options.tls_secret,
            options.hosts,
            self.owner,
            self._trust_changed,
            listings,
        )
        self._trust = (
            WebhookTrust(client, options.webhook, lambda: self.tls.bundle, listings) if options.webhook else None
        )
        server = self.control.open(PodIdentity(asked, children, image, self.control.sidecar_of))
        self._application = web.Application()
        for path, handler in {PATH: server.handle, **posts}.items():
            self._application.router.add_post(path, handler)
        self._runner: web.AppRunner | None = None
        self._following: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen, on every replica. Raises ``OSError``."""
        self._following = asyncio.create_task(for_ever("certificate", self.tls.follow))
        self._runner = await listen(self._application, self._options.listen, "--listen", self.tls.context)

    def lead(self) -> list[asyncio.Task[None]]:
        """What the leader does beside, until the tasks are cancelled."""
        work: dict[str, Callable[[], Awaitable[None]]] = {"certificate": self.tls.keep, "stream": self.control.lead}
        options = self._options
        if options.address is not None:
            where = endpoint_slice(options.namespace, options.leader_service, options.address, options.listen.port)
            own = LeaderEndpoint(self._client, where, self.owner, self._listings)
            work["way to the leader"] = own.keep
        if self._trust is not None:
            work["trust in the webhook"] = self._trust.keep
        return [asyncio.create_task(for_ever(name, part)) for name, part in work.items()]

    def _trust_changed(self) -> None:
        self._all_changed()
        if self._trust is not None:
            self._trust.changed()

    def settings(self, settings: OperatorSettings) -> OperatorSettings:
        """With what routers need to find us."""
        url = f"https://{self._options.host}:{SERVICE_PORT}{PATH}"
        return msgspec.structs.replace(settings, control=ControlSettings(url=url, ca=self.tls.bundle))

    async def close(self) -> None:
        """Listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
