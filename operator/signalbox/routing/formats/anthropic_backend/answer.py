"""A message as a chat completion, and an error of the Messages API as one of the chat."""

from typing import Any, Final

import msgspec

from signalbox.routing.formats.stopping import finish_reason
from signalbox.routing.formats.texts import text
from signalbox.routing.formats.usage import chat_usage

_encode = msgspec.json.Encoder().encode

_TYPES: Final = {
    "request_too_large": "invalid_request_error",
    "not_found_error": "invalid_request_error",
    "overloaded_error": "server_error",
    "api_error": "server_error",
    "timeout_error": "server_error",
}
_TOO_LONG: Final = "prompt is too long"


def translate(message: dict[str, Any], created: int) -> dict[str, Any] | None:
    """The chat completion, ``created`` at that Unix time; None where it is no message."""
    content = message.get("content")
    if message.get("type") != "message" or not isinstance(content, list):
        return None
    blocks = [block for block in content if isinstance(block, dict)]
    said: dict[str, Any] = {"role": "assistant", "content": _joined(blocks, "text"), "refusal": None}
    thoughts = _joined(blocks, "thinking")
    if thoughts:
        said["reasoning_content"] = thoughts
    calls = [_call(block) for block in blocks if block.get("type") == "tool_use"]
    if calls:
        said["tool_calls"] = calls
    choice: dict[str, Any] = {
        "index": 0,
        "message": said,
        "logprobs": None,
        "finish_reason": finish_reason(message.get("stop_reason")),
    }
    if isinstance(message.get("stop_sequence"), str):
        choice["stop_reason"] = message["stop_sequence"]
    return {
        "id": text(message.get("id")),
        "object": "chat.completion",
        "created": created,
        "model": text(message.get("model")),
        "choices": [choice],
        "usage": chat_usage(message.get("usage")),
    }


def _joined(blocks: list[dict[str, Any]], kind: str) -> str | None:
    texts = [said for block in blocks if block.get("type") == kind and isinstance(said := block.get(kind), str)]
    return "".join(texts) if texts else None


def _call(block: dict[str, Any]) -> dict[str, Any]:
    function = {"name": text(block.get("name")), "arguments": _encode(block.get("input") or {}).decode()}
    return {"id": text(block.get("id")), "type": "function", "function": function}


def error(body: object) -> dict[str, Any] | None:
    """The value of ``error`` in the chat's form; None where the body is no error of the Messages API."""
    found = body.get("error") if isinstance(body, dict) else None
    if not isinstance(found, dict) or not isinstance(found.get("type"), str):
        return None
    kind, message = found["type"], text(found.get("message")) or "The request failed."
    code = "context_length_exceeded" if _TOO_LONG in message.lower() else kind
    return {"message": message, "type": _TYPES.get(kind, kind), "param": None, "code": code}
