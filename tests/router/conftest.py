"""Fixtures of the wire tests; the loop is the router's own."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import uvloop

from harness import Router, StartRouter, StartUpstream, Upstream, backend, config, policy


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Workers run on uvloop, and loops differ in how transports pause and close."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def start_upstream() -> AsyncIterator[StartUpstream]:
    """``await start_upstream(name)`` starts an upstream."""
    started: list[Upstream] = []

    async def start(name: str = "engine") -> Upstream:
        started.append(Upstream(name))
        return await started[-1].start()

    yield start
    for each in started:
        await each.stop()


@pytest.fixture
async def start_router(tmp_path: Path) -> AsyncIterator[StartRouter]:
    """``await start_router(config, secrets, **options)`` starts a router; options are those of ``ProxyOptions``."""
    started: list[Router] = []

    async def start(configuration: Any = None, secrets: Mapping[str, bytes] | None = None, **options: Any) -> Router:
        router = Router(tmp_path / f"access{len(started)}.log", options)
        started.append(router)
        if configuration is not None:
            router.configure(configuration, secrets)
        return await router.start()

    yield start
    for each in started:
        await each.stop()


@pytest.fixture
async def upstream(start_upstream: StartUpstream) -> Upstream:
    """One upstream."""
    return await start_upstream()


@pytest.fixture
async def router(start_router: StartRouter, upstream: Upstream) -> Router:
    """A router open to everybody, with one backend of one endpoint that answers the model ``auto``."""
    target = backend(upstream)
    return await start_router(config(policy(target), target))


@pytest.fixture
async def pair(start_upstream: StartUpstream) -> tuple[Upstream, Upstream]:
    """Two upstreams, named ``first`` and ``second``."""
    return await start_upstream("first"), await start_upstream("second")


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What refers to itself stays."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
