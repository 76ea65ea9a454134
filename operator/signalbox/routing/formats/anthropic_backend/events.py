"""The events of a message's stream as the chunks of a chat."""

from typing import Any

import msgspec

from signalbox.routing.formats.stopping import finish_reason
from signalbox.routing.formats.texts import text
from signalbox.routing.formats.usage import chat_usage, merged

_encode = msgspec.json.Encoder().encode


class Chunks:
    """One stream: events in, chunks out, nothing held back.

    ``usage`` is what the message has said of itself so far; ``complete`` that its end has come. ``with_usage`` adds
    the last chunk that a client may ask for.
    """

    __slots__ = ("_bare", "_calls", "_created", "_id", "_model", "_with_usage", "complete", "usage")

    def __init__(self, created: int, *, with_usage: bool) -> None:
        self._created = created
        self._with_usage = with_usage
        self._id: Any = None
        self._model: Any = None
        # Where each tool's block is among the calls, and the input of those whose arguments have not come yet.
        self._calls: dict[Any, int] = {}
        self._bare: dict[Any, Any] = {}
        self.usage: dict[str, Any] = {}
        self.complete = False

    def feed(self, event: Any) -> list[dict[str, Any]]:
        """The chunks of one event; none for what a chat does not show."""
        kind = event.get("type") if isinstance(event, dict) else None
        if kind == "content_block_delta":
            return self._delta(event.get("index"), event.get("delta"))
        if kind == "content_block_start":
            return self._start(event.get("index"), event.get("content_block"))
        if kind == "content_block_stop":
            return self._stop(event.get("index"))
        if kind == "message_start":
            return self._begin(event.get("message"))
        if kind == "message_delta":
            return self._end(event)
        if kind == "message_stop":
            self.complete = True
            if self._with_usage:
                return [self._chunk([]) | {"usage": chat_usage(self.usage)}]
        return []

    def _begin(self, message: Any) -> list[dict[str, Any]]:
        if isinstance(message, dict):
            self._id, self._model = text(message.get("id")), text(message.get("model"))
            self.usage = merged(self.usage, message.get("usage"))
        return [self._said({"role": "assistant", "content": ""})]

    def _start(self, at: Any, block: Any) -> list[dict[str, Any]]:
        if not isinstance(block, dict) or not isinstance(at, int):
            return []
        kind = block.get("type")
        if kind == "tool_use":
            number = self._calls[at] = len(self._calls)
            self._bare[at] = block.get("input") or {}
            function = {"name": text(block.get("name")), "arguments": ""}
            call = {"index": number, "id": text(block.get("id")), "type": "function", "function": function}
            return [self._said({"tool_calls": [call]})]
        if kind == "text" and (said := text(block.get("text"))):
            return [self._said({"content": said})]
        if kind == "thinking" and (thought := text(block.get("thinking"))):
            return [self._said({"reasoning_content": thought})]
        return []

    def _delta(self, at: Any, delta: Any) -> list[dict[str, Any]]:
        if not isinstance(delta, dict):
            return []
        kind = delta.get("type")
        if kind == "text_delta":
            return [self._said({"content": text(delta.get("text"))})]
        if kind == "thinking_delta":
            return [self._said({"reasoning_content": text(delta.get("thinking"))})]
        if (
            kind == "input_json_delta"
            and isinstance(at, int)
            and at in self._calls
            and (more := text(delta.get("partial_json")))
        ):
            self._bare.pop(at, None)
            return [self._arguments(at, more)]
        return []

    def _stop(self, at: Any) -> list[dict[str, Any]]:
        """A call without arguments has none in its events; a chat's client reads "{}"."""
        if not isinstance(at, int) or at not in self._bare:
            return []
        return [self._arguments(at, _encode(self._bare.pop(at)).decode())]

    def _end(self, event: dict[str, Any]) -> list[dict[str, Any]]:
        self.usage = merged(self.usage, event.get("usage"))
        delta = event.get("delta")
        if not isinstance(delta, dict) or delta.get("stop_reason") is None:
            return []
        choice = self._choice({}, finish_reason(delta["stop_reason"]))
        if isinstance(delta.get("stop_sequence"), str):
            choice["stop_reason"] = delta["stop_sequence"]
        return [self._chunk([choice])]

    def _arguments(self, at: int, more: str) -> dict[str, Any]:
        return self._said({"tool_calls": [{"index": self._calls[at], "function": {"arguments": more}}]})

    def _said(self, delta: dict[str, Any]) -> dict[str, Any]:
        return self._chunk([self._choice(delta, None)])

    def _choice(self, delta: dict[str, Any], reason: str | None) -> dict[str, Any]:
        return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}

    def _chunk(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self._model,
            "choices": choices,
        }
