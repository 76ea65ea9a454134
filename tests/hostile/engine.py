"""An engine that remembers what it was asked, says whose answer it gives, and misbehaves where a case wants it."""

import asyncio
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec

from harness import CHAT, DONE, STREAM_HEAD, Message, chunk, completion, event, read_message, response
from hostile.corpus import Case
from hostile.playing import play
from hostile.words import LARGE
from signalbox.routing.config import Address

MESSAGES = "/v1/messages"
_USER = re.compile(rb'"user(?:_id)?"\s*:\s*"([^"]*)"')
_MODEL = re.compile(rb'"model"\s*:\s*"([^"]*)"')
_SIZE = re.compile(rb'"max_tokens"\s*:\s*([0-9]+)')


class Engine:
    """``seen`` counts requests by their ``user``; ``broken`` are those that could not be read in one way only.

    ``cases`` are played to a request for the model of that name, unless it comes from the user of a sound request.
    ``played`` is set when a case is over.
    """

    def __init__(self, name: str, cases: Mapping[str, Case] | None = None) -> None:
        self.name = name
        self.seen: Counter[str] = Counter()
        self.broken: list[str] = []
        self.cases = cases or {}
        self.played = {model: asyncio.Event() for model in self.cases}
        self._open: set[asyncio.Task[None]] = set()

    async def start(self) -> "Engine":
        """Listen on a port of its own."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 20)
        self.address = Address(host="127.0.0.1", port=self._server.sockets[0].getsockname()[1])
        return self

    async def stop(self) -> None:
        """Close everything."""
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            while not writer.transport.is_closing():
                await self._answer(await read_message(reader), writer)
        except (AssertionError, ValueError, asyncio.LimitOverrunError) as error:
            self.broken.append(f"{type(error).__name__}: {error}"[:200])
        except (asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            writer.transport.abort()

    async def _answer(self, request: Message, writer: asyncio.StreamWriter) -> None:
        method, target, _ = request.line.split(b" ")
        if any(set(b"\r\n\0") & set(value) for _, value in request.headers):
            self.broken.append("a control character in a header")
        user, model = _found(_USER, request.body), _found(_MODEL, request.body)
        self.seen[user or f"{method.decode('latin-1')} {target.decode('latin-1')}"] += 1
        case = self.cases.get(model)
        if case is not None and user == "case":
            await play(case.steps, writer)
            self.played[model].set()
            return
        size = min(int(_found(_SIZE, request.body) or 0), LARGE)
        text = f"{self.name} to {user or 'nobody'}" + " " * size
        native = target.endswith(b"/messages")
        if _STREAMS(request.body):
            events = _message_events(text) if native else event({"content": text}) + _FINISHED + DONE
            writer.write(STREAM_HEAD + chunk(events) + chunk(b""))
        else:
            writer.write(response(200, _message(text) if native else completion(text)))
        await writer.drain()


def _found(pattern: re.Pattern[bytes], body: bytes) -> str:
    found = pattern.search(body)
    return found[1].decode("utf-8", "replace") if found else ""


def _message(text: str) -> dict[str, Any]:
    content = [{"type": "text", "text": text}]
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content, **_ENDED}


# As LAST of the scenes: why the answer has ended.
_FINISHED = b'data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
_ENDED = {"stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 10, "output_tokens": 5}}


def _message_events(text: str) -> bytes:
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": _message(text) | {"content": []}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    ]
    return b"".join(b"event: %b\ndata: %b\n\n" % (each["type"].encode(), msgspec.json.encode(each)) for each in events)


_STREAMS = re.compile(rb'"stream"\s*:\s*true').search


def ask(user: str, model: str = "auto", stream: bool = False, speaks: str = "") -> bytes:
    """A sound request, which says whose it is, in OpenAI's API or that of ``messages``."""
    path, who = (MESSAGES, {"metadata": {"user_id": user}}) if speaks == "messages" else (CHAT, {"user": user})
    body = msgspec.json.encode({"model": model, "messages": [], "stream": stream, **who})
    head = (
        f"POST {path} HTTP/1.1\r\nhost: router\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
