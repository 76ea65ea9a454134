"""Who may read the metrics: whoever the API server knows by the token, and lets get the path."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from signalbox.controller.serving.metrics import CONTENT_TYPE
from signalbox.kube.client import Client
from signalbox.kube.errors import ApiError
from signalbox.kube.resources import SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS

SECONDS = 10.0
MOST = 256
# Asked at once, and how long a token waits for its turn.
AT_ONCE = 4
WAIT_SECONDS = 5.0
PATH = "/metrics"


class Admittance:
    """Asks the API server, and remembers its answer for some seconds: a scrape must not be a load on it."""

    def __init__(self, client: Client, clock: Callable[[], float] = time.monotonic) -> None:
        self._client, self._clock = client, clock
        self._answers: dict[bytes, tuple[float, int]] = {}
        self._limit = asyncio.Semaphore(AT_ONCE)

    async def status(self, token: str) -> int:
        """HTTP status for a bearer token: 200, 401, 403, or 503 where the API server cannot say."""
        if not token:
            return 401
        key = hashlib.sha256(token.encode()).digest()
        now = self._clock()
        at, answer = self._answers.get(key, (0.0, 0))
        if answer and now - at < SECONDS:
            return answer
        try:
            async with asyncio.timeout(WAIT_SECONDS), self._limit:
                answer = await self._ask(token)
        except (ApiError, TimeoutError):
            return 503
        if len(self._answers) >= MOST:
            self._answers = {k: found for k, found in self._answers.items() if now - found[0] < SECONDS}
        if len(self._answers) < MOST:
            self._answers[key] = now, answer
        return answer

    async def _ask(self, token: str) -> int:
        review = await self._client.review(TOKEN_REVIEWS, {"token": token})
        status: dict[str, Any] = review.get("status") or {}
        if not status.get("authenticated"):
            return 401
        user = status.get("user") or {}
        spec = {"user": user.get("username", ""), "nonResourceAttributes": {"path": PATH, "verb": "get"}}
        spec |= {key: user[key] for key in ("groups", "uid", "extra") if key in user}
        review = await self._client.review(SUBJECT_ACCESS_REVIEWS, spec)
        return 200 if (review.get("status") or {}).get("allowed") else 403


def application(admittance: Admittance, text: Callable[[], Awaitable[bytes]]) -> web.Application:
    """``/metrics`` for whoever is admitted."""

    async def metrics(request: web.Request) -> web.Response:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        status = await admittance.status(token.strip() if scheme.lower() == "bearer" else "")
        if status != 200:
            return web.Response(status=status)
        return web.Response(body=await text(), headers={"content-type": CONTENT_TYPE})

    made = web.Application()
    made.router.add_get(PATH, metrics)
    return made
