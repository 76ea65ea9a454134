"""The page over HTTP: files, the view, the past, and a stream with bounds."""

import asyncio
import contextlib
import hashlib
import json
import re
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from scene import Scene, usual

import signalbox.signals.page as package
from signalbox.signals.board import Board
from signalbox.signals.history import History, Recorded
from signalbox.signals.page import server
from signalbox.signals.page.server import Page, Who

ASSETS = Path(package.__file__).parent / "assets"


@contextlib.asynccontextmanager
async def listening(boards: dict[str, Board], who: Who | None = None) -> AsyncIterator[tuple[Page, int]]:
    page = Page(lambda: boards, lambda: who or Who())
    runner = web.AppRunner(page.application(), access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield page, runner.addresses[0][1]
    finally:
        await runner.cleanup()
        assert not page.streams, "whoever ends the server ends the streams"


@contextlib.asynccontextmanager
async def served(boards: dict[str, Board], who: Who | None = None) -> AsyncIterator[aiohttp.ClientSession]:
    async with (
        listening(boards, who) as (_, port),
        aiohttp.ClientSession(f"http://127.0.0.1:{port}", timeout=aiohttp.ClientTimeout(total=20)) as session,
    ):
        yield session


@pytest.fixture
def scene() -> Scene:
    found = usual()
    found.run(60)
    return found


async def events(response: aiohttp.ClientResponse, number: int) -> list[Any]:
    found: list[Any] = []
    async for line in response.content:
        if line.startswith(b"data: "):
            found.append(json.loads(line[6:]))
            if len(found) == number:
                break
    return found


async def test_the_page_and_its_files_are_served_with_a_policy_that_lets_nothing_in(scene: Scene) -> None:
    async with served({"default": scene.board}) as session:
        async with session.get("/") as response:
            assert (response.status, response.content_type) == (200, "text/html")
            text = await response.text()
            policy = response.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert response.headers["X-Content-Type-Options"] == "nosniff"
        for name in re.findall(r'(?:src|href)="([^"#]+\.[a-z]+)"', text):
            async with session.get(f"/{name}") as response:
                assert response.status == 200, name


async def test_every_module_that_a_module_imports_is_there() -> None:
    for path in ASSETS.glob("*.js"):
        for name in re.findall(r"from '(\./[^']+)'", path.read_text()):
            assert (ASSETS / name).is_file(), (path, name)


def test_nothing_comes_from_elsewhere() -> None:
    for path in [*ASSETS.glob("*.js"), *ASSETS.glob("*.css"), *ASSETS.glob("*.html")]:
        found = re.findall(r"https?://[^\s'\"]+", path.read_text())
        assert set(found) <= {"http://www.w3.org/2000/svg"}, path


def test_the_chart_library_says_its_licence_and_version() -> None:
    vendored = ASSETS / "vendor" / "uplot"
    version = re.search(r"uPlot (\d+\.\d+\.\d+), MIT", (vendored / "README.md").read_text())
    assert version is not None
    assert f"(v{version[1]})" in (vendored / "uPlot.iife.min.js").read_text()[:100]
    assert "MIT License" in (vendored / "LICENSE").read_text()


def test_the_chart_library_is_as_its_package_ships_it() -> None:
    vendored = ASSETS / "vendor" / "uplot"
    sums = {name: digest for digest, name in re.findall(r"([0-9a-f]{64})  (\S+)", (vendored / "README.md").read_text())}
    files = {path.name: path for path in vendored.iterdir() if path.name != "README.md"}
    assert {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()} == sums


@pytest.mark.parametrize(
    "path", ["/../guard.py", "/%2e%2e/guard.py", "/assets/app.js", "/vendor", "/vendor/uplot/LICENSE"]
)
async def test_only_the_pages_own_files_are_served(path: str) -> None:
    async with served({}) as session, session.get(path) as response:
        assert response.status == 404


@pytest.mark.parametrize("path", ["/", "/app.js", "/view", "/history", "/stream", "/nothing"])
@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}])
async def test_a_foreign_host_or_origin_is_refused_everywhere(scene: Scene, path: str, headers: dict[str, str]) -> None:
    async with served({"default": scene.board}) as session, session.get(path, headers=headers) as response:
        assert response.status == 403
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert len(await response.read()) < 100


