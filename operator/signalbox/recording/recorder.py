"""Queries to places, some at a time; whoever is refused for a moment is asked again."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from signalbox.evaluation.lines import Line
from signalbox.recording.answers import recorded
from signalbox.recording.places import Place
from signalbox.recording.store import Store
from signalbox.router.wire.errors import Refusal
from signalbox.router.wire.translation import Untold
from signalbox.routing.chains.bodies import sample, unary, with_logprobs

TRIES: Final = 4
LONGEST_PAUSE: Final = 30.0
_AGAIN: Final = frozenset((408, 409, 425, 429, 500, 502, 503, 504, 529))
_MESSAGE_CHARS: Final = 200
MOST_BYTES: Final = 32 * 1024 * 1024
"""Of an answer: a hundred thousand tokens with log-probabilities, of some hundred bytes each, have a third of it."""

Work = tuple[Line, dict[str, Any]]
"""A query, and the line that it was read from."""


class Unanswered(Exception):  # noqa: N818 - of others, not of this code
    """A place gave no answer, and why."""


@dataclass
class Tally:
    """What came of a run. ``failed`` has, by target, why calls gave no answer and how many of them."""

    answers: int = 0
    lines: int = 0
    failed: dict[str, dict[str, int]] = field(default_factory=dict)

    def fail(self, target: str, why: str) -> None:
        """One more."""
        reasons = self.failed.setdefault(target, {})
        reasons[why] = reasons.get(why, 0) + 1


@dataclass(frozen=True)
class Manner:
    """How it is asked: so many answers of each target, so many requests at a time, so long at most (seconds).
    ``pause`` is the first between tries."""

    samples: int = 1
    concurrency: int = 8
    timeout: float = 120.0
    pause: float = 1.0


class Recorder:
    """One run."""

    def __init__(self, places: Sequence[Place], manner: Manner) -> None:
        self._places = {place.target: place for place in places}
        self._manner = manner
        self._without_logprobs: set[str] = set()
        self.tally = Tally()

    async def run(self, works: Sequence[Work], store: Store, progress: Callable[[Tally], None]) -> None:
        """Ask what the store has not, until all is asked."""
        limits = httpx.Limits(max_connections=self._manner.concurrency)
        clients = {
            target: httpx.AsyncClient(
                timeout=self._manner.timeout,
                limits=limits,
                verify=True if place.context is None else place.context,
                trust_env=False,
            )
            for target, place in self._places.items()
        }
        left = iter(works)
        workers = [
            asyncio.create_task(self._work(left, store, clients, progress)) for _ in range(self._manner.concurrency)
        ]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            for client in clients.values():
                await client.aclose()

    async def _work(
        self,
        left: Iterator[Work],
        store: Store,
        clients: Mapping[str, httpx.AsyncClient],
        progress: Callable[[Tally], None],
    ) -> None:
        for line, written in left:
            found = {}
            for target in store.missing(written, list(self._places), self._manner.samples):
                before = store.given(written, target)
                if len(before) == 1:  # asked as the query says; samples are drawn at another temperature
                    before = []
                more = await self._more(clients[target], self._places[target], line, len(before))
                self.tally.answers += len(more)
                if more:
                    first, *others = [*before, *more]
                    found[target] = {**first, "samples": others} if others else first
            if found:
                store.add(written, found)
            self.tally.lines += 1
            progress(self.tally)

    async def _more(self, client: httpx.AsyncClient, place: Place, line: Line, there: int) -> list[dict[str, Any]]:
        """The answers that are missing beside those that are there, up to the first that does not come."""
        asked = unary(line.body)
        found: list[dict[str, Any]] = []
        for number in range(there, self._manner.samples):
            wanted = sample(asked, number) if self._manner.samples > 1 else asked
            try:
                found.append(await self._answer(client, place, wanted, line.answer))
            except Unanswered as unanswered:
                self.tally.fail(place.target, str(unanswered))
                break
        return found

    async def _answer(
        self, client: httpx.AsyncClient, place: Place, asked: dict[str, Any], expected: str
    ) -> dict[str, Any]:
        wants = place.logprobs is not False and place.target not in self._without_logprobs
        content, status, seconds = await self._call(client, place, with_logprobs("chat", asked) if wants else asked)
        if status in {400, 422} and wants and place.logprobs is None:
            content, status, seconds = await self._call(client, place, asked)
            if status < 400:
                self._without_logprobs.add(place.target)
        if status >= 400:
            raise Unanswered(f"answered {status}: {_shown(content)}")
        answer = recorded(content, asked, seconds, expected)
        if answer is None:
            raise Unanswered(f"answered what is no chat completion: {_shown(content)}")
        return answer

    async def _call(self, client: httpx.AsyncClient, place: Place, asked: dict[str, Any]) -> tuple[bytes, int, float]:
        """Body, status and seconds of the last try."""
        try:
            data = place.body(asked)
        except Refusal as refusal:
            raise Unanswered(refusal.message) from None
        headers = {"content-type": "application/json", **place.headers}
        extensions = {"sni_hostname": place.backend.tls.server_name} if place.backend.tls is not None else {}
        pause = self._manner.pause
        for left in reversed(range(TRIES)):
            began = time.perf_counter()
            try:
                async with client.stream(
                    "POST", place.url, content=data, headers=headers, extensions=extensions
                ) as reply:
                    content = await _content(reply)
            except httpx.HTTPError as error:
                if not left:
                    raise Unanswered(f"{type(error).__name__}: {error}".rstrip(": ")) from None
            else:
                seconds = time.perf_counter() - began
                if reply.status_code not in _AGAIN or not left:
                    return self._read(place, reply, content), reply.status_code, seconds
                pause = max(pause, _retry_after(reply.headers.get("retry-after", "")))
            await asyncio.sleep(min(pause, LONGEST_PAUSE))
            pause *= 2
        raise AssertionError("the last try returns or raises")

    def _read(self, place: Place, reply: httpx.Response, content: bytes) -> bytes:
        if 300 <= reply.status_code < 400:  # a key is for the place that was named
            to = _shown(place.without_key(reply.headers.get("location", "").encode()))
            where = f"sends to {to}" if to else "does not say where to go"
            raise Unanswered(f"answered {reply.status_code}, and {where}: give the URL that answers itself")
        translation, content = place.translation, place.without_key(content)
        if translation is None:
            return content
        try:
            return translation.unary(reply.status_code, content)
        except Untold as untold:
            raise Unanswered(str(untold)) from None


async def _content(reply: httpx.Response) -> bytes:
    found = bytearray()
    async for part in reply.aiter_bytes():
        found += part
        if len(found) > MOST_BYTES:
            raise Unanswered(f"answered more than {MOST_BYTES} bytes, which is no answer to keep: lower max_tokens")
    return bytes(found)


def _retry_after(text: str) -> float:
    return float(text) if text.strip().isdigit() else 0.0


def _shown(content: bytes) -> str:
    text = " ".join(content.decode("utf-8", "replace").split())
    return text if len(text) <= _MESSAGE_CHARS else f"{text[:_MESSAGE_CHARS]}…"
