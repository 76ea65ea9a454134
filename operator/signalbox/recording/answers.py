"""What is written down of an answer, and whether it is right. Pure."""

import re
from typing import Any, Final

import msgspec

from signalbox.routing.chains.answers import Answer
from signalbox.routing.chains.equality import last_number, normalized

_NUMBER: Final = re.compile(r"\W*[-+−]?\d[\d.,]*(?:[eE][-+]?\d+)?\W*")


def recorded(content: bytes, asked: dict[str, Any], seconds: float, expected: str) -> dict[str, Any] | None:
    """Of the body of a chat's answer; None where it is none. ``expected`` is the right answer, empty where nobody knows
    it: then the user says what is correct."""
    answer = Answer(content, asked)
    if not answer.made:
        return None
    value = msgspec.json.decode(content)
    usage = value.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    message = value["choices"][0].get("message")
    calls = message.get("tool_calls") if isinstance(message, dict) else None
    said = {
        "text": answer.text,
        "logprobs": [min(0.0, each) for each in answer.logprobs],
        "correct": is_right(answer.text, expected) if expected else None,
        "inputTokens": _count(usage.get("prompt_tokens")),
        "outputTokens": _count(usage.get("completion_tokens")),
        "latencyMs": round(seconds * 1000, 1),
        "finishReason": answer.finish_reason or None,
        "toolCalls": [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else [],
    }
    return {name: each for name, each in said.items() if each is not None and (each != [] or name == "text")}


def is_right(text: str, expected: str) -> bool:
    """Whether an answer is the expected one: a number is looked for at the end of the text, a text is compared without
    case, white space and punctuation."""
    if _NUMBER.fullmatch(expected):
        found = last_number(text)
        return found is not None and found == last_number(expected)
    return text == expected or normalized(text) == normalized(expected)


def _count(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None
