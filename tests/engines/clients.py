"""Clients that ask for streams all the time, and note how each ended."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp
import msgspec

WORDS = ("river", "stone", "garden", "winter", "engine", "signal", "market", "window", "letter", "morning", "bridge")


@dataclass
class Seen:
    """How requests ended: well, refused (a status), cut (an error event or the end after content), or dropped."""

    ended: Counter[str] = field(default_factory=Counter)
    targets: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """Requests of which a client saw nothing but an error."""
        return self.ended["refused"] + self.ended["dropped"]


async def ask(url: str, clients: int, tokens: int, seen: Seen, over: Callable[[], bool]) -> None:
    """So many clients, each with one stream after the other, until it is over."""
    timeout = aiohttp.ClientTimeout(total=300)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(_client(session, url, tokens, seen, over) for _ in range(clients)))


async def _client(session: aiohttp.ClientSession, url: str, tokens: int, seen: Seen, over: Callable[[], bool]) -> None:
    while not over():
        prompt = "Tell a story about a " + " and a ".join(random.choices(WORDS, k=random.randint(3, 12)))
        body = {
            "model": "auto",
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": random.randint(tokens // 2, 2 * tokens),
            "stream": True,
        }
        await one(session, url, body, seen)


async def one(session: aiohttp.ClientSession, url: str, body: dict[str, object], seen: Seen) -> None:
    """One request."""
    began, content = time.monotonic(), False
    try:
        async with session.post(
            url, data=msgspec.json.encode(body), headers={"content-type": "application/json"}
        ) as got:
            seen.targets[got.headers.get("x-signalbox-target", "?")] += 1
            if got.status != 200:
                seen.ended["refused"] += 1
                seen.problems[f"{got.status} {(await got.text())[:200]}"] += 1
                return
            async for line in got.content:
                if line.startswith(b'data: {"error"'):
                    seen.ended["cut" if content else "refused"] += 1
                    seen.problems[line.decode()[:200]] += 1
                    return
                content = content or b'"content":"' in line
                if line.startswith(b"data: [DONE]"):
                    seen.ended["well"] += 1
                    seen.seconds.append(time.monotonic() - began)
                    return
        seen.ended["cut"] += 1
        seen.problems["ended early"] += 1
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        seen.ended["dropped"] += 1
        seen.problems[type(error).__name__] += 1
