"""Engines that mean harm, over real sockets: a look stays bounded in time and size, and the others go on."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack

import pytest

from scraping import scraping
from signalbox.feedback.plan import Scrape
from signalbox.signals import fetch
from signalbox.signals.fetch import MOST_BYTES
from signalbox.signals.scraper import Scraper
from waiting import until

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\n"
SECRET = b"vllm:hunter2"
BOMB = gzip.compress(b"\n" * 50_000_000)
PATIENCE = 30.0
SOCKET_BYTES = 16 << 20  # what kernels hold on both sides of a connection


async def endless(writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"\r\n")
    while True:
        writer.write(SECRET * 1000)
        await writer.drain()


async def endless_lines(writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"14000\r\n" + b'some_series{a="b"} 1\n' * 3900 + b" " * 20 + b"\r\n")
        await writer.drain()


async def endless_wanted(writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"\r\n")
    while True:
        writer.write(b"vllm:num_requests_running 1\n" * 1000)
        await writer.drain()


async def hundred_megabytes(writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"Content-Length: 100000000\r\n\r\n")
    for _ in range(100):
        writer.write(b"x" * 1_000_000)
        await writer.drain()


async def endless_head(writer: asyncio.StreamWriter) -> None:
    writer.write(OK)
    while True:
        writer.write(b"X-A: b\r\n" * 1000)
        await writer.drain()


async def one_long_header(writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"X-A: ")
    while True:
        writer.write(b"b" * 10_000)
        await writer.drain()


async def slow_drip(writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"Content-Length: 1000\r\n\r\n")
    while True:
        writer.write(b"\n")
        await writer.drain()
        await asyncio.sleep(0.05)


async def slow_head(writer: asyncio.StreamWriter) -> None:
    for byte in OK * 1000:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.05)


async def silent(_: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def bomb(writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB)


async def garbage(writer: asyncio.StreamWriter) -> None:
    body = bytes(range(256)) * 100
    writer.write(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body)


async def html(writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"Content-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>")


async def empty(writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"Content-Length: 0\r\n\r\n")


async def no_http(writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")


async def torn(writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"Content-Length: 1000\r\n\r\nvllm:num_requests_running 1\n")


async def hung_up(_: asyncio.StreamWriter) -> None:
    pass


async def refuses(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 12\r\n\r\n" + SECRET)


async def redirects(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n")


async def good(writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"Content-Length: 28\r\n\r\nvllm:num_requests_running 1\n")


class Engine:
    """Answers every request alike. ``sent`` counts bytes that left for the kernel."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.requests = 0
        self.sent = 0
        self.url = ""
        self._answering: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Engine":
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/metrics"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._answering:
            task.cancel()
        await asyncio.gather(*self._answering, return_exceptions=True)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._answering.add(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        write = writer.write

        def counted(data: bytes) -> None:
            self.sent += len(data)
            write(data)

        writer.write = counted  # type: ignore[method-assign]
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.requests += 1
            await self._answer(writer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def scraped(engines: Mapping[str, Engine]) -> AbstractAsyncContextManager[Scraper]:
    """A scraper that looks at all of them."""
    return scraping(
        *(
            Scrape(backend="b", key=key, url=engine.url, engine="VLLM", model="m", interval=1.0)
            for key, engine in engines.items()
        )
    )


@pytest.mark.parametrize(
    ("answer", "kinds"),
    [
        (endless, {"TooLarge", "TimedOut"}),
        (endless_lines, {"TooLarge", "TimedOut"}),
        (endless_wanted, {"Unreadable"}),
        (hundred_megabytes, {"TooLarge"}),
        (endless_head, {"ProtocolError"}),
        (one_long_header, {"ProtocolError"}),
    ],
)
async def test_a_flood_is_cut_off(answer: Answer, kinds: set[str]) -> None:
    async with Engine(answer) as bad, Engine(good) as fine, scraped({"bad": bad, "good": fine}) as scraper:
        await until(lambda: "bad" in scraper.problems("b") and "good" in scraper.readings("b"))
        assert scraper.problems("b")["bad"] in kinds
        assert scraper.readings("b").keys() == {"good"}
        before = scraper.readings("b")["good"].at
        await until(lambda: scraper.readings("b")["good"].at > before)
        assert bad.sent <= bad.requests * (MOST_BYTES + SOCKET_BYTES)


async def test_a_problem_names_a_class_and_never_a_body() -> None:
    wanted = {
        slow_drip: {"TimedOut"},
        slow_head: {"TimedOut"},
        silent: {"TimedOut"},
        bomb: {"Encoded"},
        garbage: {"NoSeries"},
        html: {"NoSeries"},
        empty: {"NoSeries"},
        no_http: {"ProtocolError"},
        torn: {"ProtocolError", "ConnectionLost"},
        hung_up: {"ConnectionLost"},
        refuses: {"Status403"},
        redirects: {"Redirected"},
    }
    async with AsyncExitStack() as stack:
        engines = {answer.__name__: await stack.enter_async_context(Engine(answer)) for answer in (*wanted, good)}
        scraper = await stack.enter_async_context(scraped(engines))
        await until(lambda: len(scraper.problems("b")) == len(wanted) and scraper.readings("b").keys() == {"good"})
        found = scraper.problems("b")
        assert {name: found[name] for name in found if found[name] not in wanted[globals()[name]]} == {}


async def test_an_engine_that_costs_much_is_asked_less_often() -> None:
    async with Engine(hundred_megabytes) as large, Engine(refuses) as closed, scraped({"l": large, "c": closed}):
        await until(lambda: closed.requests >= 8)
        assert large.requests <= 4


async def test_looks_under_way_are_bounded_and_those_that_hang_have_half_of_the_places(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("signalbox.signals.scraper.AT_ONCE", 6)
    monkeypatch.setattr("signalbox.signals.scraper.MOST_SKIPPED", 0)
    monkeypatch.setattr(fetch, "SECONDS", 0.5)
    monkeypatch.setattr(fetch, "SLOW_SECONDS", 0.5)
    async with Engine(silent) as engine, scraped({str(number): engine for number in range(12)}) as scraper:
        seen: list[int] = []

        def all_failed() -> bool:
            seen.append(scraper.under_way)
            return len(scraper.problems("b")) == 12

        def all_failed_again() -> bool:
            seen.append(scraper.under_way)
            return engine.requests >= before + 12

        await until(all_failed)
        assert 3 < max(seen) <= 6  # nothing was known of them
        await until(lambda: scraper.under_way <= 3)
        seen, before = [], engine.requests
        await until(all_failed_again)
        assert 0 < max(seen) <= 3