async def test_the_view_says_who_serves_and_what_is_seen(scene: Scene) -> None:
    who = Who(kind="operator", name="x", leads=False, leader="y")
    async with served({"default": scene.board}, who) as session, session.get("/view") as response:
        said = await response.json()
    assert said["who"] == {"kind": "operator", "name": "x", "leads": False, "leader": "y"}
    assert said["view"]["policies"][0]["name"] == "assistants"
    assert {each["name"] for each in said["view"]["backends"]} == set(scene.engines)


async def test_namespaces_are_told_apart(scene: Scene) -> None:
    async with served({"b": scene.board, "a": Board()}) as session:
        async with session.get("/view") as response:
            said = await response.json()
            assert (said["space"], said["spaces"], said["view"]) == ("a", ["a", "b"], None)
        async with session.get("/view?namespace=b") as response:
            assert (await response.json())["view"] is not None
        async with session.get("/view?namespace=nowhere") as response:
            assert (await response.json())["space"] == "a"


async def test_a_fresh_page_gets_the_past(scene: Scene) -> None:
    scene.run(900)
    async with served({"default": scene.board}) as session, session.get("/history") as response:
        past = await response.json()
    assert past["at"][-1] - past["at"][0] >= 890
    assert {len(column) for line in past["backends"].values() for column in line.values()} == {len(past["at"])}
    async with served({}) as session, session.get("/history") as response:
        assert (await response.json())["at"] == []


async def test_the_past_is_written_down_beside_the_event_loop(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []

    def recorded(history: History) -> Recorded:
        threads.append(threading.current_thread())
        scene.run(60)  # what comes meanwhile is not in it
        return real(history)

    real = History.recorded
    monkeypatch.setattr(History, "recorded", recorded)
    before = real(scene.board.history).at
    async with served({"default": scene.board}) as session, session.get("/history") as response:
        assert (await response.json())["at"] == before
    assert threads and threading.main_thread() not in threads


async def test_a_stream_has_the_view_of_each_moment(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "INTERVAL", 0.05)
    async with served({"default": scene.board}) as session, session.get("/stream") as response:
        assert response.content_type == "text/event-stream"
        first, second = await events(response, 2)
        assert second["view"]["at"] == first["view"]["at"], "nothing is new, and the page hears that somebody is there"
        scene.run(1)
        async with asyncio.timeout(20):
            while (new := (await events(response, 1))[0])["view"]["at"] == first["view"]["at"]:
                pass
        assert new["view"]["at"] == first["view"]["at"] + 1
        assert new["view"]["stepped"] == 1.0, "no step since"


async def test_between_long_views_the_page_hears_that_somebody_is_there(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "INTERVAL", 0.05)
    monkeypatch.setattr(server, "BYTES_A_SECOND", 10_000)
    async with served({"default": scene.board}) as session, session.get("/stream") as response:
        first, second = await events(response, 2)
    assert first["view"] is not None
    assert second == first | {"view": None}


async def test_streams_are_bounded(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "INTERVAL", 0.05)
    monkeypatch.setattr(server, "MAX_STREAMS", 3)
    async with served({"default": scene.board}) as session, contextlib.AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(session.get("/stream")) for _ in range(3)]
        for response in opened:
            await events(response, 1)
        async with session.get("/stream") as refused:
            assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
        opened[0].close()
        for _ in range(100):
            async with session.get("/stream") as again:
                if again.status == 200:
                    break
            await asyncio.sleep(0.1)
        assert again.status == 200, "a page that was closed makes room"


async def test_a_page_that_reads_nothing_holds_up_nobody_and_is_let_go(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "INTERVAL", 0.0)
    monkeypatch.setattr(server, "BYTES_A_SECOND", 1e12)
    monkeypatch.setattr(server, "STALL_SECONDS", 0.5)
    loop = asyncio.get_running_loop()
    async with listening({"default": scene.board}) as (page, port):
        with socket.socket() as lazy:
            lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            lazy.setblocking(False)
            await loop.sock_connect(lazy, ("127.0.0.1", port))
            await loop.sock_sendall(lazy, b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
            while not page.streams:
                await asyncio.sleep(0.01)
            async with asyncio.timeout(20):
                while page.streams:
                    await asyncio.sleep(0.01)


async def test_ending_the_server_ends_the_streams(scene: Scene) -> None:
    async with listening({"default": scene.board}) as (page, port), aiohttp.ClientSession() as session:
        response = await session.get(f"http://127.0.0.1:{port}/stream")
        await events(response, 1)
        response.close()
        assert page.streams == 1
