"""The operator's end: one request for each pod, on which both sides talk for as long as it lasts."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol

import msgspec
from aiohttp import ClientError, web

from signalbox.control.bounds import Bucket, bounded, bounded_hello
from signalbox.control.hub import Hub
from signalbox.control.messages import Hello, Malformed, Ping, Report, from_router, line
from signalbox.control.peers import Peer, Refused
from signalbox.control.turns import Turns

PING_SECONDS = 1.0
WRITE_SECONDS = 10.0
SILENCE_SECONDS = 10.0
IDENTIFY_SECONDS = 10.0
# Whoever watches pods says at once of which to ask: this is for what he may have missed, and of thousands of pods it is
# all that the API server is asked at rest.
LOOK_AGAIN_SECONDS = 600.0
# Tokens that are being looked at by the API server at once, and those that came from one address.
REVIEWS = 16
REVIEWS_OF_ONE = 4
STREAMS = 8192
# Lines of a pod: twice what a router sends at most. And bytes: of a router with many backends, that often in a hurry.
RATE = 10.0
BURST = 30.0
BYTES_RATE = 512 << 10
BYTES_BURST = 1 << 20

_PING = line(Ping())
# What a connection that has ended raises.
_BROKEN = (OSError, TimeoutError, ClientError)
_log = logging.getLogger(__name__)


class Identity(Protocol):
    """Who may be served. All raise ``Refused``."""

    def glance(self, token: str) -> None:
        """Whether a token is worth asking about: this costs nothing, and proves nothing."""

    async def identify(self, token: str) -> Peer:
        """The pod that a token proves."""

    async def verify(self, peer: Peer) -> None:
        """Whether it still is what it was."""


class Sink(Protocol):
    """Who wants to know what routers say."""

    def hello(self, peer: Peer, message: Hello) -> None:
        """A stream has begun."""

    def report(self, peer: Peer, message: Report) -> None:
        """Its state now."""

    def gone(self, peer: Peer) -> None:
        """Its stream has ended."""


class _Open:
    """A stream: to be ended, and to be looked at."""

    def __init__(self) -> None:
        self.ended, self.look = asyncio.Event(), asyncio.Event()


class ControlServer:
    """The handler of ``messages.PATH``. It serves between ``begin`` and ``end``: only the leader knows what to say."""

    def __init__(
        self, identity: Identity, hub: Hub, sink: Sink, now: Callable[[], float] = time.time, look: float | None = None
    ) -> None:
        self._identity, self._hub, self._sink, self._now = identity, hub, sink, now
        self._look = LOOK_AGAIN_SECONDS if look is None else look
        self._reviews = Turns(REVIEWS, REVIEWS_OF_ONE)
        self._streams: dict[str, _Open] = {}
        self._leading = False

    @property
    def streams(self) -> int:
        """How many pods are connected."""
        return len(self._streams)

    def begin(self) -> None:
        """We are the leader."""
        self._leading = True

    def end(self) -> None:
        """We are not; all streams end."""
        self._leading = False
        for stream in self._streams.values():
            stream.ended.set()

    def look_again(self, uid: str) -> None:
        """Ask now whether a pod still is what it was; else that is asked every ten minutes."""
        if (stream := self._streams.get(uid)) is not None:
            stream.look.set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one pod until its stream ends."""
        try:
            peer = await self._admit(request)
        except Refused as refused:
            _log.info("control stream of %s refused: %s", request.remote, refused)
            return _refusal(refused)
        stream = _Open()
        if (older := self._streams.get(peer.uid)) is not None:
            older.ended.set()  # it has come again: the connection before is dead, or not its only one
        self._streams[peer.uid] = stream
        response = web.StreamResponse(headers={"content-type": "application/x-ndjson", "cache-control": "no-store"})
        response.enable_chunked_encoding()
        response.force_close()
        try:
            await response.prepare(request)
            reason = await self._first(
                self._send(peer, response),
                self._receive(peer, request),
                self._watch(peer, stream.look),
                _wait(stream.ended),
            )
            _log.info("control stream of %s/%s ended: %s", peer.router.namespace, peer.pod, reason)
            with suppress(*_BROKEN):
                async with asyncio.timeout(WRITE_SECONDS):
                    await response.write_eof()
        finally:
            if self._streams.get(peer.uid) is stream:
                del self._streams[peer.uid]
                self._sink.gone(peer)
            if request.transport is not None:
                request.transport.close()  # else the server would wait for the rest of the request
        return response

    async def _admit(self, request: web.Request) -> Peer:
        if not self._leading:
            raise Refused(503, "not the leader")
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token:
            raise Refused(401, "no bearer token")
        self._identity.glance(token)
        try:
            async with asyncio.timeout(IDENTIFY_SECONDS), self._reviews.take(request.remote or ""):
                peer = await self._identity.identify(token)
        except TimeoutError:
            raise Refused(503, "the API server was too slow") from None
        if peer.expires <= self._now():  # the API server's clock may be another one
            raise Refused(401, "its token has expired")
        if not self._leading or (len(self._streams) >= STREAMS and peer.uid not in self._streams):
            raise Refused(503, "not the leader" if not self._leading else "too many streams")
        return peer

    @staticmethod
    async def _first(*parts: Awaitable[str]) -> str:
        """Run all parts until one ends, and say why it did."""
        tasks = [asyncio.ensure_future(part) for part in parts]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        reasons = [task.exception() or task.result() for task in done if not task.cancelled()]
        for reason in reasons:
            if isinstance(reason, BaseException) and not isinstance(reason, _BROKEN):
                raise reason
        return "; ".join(str(reason) or type(reason).__name__ for reason in reasons)

    async def _send(self, peer: Peer, response: web.StreamResponse) -> str:
        """Tell it what is new, and that we are there."""
        config = revoked = leases = b""
        weighed = 0
        while True:
            channel = self._hub.channel(peer.router)
            changed = channel.changed
            data = _PING
            # First what may no longer open anything, then what may name it.
            if channel.revoked != revoked:
                revoked = channel.revoked
                data += revoked
            if channel.config != config:
                config = channel.config
                data += config
            if channel.weights is not None and channel.weighed != weighed:
                weighed = channel.weighed
                data += channel.weights()
            if (own := channel.leases.get(peer.uid, b"")) != leases:
                leases = own
                data += leases
            async with asyncio.timeout(WRITE_SECONDS):
                await response.write(data)
            with suppress(TimeoutError):
                async with asyncio.timeout(PING_SECONDS):
                    await changed.wait()

    async def _receive(self, peer: Peer, request: web.Request) -> str:
        lines = from_router()
        much, many = Bucket(BYTES_RATE, BYTES_BURST), Bucket(RATE, BURST)
        while True:
            try:
                async with asyncio.timeout(SILENCE_SECONDS):
                    data = await request.content.readany()
            except TimeoutError:
                return "nothing came for long"
            if not data:
                return "the router ended it"
            before = lines.read
            try:
                messages = lines.feed(data)
            except Malformed as error:
                return f"malformed: {error}"
            if not many.take(lines.read - before) or not much.take(len(data)):
                return "it says too much"
            for message in messages:
                self._take(peer, message)

    def _take(self, peer: Peer, message: msgspec.Struct) -> None:
        match message:
            case Hello():
                self._sink.hello(peer, bounded_hello(message))
            case Report():
                of = self._hub.backends(peer.router), self._hub.policies(peer.router)
                self._sink.report(peer, bounded(message, *of))

    async def _watch(self, peer: Peer, look: asyncio.Event) -> str:
        """Return when it is no longer who it was."""
        while (left := peer.expires - self._now()) > 0:
            pause = min(left, self._look * random.uniform(0.8, 1.0))  # noqa: S311 - jitter
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await look.wait()
            look.clear()
            if self._now() >= peer.expires:
                break
            try:
                await self._identity.verify(peer)
            except Refused as refused:
                if refused.status != 503:  # it keeps what it has while nobody can tell
                    return str(refused)
        return "its token has expired"


async def _wait(ended: asyncio.Event) -> str:
    await ended.wait()
    return "told to end"


def _refusal(refused: Refused) -> web.Response:
    """Why, in words that tell nothing of the cluster to who may not know it."""
    texts = {401: "the token is not good here", 403: "no router of this operator", 503: "not now"}
    headers = {"www-authenticate": "Bearer"} if refused.status == 401 else {}
    if refused.status == 503:
        headers["retry-after"] = "1"
    response = web.Response(status=refused.status, text=texts.get(refused.status, "") + "\n", headers=headers)
    response.force_close()
    return response
