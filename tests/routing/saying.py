"""Answers for tests of what strategies decide."""

from collections.abc import Mapping
from typing import Any

import msgspec

from signalbox.routing.chains.answers import Answer


def body(text: str | None = "hello", **message: Any) -> bytes:
    """A chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": "stop"}
    return msgspec.json.encode({"choices": [choice]})


def answer(text: str | None = "hello", *, asked: Mapping[str, Any] | None = None, **message: Any) -> Answer:
    """The same, read."""
    return Answer(body(text, **message), dict(asked or {}))


def calling(name: str, arguments: str) -> dict[str, Any]:
    """The field of a message that calls a tool."""
    return {"tool_calls": [{"id": "c", "type": "function", "function": {"name": name, "arguments": arguments}}]}
