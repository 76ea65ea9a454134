"""One look at one engine over HTTP, bounded in time and size whatever it answers."""

import asyncio
import ssl
from collections.abc import Callable
from functools import lru_cache
from types import TracebackType
from typing import Literal

import aiohttp
from yarl import URL

from signalbox.feedback.exposition import Scan, Series, Unreadable
from signalbox.feedback.plan import Scrape
from signalbox.pem import load_authorities
from signalbox.routing.address_rules import AddressRules
from signalbox.signals.addresses import Refused, RuledResolver, check

MOST_BYTES = 4 << 20
"""Of a body; vLLM's are 50 KB a model."""
SECONDS = 2.0
"""Many engines that begin to hang together must not keep the others waiting …"""
SLOW_SECONDS = 5.0
"""… but a busy one may take longer: who was too slow once is given more."""
CONNECT_SECONDS = 1.5
IDLE_SECONDS = 120.0
"""How long a connection is kept for the next look."""
HEADERS = {
    "Accept": "text/plain;version=0.0.4,*/*;q=0.1",  # who hears of OpenMetrics may prefer it, and write other names
    "Accept-Encoding": "identity",  # what is not compressed is as large as it seems
    "User-Agent": "signalbox",
}


Authorities = Callable[[Scrape], bytes | None]


class Failed(Exception):  # noqa: N818 - says what happened
    """No reading. ``kind`` names the class of the error and never quotes what the engine said; ``costly``: it used up
    the time or the size that one look may."""

    def __init__(self, kind: str, *, costly: bool = False) -> None:
        super().__init__(kind)
        self.kind, self.costly = kind, costly


class Fetcher:
    """Connections to engines, kept from one look to the next. ``authorities`` gives the PEM of what a target names."""

    def __init__(self, rules: AddressRules, authorities: Authorities) -> None:
        self._rules, self._authorities = rules, authorities
        self._resolver = RuledResolver(rules)
        connector = aiohttp.TCPConnector(
            resolver=self._resolver, limit=0, limit_per_host=0, keepalive_timeout=IDLE_SECONDS, ttl_dns_cache=5
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=HEADERS,
            auto_decompress=False,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        )

    async def __aenter__(self) -> "Fetcher":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()
        await self._resolver.close()

    async def fetch(self, target: Scrape, scan: Scan, *, slow: bool = False) -> list[Series]:
        """The series that a scan wants; ``slow``: give it more time. Raises ``Failed``."""
        try:
            url = URL(target.url)
            check(url.host, self._rules)
            async with asyncio.timeout(min(SLOW_SECONDS if slow else SECONDS, target.interval)):
                return await self._read(url, target, scan)
        except (TimeoutError, aiohttp.ServerTimeoutError):
            raise Failed("TimedOut", costly=True) from None
        except Unreadable:
            raise Failed("Unreadable", costly=True) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Failed(_kind(error)) from None

    async def _read(self, url: URL, target: Scrape, scan: Scan) -> list[Series]:
        headers = {"Host": target.authority} if target.authority else None
        async with self._session.get(
            url,
            headers=headers,
            allow_redirects=False,
            ssl=self._context(target),
            server_hostname=target.server_name,
        ) as response:
            # Leaving this block with a part of the body unread closes the connection.
            if 300 <= response.status < 400:
                raise Failed("Redirected")
            if response.status != 200:
                raise Failed(f"Status{response.status}")
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise Failed("Encoded")
            if (response.content_length or 0) > MOST_BYTES:
                raise Failed("TooLarge", costly=True)
            size = 0
            async for piece in response.content.iter_any():
                size += len(piece)
                if size > MOST_BYTES:
                    raise Failed("TooLarge", costly=True)
                scan.feed(piece)
        return scan.close()

    def _context(self, target: Scrape) -> ssl.SSLContext | Literal[True]:
        if target.ca is None:
            return True
        pem = self._authorities(target)
        if pem is None:
            raise Failed("MissingCA")
        try:
            return _context(pem)
        except ValueError:
            raise Failed("InvalidCA") from None


@lru_cache(maxsize=256)
def _context(ca: bytes) -> ssl.SSLContext:
    """One for each bundle: a context takes a megabyte, and connections of one can resume each other's sessions. It
    trusts these and nobody else, as routers do; raises ``ValueError``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    load_authorities(context, ca)
    return context


def _kind(error: Exception) -> str:
    """The class of an error, in words that say where to look."""
    match error:
        case Refused() | aiohttp.ClientConnectorError(os_error=Refused()):
            return "AddressRefused"
        case aiohttp.ClientConnectorDNSError():
            return "ResolutionFailed"
        case ssl.SSLError() | aiohttp.ClientSSLError():
            return "TLSFailed"
        case aiohttp.ClientConnectorError():
            return "ConnectionFailed"
        case aiohttp.InvalidURL():
            return "InvalidURL"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError():
            return "ConnectionLost"
        case _:
            return "ProtocolError"
