"""The real thing for the page: simulated engines, ``signalbox up``, and clients, all over HTTP."""

import asyncio
import contextlib
import re
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from signalbox.sim.client import drive
from signalbox.sim.profile import Profile
from signalbox.sim.server import SimulatedEngine

SECONDS = 60.0
SMALL = Profile(model="sim-8b", batch=16, decode_rate=40, prefill_rate=8_000, output_tokens=60)
LARGE = Profile(model="sim-32b", batch=24, decode_rate=45, prefill_rate=8_000, output_tokens=60)
ENGINES = {"sim-8b-a": SMALL, "sim-8b-b": SMALL, "sim-32b": LARGE}

BACKEND = """
apiVersion: signalbox.dev/v1alpha1
kind: ModelBackend
metadata: {{name: {name}}}
spec:
  model: {model}
  serviceRef: {{name: {name}, port: http}}
  signals: {{engine: VLLM}}
  capacity: {{concurrency: {batch}}}
---"""
POLICIES = """
apiVersion: signalbox.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: chat}
spec:
  models: [auto]
  access: {anonymous: {}}
  targets:
  - {name: small_a, backendRef: {name: sim-8b-a}}
  - {name: small_b, backendRef: {name: sim-8b-b}}
  - {name: large, backendRef: {name: sim-32b}}
  routes:
  - {name: code, when: query.hasCode, weighted: {targets: [{name: large}]}}
  - {name: default, weighted: {targets: [{name: small_a}, {name: small_b}, {name: large}]}}
  feedback: {mode: Active, interval: %(interval)s}
---
apiVersion: signalbox.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: canary}
spec:
  models: [next]
  access: {anonymous: {}}
  targets:
  - {name: stable, backendRef: {name: sim-8b-a}}
  - {name: candidate, backendRef: {name: sim-32b}}
  routes:
  - {name: all, weighted: {targets: [{name: stable, weight: 9}, {name: candidate, weight: 1}]}}
  feedback: {mode: Active, interval: %(interval)s}
"""


@dataclass
class Live:
    """``url`` is that of the page."""

    url: str
    engines: dict[str, SimulatedEngine]


@contextlib.asynccontextmanager
async def live(rate: float, interval: str = "5s") -> AsyncIterator[Live]:
    """With ``rate`` requests a second to the first policy, and a fifth of that to the second."""
    async with contextlib.AsyncExitStack() as stack:
        engines = {name: SimulatedEngine(name, profile) for name, profile in ENGINES.items()}
        for engine in engines.values():
            await engine.start()
            stack.push_async_callback(engine.stop)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        backends = [BACKEND.format(name=name, model=each.model, batch=each.batch) for name, each in ENGINES.items()]
        (folder / "all.yaml").write_text("".join(backends) + POLICIES % {"interval": interval})
        command = [sys.executable, "-m", "signalbox.cli", "up", "-f", str(folder), "--access-log", "none"]
        command += ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--page", "127.0.0.1:0"]
        for name, engine in engines.items():
            command += ["--endpoint", f"{name}={engine.address}"]
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        stack.push_async_callback(_end, process)
        said = await _said(process, "Try:")
        api = re.search(r"base URL (http://\S+)/v1", said)
        page = re.search(r"(http://\S+) +the live page", said)
        assert api and page, said
        for model, part in (("auto", 1.0), ("next", 0.2)):
            stack.push_async_callback(
                _cancel, asyncio.create_task(drive(api[1], model, rate * part, None, lambda _: None))
            )
        assert process.stderr is not None
        stack.push_async_callback(_cancel, asyncio.create_task(process.stderr.read()))
        yield Live(page[1], engines)


async def _said(process: asyncio.subprocess.Process, until: str) -> str:
    assert process.stderr is not None
    said = ""
    async with asyncio.timeout(SECONDS):
        while until not in said:
            line = await process.stderr.readline()
            assert line, said
            said += line.decode()
    return said


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _cancel(task: "asyncio.Task[object]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
