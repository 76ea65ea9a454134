"""What the router reads of a unary answer: usage, id, and an error inside a 200."""

from typing import Any, NamedTuple

import msgspec

from signalbox.router.wire import usage
from signalbox.router.wire.answer_fields import ABSENT, decode
from signalbox.routing.untrusted import has_too_many, value_of


class Answer(NamedTuple):
    """``error`` is set where the answer is one in spite of its status."""

    usage: usage.Usage | None
    error: Any
    id: str | None


def read(body: bytes) -> Answer | None:
    """Read an answer; whatever is not of the known form has neither usage nor error. None: it is no object, or holds
    too many values."""
    if has_too_many(body):
        return None
    try:
        fields = decode(body)
        if not body.isascii():
            body.decode()  # what is skipped above is not looked at
        unlike = fields.object == "error"
    except msgspec.ValidationError:
        unlike = True
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if unlike:
        return _read_any(body)
    found = None
    if fields.usage is not None:
        seen = fields.usage
        details = seen.prompt_tokens_details or seen.input_tokens_details
        prompt = seen.prompt_tokens or seen.input_tokens or 0
        cached = (details.cached_tokens or 0) if details else 0
        if seen.cache_read_input_tokens is not None:  # of a message: see ``usage.of``
            cached = seen.cache_read_input_tokens
            prompt += cached + (seen.cache_creation_input_tokens or 0)
        found = usage.Usage(prompt, cached, seen.completion_tokens or seen.output_tokens or 0)
    error = fields.error if fields.choices is ABSENT and fields.error else None
    return Answer(found, error, fields.id)


def _read_any(body: bytes) -> Answer | None:
    """An answer whose fields are of other types than documented: each is read for itself."""
    value = value_of(body)
    if not isinstance(value, dict):
        return None
    failed = "choices" not in value and (value.get("error") or value.get("object") == "error")
    name = value.get("id")
    return Answer(
        usage.of(value.get("usage")),
        (value.get("error") or value) if failed else None,
        name if isinstance(name, str) else None,
    )
