"""A small client that sends the mix to a URL and notes what it saw."""

import asyncio
import random
import time
from collections.abc import Callable

import aiohttp
import msgspec

from signalbox.sim import traffic
from signalbox.sim.traffic import Outcome

PATIENCE = 20.0
"""Seconds after which a client gives up; the last answers are not awaited for longer."""


async def drive(
    url: str, model: str, rate: float, seconds: float | None, report: Callable[[Outcome | None], None]
) -> None:
    """Send ``rate`` requests/s to ``url``/v1 for ``seconds`` (None: until cancelled), then wait for the last answers.

    ``report`` gets None when a request is sent and its outcome when it ended.
    """
    rng = random.Random()  # noqa: S311 (a mix of prompts, no secrets)
    begun = time.monotonic()
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session, asyncio.TaskGroup() as group:
        due = begun
        while seconds is None or due - begun < seconds:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            report(None)
            group.create_task(_send(session, f"{url}/v1/chat/completions", traffic.request(rng, model), report))
            due += rng.expovariate(rate)


async def _send(
    session: aiohttp.ClientSession, url: str, body: dict[str, object], report: Callable[[Outcome | None], None]
) -> None:
    begun = time.monotonic()
    target = route = problem = ""
    first: float | None = None
    try:
        headers = {"Content-Type": "application/json"}
        async with session.post(url, data=msgspec.json.encode(body), headers=headers) as response:
            target = response.headers.get("x-signalbox-target", "")
            route = response.headers.get("x-signalbox-route", "")
            if response.status != 200:
                problem = f"status {response.status}"
                await response.read()
            elif body["stream"]:
                first, problem = await _read_stream(response, begun)
            else:
                await response.read()
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        problem = type(error).__name__
    report(Outcome(target, route, time.monotonic() - begun, first, problem, cut=bool(problem) and first is not None))


async def _read_stream(response: aiohttp.ClientResponse, begun: float) -> tuple[float | None, str]:
    """Seconds to the first content, and what went wrong: an error event, or an end without the end mark."""
    first: float | None = None
    try:
        async for line in response.content:
            if line.startswith(b'data: {"error"'):
                return first, "error event"
            if first is None and b'"content":"' in line and b'"content":""' not in line:
                first = time.monotonic() - begun
            if line.startswith(b"data: [DONE]"):
                return first, ""
    except aiohttp.ClientError as error:
        return first, type(error).__name__
    return first, "stream ended early"
