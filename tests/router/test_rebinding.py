"""Names in policies that lead to closed addresses, from a policy's YAML to the socket."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from stage import Stage

from harness import StartRouter
from signalbox.router.upstream import resolver

SELECT = """
debug: Allowed
classifiers: [{name: kind, labels: [chat, code], default: chat, http: {url: "http://%s:%d/classify"}}]
routes: [{name: by_kind, select: {by: kind, targets: [{label: code, target: hidden}], otherwise: open}}]
"""
WEIGHTED = """
routes: [{name: all, weighted: {targets: [{name: hidden}]}}]
"""


@pytest.fixture
async def stage(tmp_path: Path, start_router: StartRouter) -> AsyncIterator[Stage]:
    (tmp_path / "policies").mkdir()
    made = Stage(tmp_path / "policies", start_router)
    yield made
    await made.close()


class Closed:
    """Something on an address that nobody may connect to. ``came`` counts who did."""

    def __init__(self) -> None:
        self.came = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.2", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.came += 1
        writer.close()

    def stop(self) -> None:
        self._server.close()


@pytest.fixture
async def closed(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Closed]:
    """The name ``rebinds.test`` leads there, whatever it led to when the policy was written."""
    real = resolver._system_lookup

    async def lookup(host: str, port: int) -> tuple[str, ...]:
        return ("127.0.0.2",) if host == "rebinds.test" else await real(host, port)

    monkeypatch.setattr(resolver, "_system_lookup", lookup)
    made = Closed()
    await made.start()
    yield made
    made.stop()


ENGINES_ONLY = {"allow_cidrs": ("127.0.0.1/32",)}


async def test_a_classifier_whose_name_leads_to_a_closed_address_is_not_asked(stage: Stage, closed: Closed) -> None:
    await stage.engine("open", {"answer": "Something."})
    await stage.engine("hidden", {"answer": "A program."})
    await stage.open(SELECT % ("rebinds.test", closed.port), **ENGINES_ONLY)
    seen = await stage.ask()
    assert (seen.status, seen.target) == (200, "open")
    assert "127.0.0.2 is a loopback address" in stage.router.entries()[-1]["detail"]
    assert closed.came == 0


async def test_a_backend_whose_name_leads_to_a_closed_address_is_not_asked(stage: Stage, closed: Closed) -> None:
    await stage.engine("hidden", {"answer": "A program."}, url=f"http://rebinds.test:{closed.port}/v1")
    await stage.open(WEIGHTED, **ENGINES_ONLY)
    seen = await stage.ask()
    assert seen.status in {502, 503}
    assert closed.came == 0


async def test_a_backend_is_asked_where_its_address_is_opened(stage: Stage, closed: Closed) -> None:
    await stage.engine("hidden", {"answer": "A program."}, url=f"http://rebinds.test:{closed.port}/v1")
    await stage.open(WEIGHTED, allow_cidrs=("127.0.0.0/8",))
    assert (await stage.ask()).status == 502
    assert closed.came > 0
