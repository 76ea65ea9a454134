"""From examples to the target of a request: a real operator learns, and real routers go by what it has learned."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from connected import LOOPBACK, LeaderService, RouterProcess, Routers, StreamingOperator, published
from queries import lines, scored
from world import World, backend, eventually, policy

from signalbox.sim.profile import Profile
from signalbox.sim.server import SimulatedEngine

EASY = "hello friend what a nice funny movie weekend thanks morning weather hello friend"
HARD = "prove the polynomial theorem solve equation integral matrix root derivative algebra"


@pytest.fixture
def engine() -> Iterator[str]:
    """Its address; it has an event loop of its own."""
    ready, ended, address = threading.Event(), threading.Event(), list[str]()

    async def serve() -> None:
        engine = SimulatedEngine("m", Profile(model="m", output_tokens=2))
        await engine.start()
        address.append(engine.address)
        ready.set()
        await asyncio.to_thread(ended.wait)
        await engine.stop()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(30)
    yield address[0]
    ended.set()
    thread.join(30)


def target(router: RouterProcess, text: str) -> str:
    """Which target has answered."""
    body = {"model": "auto", "messages": [{"role": "user", "content": text}]}
    url = f"http://127.0.0.1:{router.port}/v1/chat/completions"
    answer = httpx.post(url, json=body, timeout=30, trust_env=False)
    return str(answer.raise_for_status().headers["x-signalbox-target"])


def test_requests_go_where_the_label_says(
    world: World, permissive: StreamingOperator, service: LeaderService, engine: str, tmp_path: Path
) -> None:
    source = {"configMapKeyRef": {"name": "examples", "key": "past.jsonl"}}
    classifier = {"name": "hard", "labels": ["weak", "strong"], "default": "strong"}
    classifier |= {"trained": {"examplesFrom": [source], "strongSharePercent": 40}}
    given: dict[str, Any] = policy(
        targets=[{"name": name, "backendRef": {"name": name}} for name in ("weak", "strong")],
        classifiers=[classifier],
        routes=[{"name": "all", "select": {"best": {"by": "hard"}}}],
    )
    world.apply(*(backend(name, url=f"http://{engine}/v1") for name in ("weak", "strong")), given)
    routers = Routers(world, service, tmp_path, *LOOPBACK)
    try:
        routers.connected()
        assert [target(router, EASY) for router in routers.all] == ["strong"] * 2  # there is nothing to learn from yet
        data = {"past.jsonl": lines(scored(800))}
        world.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "examples"}, "data": data})
        before = published(world)
        eventually(lambda: published(world) != before, 60)
        for router in routers.all:
            eventually(lambda router=router: target(router, EASY) == "weak")
            assert target(router, HARD) == "strong"
    finally:
        routers.kill()
