"""The router's end: connects for ever, and never disturbs whoever serves.

One HTTPS request, with a body and an answer that both last: reports go up, messages come down. Token and authorities
are read anew for each connection, because both rotate.
"""

import asyncio
import logging
import random
import ssl
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import SplitResult, urlsplit

import httptools

from signalbox.control.messages import Hello, Malformed, Report, ToRouter, line, report_line, to_router

REPORT_SECONDS = 1.0
# Several changes at once are one report.
LEAST_SECONDS = 0.2
CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 5.0
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0
# A connection that has lasted so long was a good one.
STEADY_SECONDS = 10.0
READ_BYTES = 1 << 18
WRITE_LIMIT = 1 << 20

_log = logging.getLogger(__name__)


class Endpoint(NamedTuple):
    """Where the operator is, and the files that prove it and us."""

    url: str
    ca: Path
    token: Path


class Refused(Exception):  # noqa: N818 - an answer
    """The operator does not serve us, or not now."""


class Router(Protocol):
    """Whom the stream is for. Nothing here may raise or take long."""

    def hello(self) -> Hello:
        """The first message of a connection."""

    def report(self) -> Report:
        """The state now."""

    def heard(self, message: ToRouter) -> None:
        """The operator says."""

    def lost(self, reason: str) -> None:
        """A connection has ended, or could not be made."""


class Pauses:
    """How long to wait at most before the next attempt: longer each time, until a connection has been a good one."""

    def __init__(self) -> None:
        self._bad = 0

    def after(self, lasted: float) -> float:
        """After a connection that has lasted for so many seconds, 0 for one that was refused."""
        self._bad = 0 if lasted >= STEADY_SECONDS else self._bad + 1
        longest: float = FIRST_PAUSE * 2.0 ** min(self._bad, 16)
        return min(longest, LONGEST_PAUSE)


class Client:
    """Keeps one connection. ``changed`` tells it that a report is worth sending at once."""

    def __init__(self, endpoint: Endpoint, router: Router) -> None:
        self._endpoint = endpoint
        self._url = urlsplit(endpoint.url)
        self._router = router
        self._changed = asyncio.Event()
        self._accepted_at: float | None = None

    def changed(self) -> None:
        """Report soon."""
        self._changed.set()

    async def run(self) -> None:
        """Connect again and again, until cancelled."""
        pauses = Pauses()
        while True:
            self._accepted_at = None
            try:
                await self._connect()
                reason = "the operator ended the stream"
            except (OSError, TimeoutError, Refused, Malformed, ValueError, httptools.HttpParserError) as error:
                reason = str(error) or type(error).__name__
            except Exception as error:  # whatever it is, whoever serves must not notice
                _log.exception("control stream: a defect")
                reason = type(error).__name__
            self._router.lost(reason)
            lasted = 0.0 if self._accepted_at is None else time.monotonic() - self._accepted_at
            await asyncio.sleep(pauses.after(lasted) * random.uniform(0.5, 1.0))  # noqa: S311 - jitter

    async def _connect(self) -> None:
        """One connection, to its end."""
        token, context = await asyncio.to_thread(_credentials, self._endpoint)
        url = self._url
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(url.hostname, url.port or 443, ssl=context)
        writer.transport.set_write_buffer_limits(high=WRITE_LIMIT)
        reporting: asyncio.Task[None] | None = None
        try:
            writer.write(_head(url, token))
            answer = _Answer(self._router)
            while not answer.complete:
                async with asyncio.timeout(SILENCE_SECONDS):
                    data = await reader.read(READ_BYTES)
                if not data:
                    return
                answer.feed(data)
                if answer.accepted and reporting is None:
                    self._accepted_at = time.monotonic()
                    reporting = asyncio.create_task(self._report(writer))
        finally:
            if reporting is not None:
                reporting.cancel()
                with suppress(asyncio.CancelledError, OSError):
                    await reporting
            writer.transport.abort()

    async def _report(self, writer: asyncio.StreamWriter) -> None:
        _send(writer, line(self._router.hello()))
        while True:
            self._changed.clear()
            _send(writer, report_line(self._router.report()))
            # A peer that does not read is as good as silent, and then it is left.
            await writer.drain()
            await asyncio.sleep(LEAST_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(REPORT_SECONDS - LEAST_SECONDS):
                    await self._changed.wait()


class _Answer:
    """The operator's answer as it arrives."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._lines = to_router()
        self._parser = httptools.HttpResponseParser(self)
        self.accepted = False
        self.complete = False

    def feed(self, data: bytes) -> None:
        """Raises ``Refused``, ``Malformed`` and ``HttpParserError``."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            raise cause if isinstance(cause, Refused | Malformed) else error from None

    def on_headers_complete(self) -> None:
        if (status := self._parser.get_status_code()) != 200:
            raise Refused(f"the operator answered {status}")
        self.accepted = True

    def on_body(self, data: bytes) -> None:
        for message in self._lines.feed(data):
            self._router.heard(message)  # type: ignore[arg-type] # of these kinds only

    def on_message_complete(self) -> None:
        self.complete = True


def _credentials(endpoint: Endpoint) -> tuple[str, ssl.SSLContext]:
    """Raises ``OSError`` (``SSLError`` is one) and ``ValueError``."""
    token = endpoint.token.read_text(encoding="ascii").strip()
    if not token or not token.isprintable():
        raise ValueError(f"{endpoint.token} holds no token")
    return token, ssl.create_default_context(cafile=str(endpoint.ca))


def _head(url: SplitResult, token: str) -> bytes:
    return (
        f"POST {url.path or '/'} HTTP/1.1\r\nhost: {url.netloc}\r\nauthorization: Bearer {token}\r\n"
        "content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n"
    ).encode("ascii")


def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(b"%x\r\n%b\r\n" % (len(data), data))
