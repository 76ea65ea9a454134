"""The texts inside a request body, format by format. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from signalbox.sim.errors import RequestError


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request says: ``system`` are its instructions, ``user`` its last user message, ``text`` all of it."""

    model: str
    stream: bool
    system: str
    user: str
    text: str


def asked(operation: str, body: dict[str, Any], model: str) -> Asked:
    """The texts of a body that may be wrong in any way; ``model`` is the one meant where none is named."""
    turns = list(_turns(operation, body))
    return Asked(
        model=str(body.get("model") or model),
        stream=bool(body.get("stream")),
        system="\n".join(text for role, text in turns if role in {"system", "developer"}),
        user=next((text for role, text in reversed(turns) if role == "user"), ""),
        text="\n".join(text for _, text in turns),
    )


def _turns(operation: str, body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Role and text of each message."""
    if body.get("instructions"):
        yield "system", str(body["instructions"])
    items = body.get({"chat": "messages", "completions": "prompt"}.get(operation, "input"))
    for item in items if isinstance(items, list) else [items]:
        if isinstance(item, dict):
            yield str(item.get("role", "")), content_of(item)
        elif isinstance(item, str):
            yield "user", item


def last_user_text(operation: str, body: dict[str, Any]) -> str:
    """The text of the last message, if it is the user's."""
    items = body.get("messages") if operation == "chat" else body.get("input")
    if isinstance(items, list):
        last = items[-1]
        return content_of(last) if isinstance(last, dict) and last.get("role") == "user" else ""
    return str(items or "")


def _chat_prompts(body: dict[str, Any]) -> tuple[list[bytes | int], str]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise RequestError("messages must be a list with at least one message", param="messages")
    return ["\n".join(content_of(message) for message in messages).encode(errors="replace")], "chatcmpl-"


def _completion_prompts(body: dict[str, Any]) -> tuple[list[bytes | int], str]:
    return _texts(body.get("prompt"), "prompt"), "cmpl-"


def _embedding_prompts(body: dict[str, Any]) -> tuple[list[bytes | int], str]:
    return _texts(body.get("input"), "input"), "embd-"


def _response_prompts(body: dict[str, Any]) -> tuple[list[bytes | int], str]:
    content = body.get("input")
    if not isinstance(content, str | list) or not content:
        raise RequestError("input must be a text or a list of items", param="input")
    parts = [content] if isinstance(content, str) else [content_of(item) for item in content]
    text = "\n".join(filter(None, [str(body.get("instructions") or ""), *parts]))
    return [text.encode(errors="replace")], "resp_"


PROMPTS = {
    "chat": _chat_prompts,
    "completions": _completion_prompts,
    "embeddings": _embedding_prompts,
    "responses": _response_prompts,
}


def _texts(value: object, param: str) -> list[bytes | int]:
    """A prompt may be a text, a list of texts, a list of token numbers, or a list of such lists (given as counts)."""
    if isinstance(value, str):
        return [value.encode(errors="replace")]
    if isinstance(value, list) and value:
        if all(isinstance(item, str) for item in value):
            return [item.encode(errors="replace") for item in value]
        if all(isinstance(item, int) for item in value):
            return [len(value)]
        if all(isinstance(item, list) and item for item in value):
            return [len(item) for item in value]
    raise RequestError(f"{param} must be a text, a list of texts or token numbers", param=param)


def content_of(message: object) -> str:
    if not isinstance(message, dict):
        raise RequestError("every message must be an object", param="messages")
    content = message.get("content", message.get("output", ""))
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")
