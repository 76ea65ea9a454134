"""The fields that are read of a unary answer."""

from typing import Annotated, Any

import msgspec

from signalbox.router.wire.usage import MAX_TOKENS

Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_TOKENS)] | None


class Details(msgspec.Struct):
    """Of the tokens of a prompt."""

    cached_tokens: Count = None


class Usage(msgspec.Struct):
    """Tokens, by the names of either API."""

    prompt_tokens: Count = None
    input_tokens: Count = None
    cache_creation_input_tokens: Count = None
    cache_read_input_tokens: Count = None
    completion_tokens: Count = None
    output_tokens: Count = None
    prompt_tokens_details: Details | None = None
    input_tokens_details: Details | None = None


ABSENT = msgspec.Raw()


class Fields(msgspec.Struct):
    """Of an answer; ``choices`` are passed over."""

    id: str | None = None
    usage: Usage | None = None
    error: Any = None
    object: str | None = None
    choices: msgspec.Raw = ABSENT


decode = msgspec.json.Decoder(Fields).decode
