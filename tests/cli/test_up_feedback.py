"""signalbox up with engines that show their load: one becomes slow, and requests leave it."""

import asyncio
import os
import re
import signal
import sys
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from signalbox.sim.client import drive
from signalbox.sim.faults import HEALTHY, Faults
from signalbox.sim.profile import Profile
from signalbox.sim.server import SimulatedEngine
from signalbox.sim.traffic import Outcome
from waiting import until

# About 9 requests a second each.
PROFILE = Profile(model="m", batch=8, decode_rate=50, prefill_rate=8_000, output_tokens=20, jitter=0.0)
RATE = 8.0
SECONDS = 45.0
RESOURCES = """
apiVersion: signalbox.dev/v1alpha1
kind: ModelBackend
metadata: {name: a}
spec: {model: m, serviceRef: {name: a, port: http}, signals: {engine: VLLM}, capacity: {concurrency: 8}}
---
apiVersion: signalbox.dev/v1alpha1
kind: ModelBackend
metadata: {name: b}
spec: {model: m, serviceRef: {name: b, port: http}, signals: {engine: VLLM}, capacity: {concurrency: 8}}
---
apiVersion: signalbox.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: p}
spec:
  models: [auto]
  access: {anonymous: {}}
  debug: Allowed
  feedback: {mode: %s, interval: 1s, staleAfter: 3s}
  targets:
  - {name: a, backendRef: {name: a}}
  - {name: b, backendRef: {name: b}}
  routes:
  - {name: all, weighted: {targets: [{name: a}, {name: b}]}}
"""


class Up:
    """The process, two engines and clients."""

    def __init__(self, engines: dict[str, SimulatedEngine], process: asyncio.subprocess.Process) -> None:
        self.engines, self.process = engines, process
        self.said = ""
        self.answers: deque[str] = deque(maxlen=40)
        self.problems: Counter[str] = Counter()

    async def until_it_says(self, pattern: str) -> "re.Match[str]":
        assert self.process.stderr is not None
        async with asyncio.timeout(SECONDS):
            while (found := re.search(pattern, self.said)) is None:
                line = await self.process.stderr.readline()
                assert line, self.said
                self.said += line.decode()
        return found

    def note(self, outcome: Outcome | None) -> None:
        if outcome is not None:
            self.answers.append(outcome.target)
            if outcome.problem:
                self.problems[outcome.problem] += 1

    def share(self) -> float:
        """Of the newest answers, those of a."""
        return Counter(self.answers)["a"] / max(1, len(self.answers))

    async def weights(self) -> dict[str, float]:
        """In force in the router, as its metrics say."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.admin}/metrics") as response:
            text = await response.text()
        found = re.findall(r"^signalbox_router_route_weight\{([^}]*)\} (\S+)$", text, re.MULTILINE)
        return {re.search(r'target="(\w+)"', labels)[1]: float(value) for labels, value in found}  # type: ignore[index]


@pytest.fixture
async def up(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Up]:
    (tmp_path / "policies.yaml").write_text(RESOURCES % request.param)
    engines = {name: SimulatedEngine(name, PROFILE) for name in "ab"}
    for engine in engines.values():
        await engine.start()
    command = ["-m", "signalbox.cli", "up", "-f", str(tmp_path), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
    for name, engine in engines.items():
        command += ["--endpoint", f"{name}={engine.address}"]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        "--access-log",
        "none",
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    made = Up(engines, process)
    driving = None
    try:
        url = (await made.until_it_says(r"(http://\S+) +OpenAI"))[1]
        made.admin = (await made.until_it_says(r"(http://\S+) +/metrics"))[1]
        await made.until_it_says("Try:")
        driving = asyncio.create_task(drive(url, "auto", RATE, None, made.note))
        yield made
    finally:
        if driving is not None:
            driving.cancel()
            await asyncio.gather(driving, return_exceptions=True)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()
        for engine in engines.values():
            await engine.stop()


@pytest.mark.parametrize("up", ["Active"], indirect=True)
async def test_requests_leave_an_engine_that_becomes_slow_and_come_back(up: Up) -> None:
    assert "feedback Active: load moves weights, every 1 s by the engines of a, b" in up.said
    await until(lambda: len(up.answers) == up.answers.maxlen and 0.3 < up.share() < 0.7)
    await up.engines["a"].apply(Faults(slow=4.0))
    async with asyncio.timeout(SECONDS):
        while not ((await up.weights())["a"] < 0.3 and up.share() < 0.3):
            await asyncio.sleep(0.1)
    await up.engines["a"].apply(HEALTHY)
    async with asyncio.timeout(SECONDS):
        while not ((await up.weights())["a"] > 0.4 and up.share() > 0.35):
            await asyncio.sleep(0.1)
    assert not up.problems


@pytest.mark.parametrize("up", ["Observe"], indirect=True)
async def test_what_only_observes_changes_nothing(up: Up) -> None:
    assert "feedback Observe: what load would do is shown, and not done" in up.said
    await until(lambda: len(up.answers) == up.answers.maxlen)
    assert not await up.weights()
