"""A chat completion as a message."""

from typing import Any

from signalbox.routing.formats.stopping import stop
from signalbox.routing.formats.texts import text
from signalbox.routing.formats.usage import messages_usage
from signalbox.routing.untrusted import Texts


def translate(chat: dict[str, Any], *, thinking: bool) -> dict[str, Any] | None:
    """The message; None where it is no chat completion. ``thinking``: the client reads it, others would take it for the
    answer."""
    choices = chat.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    said = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(said, dict):
        return None
    content: list[dict[str, Any]] = []
    thoughts = reasoning(said)
    if thinking and thoughts:
        content.append({"type": "thinking", "thinking": thoughts, "signature": ""})
    words = text(said.get("content")) or text(said.get("refusal"))
    if words:
        content.append({"type": "text", "text": words})
    calls = said.get("tool_calls")
    texts = Texts()
    blocks = [_call(call, texts) for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
    return {
        "id": text(chat.get("id")),
        "type": "message",
        "role": "assistant",
        "model": text(chat.get("model")),
        "content": content + blocks,
        **stop(choice.get("finish_reason"), choice.get("stop_reason"), bool(blocks)),
        "usage": messages_usage(chat.get("usage")),
    }


def reasoning(said: dict[str, Any]) -> str:
    """What an engine shows of its thoughts, in either of the two names that are used."""
    found = said.get("reasoning_content") or said.get("reasoning")
    return found if isinstance(found, str) else ""


def _call(call: dict[str, Any], texts: Texts) -> dict[str, Any]:
    function = call.get("function")
    function = function if isinstance(function, dict) else {}
    given = _arguments(function.get("arguments"), texts)
    return {"type": "tool_use", "id": text(call.get("id")), "name": text(function.get("name")), "input": given}


def _arguments(given: Any, texts: Texts) -> dict[str, Any]:
    """The input of a call. Arguments that were cut off, or are none, are handed on as what they are."""
    found = texts.value_of(given or "{}") if isinstance(given, str) else given
    return found if isinstance(found, dict) else {"INVALID_JSON": given}
