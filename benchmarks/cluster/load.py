"""Clients of a router: requests at a steady rate and streams, in a thread of their own, every failure noted."""

import asyncio
import random
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType

import aiohttp

# Some clients keep their connection and some do not: the first meet draining routers, the second spread over new ones.
FRESH_PERCENT = 20
SHORT_TOKENS = 4
SAMPLES = 5
MOST_SECONDS = 300


@dataclass
class Counts:
    """What came of requests. ``samples`` are the first failures in words, ``seconds`` how long each good one took."""

    ok: int = 0
    failed: int = 0
    samples: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    targets: dict[str, int] = field(default_factory=dict)

    def fail(self, why: str) -> None:
        self.failed += 1
        if len(self.samples) < SAMPLES:
            self.samples.append(why)

    def __str__(self) -> str:
        return f"{self.ok:,} answered, {self.failed} failed" + (f": {self.samples}" if self.samples else "")


class Load:
    """``rate`` requests of ``short`` tokens a second, and ``streams`` streams at once, begun within ``ramp`` seconds.

    Used by ``with``: it runs in the network of the thread that begins it, and finishes what has begun at the end.
    """

    def __init__(
        self,
        url: str,
        *,
        rate: float = 0.0,
        streams: int = 0,
        tokens: int = 700,
        ramp: float = 5.0,
        short: int = SHORT_TOKENS,
    ) -> None:
        self.unary, self.streams = Counts(), Counts()
        self._url, self._rate, self._streams, self._tokens, self._ramp = url, rate, streams, tokens, ramp
        self._short = short
        self._end = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()

    def wait_for_streams(self) -> None:
        """Return when every stream has ended."""
        while self.streams.ok + self.streams.failed < self._streams:
            time.sleep(0.2)

    async def _run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=MOST_SECONDS)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
            running = {
                asyncio.create_task(self._stream(session, number * self._ramp / self._streams))
                for number in range(self._streams)
            }
            due = time.monotonic()
            while not self._end.is_set():
                if self._rate:
                    task = asyncio.create_task(self._unary(session))
                    running.add(task)
                    task.add_done_callback(running.discard)
                    due += 1 / self._rate
                await asyncio.sleep(max(0.0, due - time.monotonic()) if self._rate else 0.1)
            await asyncio.gather(*running)

    async def _unary(self, session: aiohttp.ClientSession) -> None:
        fresh = random.randrange(100) < FRESH_PERCENT
        headers = {"connection": "close"} if fresh else {}
        begin = time.monotonic()
        try:
            async with session.post(self._url, json=body(self._short), headers=headers) as response:
                text = await response.text()
                if response.status == 200:
                    self.unary.ok += 1
                    self.unary.seconds.append(time.monotonic() - begin)
                    target = response.headers.get("x-signalbox-target", "")
                    self.unary.targets[target] = self.unary.targets.get(target, 0) + 1
                else:
                    self.unary.fail(f"{response.status} {text[:200]}")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self.unary.fail(f"{type(error).__name__}: {error}")

    async def _stream(self, session: aiohttp.ClientSession, delay: float) -> None:
        await asyncio.sleep(delay)
        begin, last = time.monotonic(), b""
        try:
            async with session.post(self._url, json=body(self._tokens, stream=True)) as response:
                async for line in response.content:
                    if line.startswith(b'data: {"error"'):
                        self.streams.fail(line.decode()[:200])
                        return
                    last = line.strip() or last
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self.streams.fail(f"after {time.monotonic() - begin:.0f} s: {type(error).__name__}: {error}")
            return
        if last == b"data: [DONE]":
            self.streams.ok += 1
            self.streams.seconds.append(time.monotonic() - begin)
        else:
            self.streams.fail(f"ended after {time.monotonic() - begin:.0f} s with {last[:200]!r}")


def body(tokens: int, *, stream: bool = False) -> dict[str, object]:
    """A chat request."""
    messages = [{"role": "user", "content": "Tell me about signal boxes."}]
    return {"model": "auto", "messages": messages, "max_tokens": tokens, "stream": stream}
