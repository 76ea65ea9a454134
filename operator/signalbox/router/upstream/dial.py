"""Opening connections to endpoints: plain, TLS, or TLS through the proxy that the environment names."""

import asyncio
import base64
import contextlib
import os
import socket
import ssl
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import cast
from urllib.parse import unquote, urlsplit

from signalbox.router.upstream.connection import UpstreamConnection
from signalbox.router.upstream.resolver import ResolutionFailed, Resolver
from signalbox.router.wire.outbox import Outbox
from signalbox.routing.address_rules import AddressRules
from signalbox.routing.config import Address

MAX_CONNECT_HEAD = 16 << 10
MOST_IDLE = 512


class Proxies:
    """``HTTPS_PROXY`` and ``NO_PROXY``, in either case, as curl reads them."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        url = environment.get("HTTPS_PROXY") or environment.get("https_proxy") or ""
        self._proxy = urlsplit(url if "://" in url else f"http://{url}") if url else None
        exceptions = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
        self._exceptions = tuple(part.strip().lower() for part in exceptions.split(",") if part.strip())

    def proxy_for(self, host: str) -> Address | None:
        """The proxy to use for TLS to a host, or None for a direct connection."""
        if self._proxy is None or self._proxy.hostname is None or any(_matches(host, e) for e in self._exceptions):
            return None
        return Address(host=self._proxy.hostname, port=self._proxy.port or 8080)

    def authorization(self) -> bytes:
        """Header line for a proxy that wants credentials."""
        if self._proxy is None or self._proxy.username is None:
            return b""
        pair = f"{unquote(self._proxy.username)}:{unquote(self._proxy.password or '')}".encode()
        return b"proxy-authorization: Basic " + base64.b64encode(pair) + b"\r\n"


def _matches(host: str, exception: str) -> bool:
    if exception == "*":
        return True
    try:
        return ip_address(host) in ip_network(exception, strict=False)
    except ValueError:
        suffix = exception.lstrip(".")
        return host.lower() == suffix or host.lower().endswith("." + suffix)


class Dialer:
    """Makes connections. Addresses are checked once more here: what a name resolved to may have changed since.

    ``most_idle`` is how many of them each endpoint may keep.
    """

    def __init__(
        self, rules: AddressRules, proxies: Proxies, resolver: Resolver | None = None, outbox: Outbox | None = None
    ) -> None:
        self._rules = rules
        self._resolver = resolver or Resolver(rules)
        self._outbox = outbox
        self.proxies = proxies
        self.most_idle = MOST_IDLE

    async def connect(
        self, address: Address, context: ssl.SSLContext | None, server_name: str | None
    ) -> UpstreamConnection:
        """Connect to an address; of a name, which is all that is known of a new backend, to the first that answers.

        Raises ``OSError`` (``ssl.SSLError`` included) when it fails, ``AddressRefused`` when the rules forbid it.
        Time is bounded by the caller.
        """
        proxy = self.proxies.proxy_for(address.host) if context is not None else None
        if proxy is not None and context is not None:
            with contextlib.suppress(ValueError):  # of a name, which only the proxy resolves
                self._rules.check(address.host)
            return await self._through(proxy, address, context, server_name)
        try:
            found = await self._resolver.resolve(address.host, address.port)
        except ResolutionFailed as error:
            raise socket.gaierror(socket.EAI_NONAME, str(error)) from error
        name = server_name if context is not None else None
        for one in found[:-1]:
            with contextlib.suppress(OSError):
                return await self._connect(one, context, name)
        return await self._connect(found[-1], context, name)

    async def _connect(
        self, address: Address, context: ssl.SSLContext | None, server_name: str | None
    ) -> UpstreamConnection:
        connection = UpstreamConnection(self._outbox)
        await asyncio.get_running_loop().create_connection(
            lambda: as_protocol(connection), address.host, address.port, ssl=context, server_hostname=server_name
        )
        return connection

    async def _through(
        self, proxy: Address, address: Address, context: ssl.SSLContext, server_name: str | None
    ) -> UpstreamConnection:
        loop = asyncio.get_running_loop()
        transport, tunnel = await loop.create_connection(_Tunnel, proxy.host, proxy.port)
        try:
            authority = f"[{address.host}]" if ":" in address.host else address.host
            name = f"{authority}:{address.port}".encode()
            transport.write(b"CONNECT %b HTTP/1.1\r\nhost: %b\r\n%b\r\n" % (name, name, self.proxies.authorization()))
            await tunnel.established
            connection = UpstreamConnection(self._outbox)
            secured = await loop.start_tls(transport, as_protocol(connection), context, server_hostname=server_name)
        except BaseException:
            transport.abort()
            raise
        if secured is None:
            raise ConnectionResetError("the proxy closed the tunnel")
        connection.connection_made(secured)
        return connection


def as_protocol(connection: UpstreamConnection) -> asyncio.Protocol:
    """It is one by its methods."""
    return cast("asyncio.Protocol", connection)


class _Tunnel(asyncio.Protocol):
    """Waits for the proxy's answer to CONNECT; nothing may follow it before TLS begins."""

    def __init__(self) -> None:
        self.established: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._head = b""

    def data_received(self, data: bytes) -> None:
        self._head += data
        if self.established.done():
            return
        end = self._head.find(b"\r\n\r\n")
        if end < 0:
            if len(self._head) > MAX_CONNECT_HEAD:
                self._fail("answer too large")
            return
        words = self._head.split(b"\r\n", 1)[0].split(b" ")
        if len(words) < 2 or words[1] != b"200" or len(self._head) > end + 4:
            self._fail("refused: " + b" ".join(words[1:2]).decode("ascii", "replace"))
        else:
            self.established.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.established.done():
            self._fail("closed")

    def _fail(self, why: str) -> None:
        self.established.set_exception(ConnectionRefusedError(f"proxy {why}"))
