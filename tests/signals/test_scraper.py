"""The scraper against simulated engines, over real sockets."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
import trustme
from aiohttp import web

from scraping import scraping
from signalbox.feedback.plan import Scrape, Selectors
from signalbox.routing.address_rules import AddressRules
from signalbox.sim.faults import HEALTHY, Faults
from signalbox.sim.profile import Profile
from signalbox.sim.server import SimulatedEngine
from waiting import until

PATIENCE = 20.0
Start = Callable[..., Awaitable[SimulatedEngine]]
TEXT = 'vllm:num_requests_running{model_name="m"} 3\nvllm:num_requests_waiting{model_name="m"} 1\n'


def target(url: str, key: str = "e", **options: object) -> Scrape:
    known: dict[str, object] = {"backend": "b", "engine": "VLLM", "model": "m", "interval": 0.5} | options
    return Scrape(key=key, url=url, **known)  # type: ignore[arg-type]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    engines: list[SimulatedEngine] = []

    async def begin(**options: float) -> SimulatedEngine:
        engine = SimulatedEngine("a", Profile(**options), seed=7)  # type: ignore[arg-type]
        engines.append(engine)
        await engine.start()
        return engine

    yield begin
    for engine in engines:
        await engine.stop()


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Awaitable[str]]]:
    """A server of one text, plain or over TLS; the URL of its metrics."""
    runners: list[web.AppRunner] = []

    async def begin(
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]], context: ssl.SSLContext | None = None
    ) -> str:
        app = web.Application()
        app.router.add_get("/metrics", handler)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.0)
        runners.append(runner)
        await runner.setup()
        listener = socket.create_server(("127.0.0.1", 0))
        await web.SockSite(runner, listener, ssl_context=context).start()
        return f"{'https' if context else 'http'}://127.0.0.1:{listener.getsockname()[1]}/metrics"

    yield begin
    for runner in runners:
        await runner.cleanup()


async def says(_: web.Request) -> web.Response:
    return web.Response(text=TEXT)


async def test_a_working_engine_is_read_again_and_again(start: Start) -> None:
    engine = await start(batch=1)
    body = {"model": "sim", "messages": [{"role": "user", "content": "x"}], "max_tokens": 4000}
    async with aiohttp.ClientSession() as session, scraping(target(f"http://{engine.address}/metrics")) as scraper:
        await until(lambda: scraper.readings("b"))
        assert scraper.readings("b")["e"].running == 0.0
        asks = [
            asyncio.create_task(session.post(f"http://{engine.address}/v1/chat/completions", json=body))
            for _ in range(3)
        ]
        await until(lambda: scraper.readings("b")["e"].waiting == 2.0)
        first = scraper.readings("b")["e"]
        assert first.running == 1.0
        assert first.generated is not None
        await until(lambda: (scraper.readings("b")["e"].generated or 0.0) > (first.generated or 0.0))
        assert scraper.readings("b")["e"].at > first.at
        assert scraper.problems("b") == {}
        for ask in asks:
            ask.cancel()


async def test_a_dead_engine_is_a_problem_and_its_last_reading_stays(start: Start) -> None:
    engine = await start()
    async with scraping(target(f"http://{engine.address}/metrics")) as scraper:
        await until(lambda: scraper.readings("b"))
        await engine.apply(Faults(dead=True))
        await until(lambda: scraper.problems("b"))
        assert scraper.problems("b")["e"] in {"ConnectionFailed", "ConnectionLost"}
        before = scraper.readings("b")["e"]
        await engine.apply(HEALTHY)
        await until(lambda: not scraper.problems("b"))
        assert scraper.readings("b")["e"].at > before.at


async def test_who_is_no_longer_followed_is_forgotten(start: Start) -> None:
    engine = await start()
    url = f"http://{engine.address}/metrics"
    async with scraping(target(url, "one"), target(url, "two")) as scraper:
        await until(lambda: len(scraper.readings("b")) == 2)
        scraper.follow([target(url, "two"), target(url, "three", backend="c")])
        assert scraper.readings("b").keys() == {"two"}
        await until(lambda: scraper.readings("c").keys() == {"three"})
        scraper.follow([])
        assert scraper.readings("b") == scraper.readings("c") == {}


async def test_owners_do_not_see_each_other(start: Start) -> None:
    engine = await start()
    url = f"http://{engine.address}/metrics"
    async with scraping() as scraper:
        one, other = scraper.of("one"), scraper.of("other")
        one.follow([target(url, "a")])
        other.follow([target(url, "b"), target("http://127.0.0.1:1/", "c")])
        await until(lambda: one.readings("b") and other.readings("b") and other.problems("b"))
        assert (one.readings("b").keys(), other.readings("b").keys()) == ({"a"}, {"b"})
        one.follow([])
        assert (one.readings("b"), other.readings("b").keys(), other.problems("b").keys()) == ({}, {"b"}, {"c"})


async def test_one_connection_serves_all_looks(serve: Callable[..., Awaitable[str]]) -> None:
    ports: list[int] = []

    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        ports.append(request.transport.get_extra_info("peername")[1])
        return web.Response(text=TEXT)

    async with scraping(target(await serve(handler))):
        await until(lambda: len(ports) >= 4)
    assert len(set(ports)) == 1


async def test_selectors_choose_what_users_name(serve: Callable[..., Awaitable[str]]) -> None:
    selectors = Selectors(running='vllm:num_requests_running{model_name="m"}', waiting="my_queue")
    url = await serve(says)
    async with scraping(target(url, engine="Custom", selectors=selectors)) as scraper:
        await until(lambda: scraper.readings("b"))
        reading = scraper.readings("b")["e"]
        assert (reading.running, reading.waiting, reading.generated) == (3.0, None, None)


async def test_counters_of_another_series_are_of_another_source(serve: Callable[..., Awaitable[str]]) -> None:
    url = await serve(says)
    old, new = (
        target(url, engine="Custom", interval=0.05, selectors=Selectors(running=f"vllm:num_requests_{name}"))
        for name in ("running", "waiting")
    )
    async with scraping(old) as scraper:
        await until(lambda: scraper.readings("b"))
        before = scraper.readings("b")["e"]
        await until(lambda: scraper.readings("b")["e"].at > before.at)
        assert scraper.readings("b")["e"].source == before.source
        scraper.follow([new])
        assert not scraper.readings("b")
        await until(lambda: scraper.readings("b"))
        after = scraper.readings("b")["e"]
        assert (before.running, after.running) == (3.0, 1.0)
        assert after.source != before.source


async def test_the_host_is_the_authority_of_the_backend(serve: Callable[..., Awaitable[str]]) -> None:
    hosts: list[str | None] = []

    async def handler(request: web.Request) -> web.Response:
        hosts.append(request.headers.get("Host"))
        return web.Response(text=TEXT)

    async with scraping(target(await serve(handler), authority="engines.example")):
        await until(lambda: hosts)
    assert hosts[0] == "engines.example"


async def test_a_certificate_must_be_of_the_authority_and_for_the_name(serve: Callable[..., Awaitable[str]]) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("engine.internal").configure_cert(context)
    url = await serve(says, context)
    name = "engine.internal"
    async with scraping(
        target(url, "good", ca="own", server_name=name),
        target(url, "name", ca="own", server_name="other.internal"),
        target(url, "unknown", ca="other", server_name=name),
        target(url, "public", server_name=name),
        target(url, "missing", ca="nowhere", server_name=name),
        target(url, "broken", ca="broken", server_name=name),
        target(url, "empty", ca="empty", server_name=name),
        authorities={
            "own": authority.cert_pem.bytes(),
            "other": trustme.CA().cert_pem.bytes(),
            "broken": b"x",
            "empty": b"",
        },
    ) as scraper:
        await until(lambda: scraper.readings("b") and len(scraper.problems("b")) == 6)
        assert scraper.readings("b").keys() == {"good"}
        failed = dict.fromkeys(("name", "unknown", "public"), "TLSFailed")
        wrong = dict.fromkeys(("broken", "empty"), "InvalidCA")
        assert scraper.problems("b") == failed | wrong | {"missing": "MissingCA"}


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "169.254.169.254", "0.0.0.0", "2130706433"]
)
async def test_closed_addresses_are_never_connected_to(host: str, serve: Callable[..., Awaitable[str]]) -> None:
    asked: list[web.Request] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request)
        return web.Response(text=TEXT)

    port = (await serve(handler)).rpartition(":")[2]
    async with scraping(target(f"http://{host}:{port}"), rules=AddressRules()) as scraper:
        await until(lambda: scraper.problems("b"))
        assert scraper.problems("b")["e"] in {"AddressRefused", "InvalidURL"}
    assert not asked


async def test_a_name_that_does_not_resolve_is_a_problem() -> None:
    async with scraping(target("http://nowhere.invalid/metrics")) as scraper:
        await until(lambda: scraper.problems("b"))
        assert scraper.problems("b") == {"e": "ResolutionFailed"}


async def test_a_slow_engine_is_given_more_time(
    serve: Callable[..., Awaitable[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("fetch", "scraper"):
        monkeypatch.setattr(f"signalbox.signals.{module}.SECONDS", 0.2)
    asked = 0

    async def handler(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.5)
        return web.Response(text=TEXT)

    async with scraping(target(await serve(handler), interval=3.0)) as scraper:
        await until(lambda: scraper.problems("b") == {"e": "TimedOut"})
        await until(lambda: scraper.readings("b"))
        assert not scraper.problems("b")
        before = asked
        await until(lambda: asked > before)
        first = scraper.readings("b")["e"].at
        await until(lambda: scraper.readings("b")["e"].at > first)
        assert not scraper.problems("b")
