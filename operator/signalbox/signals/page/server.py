"""The application behind the page: files, the newest view, the past, and a stream of what is new."""

import asyncio
from collections.abc import Callable, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Literal

import msgspec
from aiohttp import web

from signalbox.signals.board import Board
from signalbox.signals.history import History
from signalbox.signals.page.guard import guard, protect
from signalbox.signals.view import View

ASSETS = "assets"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
MAX_STREAMS = 16
"""Pages that are open at the same time; one more is told so, and tries again."""
INTERVAL = 1.0
"""Seconds between two views to the same page."""
BYTES_A_SECOND = 250_000
"""Of very long views there are fewer."""
STALL_SECONDS = 20.0
"""A page that reads nothing for so long has gone."""


class Who(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who serves the page. Of several operators only the leader knows weights; ``leader`` is its name, "" if there is
    none."""

    kind: Literal["local", "operator"] = "local"
    name: str = ""
    leads: bool = True
    leader: str = ""


class Message(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a page is sent. ``view`` is None where nobody has decided anything yet, and between two long ones."""

    who: Who
    spaces: tuple[str, ...]
    space: str
    view: View | None = None


class Page:
    """Serves the ``boards``, by namespace. Everything is read when it is asked for."""

    def __init__(
        self,
        boards: Callable[[], Mapping[str, Board]],
        who: Callable[[], Who],
    ) -> None:
        self._boards, self._who = boards, who
        self._streams: set[asyncio.Task[None]] = set()
        self._encode = msgspec.json.encode
        self._files = {path: (type_, content) for path, type_, content in _assets(files(__package__) / ASSETS)}

    @property
    def streams(self) -> int:
        """Pages that are open now."""
        return len(self._streams)

    def application(self) -> web.Application:
        """To be served on a loopback address."""
        made = web.Application(middlewares=[guard])
        made.on_response_prepare.append(protect)
        made.on_shutdown.append(self._end)
        made.router.add_get("/view", self._view)
        made.router.add_get("/history", self._history)
        made.router.add_get("/stream", self._stream)
        made.router.add_get("/{path:.*}", self._file)
        return made

    async def _file(self, request: web.Request) -> web.Response:
        found = self._files.get(request.match_info["path"] or "index.html")
        if found is None:
            return web.Response(status=404, text="there is nothing of that name\n")
        type_, content = found
        return web.Response(body=content, content_type=type_, charset="utf-8")

    async def _view(self, request: web.Request) -> web.Response:
        message = self._message(*self._choose(request))
        return web.Response(body=self._encode(message), content_type="application/json")

    async def _history(self, request: web.Request) -> web.Response:
        """Long where backends are many: it is written down beside the event loop."""
        _, board = self._choose(request)
        past = board.history.copied() if board is not None else History()
        body = await asyncio.to_thread(lambda: self._encode(past.recorded()))
        response = web.Response(body=body, content_type="application/json")
        response.enable_compression()
        return response

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if len(self._streams) >= MAX_STREAMS:
            return web.Response(
                status=503, text=f"{MAX_STREAMS} pages are open already\n", headers={"Retry-After": "5"}
            )
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        task = asyncio.current_task()
        assert task is not None
        self._streams.add(task)
        try:
            await response.prepare(request)
            await self._follow(request, response)
        except (ConnectionError, TimeoutError):
            if request.transport is not None:
                request.transport.abort()
        finally:
            self._streams.discard(task)
        return response

    async def _follow(self, request: web.Request, response: web.StreamResponse) -> None:
        """Nothing queues up: whoever reads slowly misses views. Between long ones the page hears that somebody is
        there."""
        while True:
            message = self._message(*self._choose(request))
            pause = await self._write(response, message) / BYTES_A_SECOND
            while pause > INTERVAL:
                await asyncio.sleep(INTERVAL)
                pause -= INTERVAL
                await self._write(response, msgspec.structs.replace(message, who=self._who(), view=None))
            await asyncio.sleep(INTERVAL)

    async def _write(self, response: web.StreamResponse, message: Message) -> int:
        """How many bytes it took."""
        data = b"data: " + self._encode(message) + b"\n\n"
        async with asyncio.timeout(STALL_SECONDS):
            await response.write(data)
        return len(data)

    def _message(self, space: str, board: Board | None) -> Message:
        return Message(
            who=self._who(),
            spaces=tuple(sorted(self._boards())),
            space=space,
            view=board.view() if board is not None else None,
        )

    def _choose(self, request: web.Request) -> tuple[str, Board | None]:
        """The namespace that was asked for, else the first one."""
        boards = self._boards()
        wanted = request.query.get("namespace", "")
        space = wanted if wanted in boards else min(boards, default="")
        return space, boards.get(space)

    async def _end(self, _: web.Application) -> None:
        for task in self._streams:
            task.cancel()


def _assets(folder: Traversable, prefix: str = "") -> list[tuple[str, str, bytes]]:
    """All files, once and for all: what a request names is looked up, and never becomes a path."""
    found: list[tuple[str, str, bytes]] = []
    for each in folder.iterdir():
        if each.is_dir():
            found += _assets(each, f"{prefix}{each.name}/")
        elif (type_ := TYPES.get("." + each.name.rpartition(".")[2])) is not None:
            found.append((prefix + each.name, type_, each.read_bytes()))
    return found
