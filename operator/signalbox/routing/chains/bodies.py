"""What models are asked on the way to an answer, and how that is sent on: bodies in, bodies and events out."""

import time
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from signalbox.routing.untrusted import value_of

SAMPLE_TEMPERATURE: Final = 0.7
"""At least: a model that is asked again must be able to say something else."""

_encode = msgspec.json.Encoder().encode


def unary(asked: dict[str, Any]) -> dict[str, Any]:
    """The client's request, for an answer that is looked at before it is sent on."""
    return {name: value for name, value in asked.items() if name not in {"stream", "stream_options", "n", "best_of"}}


def with_logprobs(operation: str, asked: dict[str, Any]) -> dict[str, Any]:
    """The same, with log-probabilities asked for."""
    given = asked.get("logprobs")
    if operation == "completions":
        return {**asked, "logprobs": given if type(given) is int and given > 0 else 1}
    return {**asked, "logprobs": True}


def sample(asked: dict[str, Any], number: int) -> dict[str, Any]:
    """One of several requests for the same. A seed would make all of them one."""
    given = asked.get("temperature")
    temperature = max(SAMPLE_TEMPERATURE, given) if isinstance(given, int | float) else SAMPLE_TEMPERATURE
    seed = asked.get("seed")
    seeded = {"seed": seed + number} if type(seed) is int else {}
    return {**asked, "temperature": temperature, **seeded}


def asks_logprobs(asked: dict[str, Any]) -> bool:
    """Whether the client itself wants log-probabilities."""
    value = asked.get("logprobs")
    return value is not None and value is not False


def without_logprobs(content: bytes) -> bytes:
    """An answer without what only we wanted to see."""
    value = _read(content)
    if value is None:
        return content
    for choice in value["choices"]:
        if isinstance(choice, dict):
            choice.pop("logprobs", None)
    return _encode(value)


def events(operation: str, content: bytes, *, with_usage: bool) -> bytes | None:
    """A whole answer as the stream that it would have been; None where it is no answer of the operation."""
    value = _read(content)
    if value is None:
        return None
    return b"".join(b"data: %b\n\n" % _encode(chunk) for chunk in _chunks(operation, value, with_usage)) + (
        b"data: [DONE]\n\n"
    )


def _chunks(operation: str, value: dict[str, Any], with_usage: bool) -> Iterator[dict[str, Any]]:
    chat = operation == "chat"
    common = {
        "id": value.get("id") or "chatcmpl-signalbox",
        "object": "chat.completion.chunk" if chat else "text_completion",
        "created": value.get("created") or int(time.time()),
        "model": value.get("model") or "",
        **{name: value[name] for name in ("system_fingerprint", "service_tier") if value.get(name) is not None},
    }
    usage = {"usage": None} if with_usage else {}
    for choice in value["choices"]:
        if isinstance(choice, dict):
            for part in _chat_parts(choice) if chat else _text_parts(choice):
                yield {**common, "choices": [{"index": choice.get("index", 0), **part}], **usage}
    if with_usage:
        yield {**common, "choices": [], "usage": value.get("usage")}


def _chat_parts(choice: dict[str, Any]) -> Iterator[dict[str, Any]]:
    message = choice.get("message")
    message = dict(message) if isinstance(message, dict) else {}
    role, calls = message.pop("role", None) or "assistant", message.pop("tool_calls", None)
    logprobs = {} if choice.get("logprobs") is None else {"logprobs": choice["logprobs"]}
    yield {"delta": {"role": role, "content": ""}, "finish_reason": None}
    said = {name: each for name, each in message.items() if each is not None and each not in ("", [])}
    if said:
        yield {"delta": said, "finish_reason": None, **logprobs}
    for number, call in enumerate(calls if isinstance(calls, list) else []):
        if isinstance(call, dict):
            yield {"delta": {"tool_calls": [{**call, "index": number}]}, "finish_reason": None}
    yield {"delta": {}, "finish_reason": choice.get("finish_reason") or "stop"}


def _text_parts(choice: dict[str, Any]) -> Iterator[dict[str, Any]]:
    logprobs = choice.get("logprobs")
    yield {"text": choice.get("text") or "", "logprobs": logprobs, "finish_reason": None}
    yield {"text": "", "logprobs": None, "finish_reason": choice.get("finish_reason") or "stop"}


def _read(content: bytes) -> dict[str, Any] | None:
    value = value_of(content)
    return value if isinstance(value, dict) and isinstance(value.get("choices"), list) else None
