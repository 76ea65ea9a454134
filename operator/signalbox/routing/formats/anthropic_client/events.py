"""The chunks of a chat as the events of a message's stream.

A message is told block by block, and only one is open at a time, which is how engines stream texts and calls, too.
"""

from typing import Any

from signalbox.routing.formats.anthropic_client.answer import reasoning
from signalbox.routing.formats.stopping import stop
from signalbox.routing.formats.texts import text
from signalbox.routing.formats.usage import messages_usage

Event = dict[str, Any]


class OutOfOrderError(Exception):
    """More of a call came after another one had begun: a block that is closed cannot be opened again."""


class Events:
    """One stream: chunks in, events out. The end waits for ``end``: usage comes after the last content."""

    __slots__ = (
        "_begun",
        "_block",
        "_call",
        "_calls",
        "_finish",
        "_index",
        "_sequence",
        "_thinking",
        "_usage",
    )

    def __init__(self, *, thinking: bool) -> None:
        self._thinking = thinking
        self._begun = False
        self._index = -1
        self._block = ""  # type of the block that is open, if any
        self._call = 0  # number of the call that it is
        self._calls: set[int] = set()
        self._finish: Any = None
        self._sequence: Any = None
        self._usage: Any = None

    @property
    def finished(self) -> bool:
        """Whether the chat has said why it ended."""
        return self._finish is not None

    def feed(self, chunk: Any) -> list[Event]:
        """The events of one chunk. Raises ``OutOfOrderError``."""
        if not isinstance(chunk, dict):
            return []
        out: list[Event] = []
        if not self._begun:
            self._begun = True
            out.append(_start(chunk))
        if isinstance(chunk.get("usage"), dict):
            self._usage = chunk["usage"]
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict) and choice.get("index", 0) == 0:
                self._said(choice.get("delta"), out)
                if choice.get("finish_reason"):
                    self._finish, self._sequence = choice["finish_reason"], choice.get("stop_reason")
                    self._close(out)
        return out

    def end(self) -> list[Event]:
        """The events after the last chunk."""
        out: list[Event] = []
        self._close(out)
        delta = stop(self._finish, self._sequence, bool(self._calls))
        out.append({"type": "message_delta", "delta": delta, "usage": messages_usage(self._usage)})
        out.append({"type": "message_stop"})
        return out

    def _said(self, delta: Any, out: list[Event]) -> None:
        if not isinstance(delta, dict):
            return
        thoughts = reasoning(delta)
        if thoughts and self._thinking:
            self._open("thinking", {"thinking": "", "signature": ""}, out)
            self._add({"type": "thinking_delta", "thinking": thoughts}, out)
        words = text(delta.get("content")) or text(delta.get("refusal"))
        if words:
            self._open("text", {"text": ""}, out)
            self._add({"type": "text_delta", "text": words}, out)
        calls = delta.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict):
                self._called(call, out)

    def _called(self, call: dict[str, Any], out: list[Event]) -> None:
        number = call.get("index")
        number = number if isinstance(number, int) else 0
        function = call.get("function")
        function = function if isinstance(function, dict) else {}
        if number not in self._calls:
            self._close(out)
            self._open("tool_use", {"id": text(call.get("id")), "name": text(function.get("name")), "input": {}}, out)
            self._calls.add(number)
            self._call = number
        more = text(function.get("arguments"))
        if more:
            if self._block != "tool_use" or self._call != number:
                raise OutOfOrderError
            self._add({"type": "input_json_delta", "partial_json": more}, out)

    def _open(self, kind: str, fields: dict[str, Any], out: list[Event]) -> None:
        if self._block == kind:
            return
        self._close(out)
        self._block = kind
        self._index += 1
        block = {"type": kind, **fields}
        out.append({"type": "content_block_start", "index": self._index, "content_block": block})

    def _add(self, delta: dict[str, Any], out: list[Event]) -> None:
        out.append({"type": "content_block_delta", "index": self._index, "delta": delta})

    def _close(self, out: list[Event]) -> None:
        if self._block:
            self._block = ""
            out.append({"type": "content_block_stop", "index": self._index})


def _start(chunk: dict[str, Any]) -> Event:
    """The counts of the prompt come with the end: a chat tells them last."""
    message: dict[str, Any] = {
        "id": text(chunk.get("id")),
        "type": "message",
        "role": "assistant",
        "model": text(chunk.get("model")),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": messages_usage(chunk.get("usage")),
    }
    return {"type": "message_start", "message": message}
