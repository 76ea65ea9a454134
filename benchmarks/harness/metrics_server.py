"""``python -m benchmarks.harness.metrics_server PORT``: answers every request with the metrics of one vLLM-like engine,
on every address of the machine's loopback network, so that one process stands in for thousands of engines."""

import asyncio
import random
import resource
import sys
from typing import cast

import uvloop

from signalbox.sim.engine import Engine
from signalbox.sim.metrics import HttpMetrics, Metrics
from signalbox.sim.profile import Profile


def page() -> bytes:
    """What an engine that has worked exports: about 50 KB."""
    profile = Profile(model="m")
    metrics = Metrics(profile)
    http = HttpMetrics(metrics.registry)
    for path in ("/v1/chat/completions", "/v1/completions"):
        http.observe(path, "POST", 200, (1000, 5000), 1.5)
    return metrics.render(Engine(profile, random.Random(1)))


class _Answer(asyncio.Protocol):
    """One answer for each head of a request; no request has a body."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        *heads, self._rest = (self._rest + data).split(b"\r\n\r\n")
        for _ in heads:
            self._transport.write(self._answer)


async def _serve(port: int) -> None:
    body = page()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: %d\r\n\r\n" % len(body)
    server = await asyncio.get_running_loop().create_server(lambda: _Answer(head + body), "0.0.0.0", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    uvloop.run(_serve(int(sys.argv[1])))
