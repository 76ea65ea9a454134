"""What all formats share: how one call is answered on the wire."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import msgspec

from signalbox.sim import errors
from signalbox.sim.calls import Call
from signalbox.sim.engine import Sequence
from signalbox.sim.text import Answer

DONE = b"data: [DONE]\n\n"
_encode = msgspec.json.encode


class Format(ABC):
    """Writes the answer to one call; ``name`` is the engine's. Sequences are in the order of the call's answers."""

    def __init__(self, call: Call, name: str) -> None:
        self.call, self.name = call, name

    @classmethod
    def understand(cls, operation: str, body: dict[str, Any], headers: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
        """The operation and the body as the engine itself knows them. Raises ``RequestError``."""
        return operation, body

    @classmethod
    def key(cls, headers: Mapping[str, str]) -> str:
        """The API key that a request brings; empty without one."""
        return headers.get("Authorization", "").removeprefix("Bearer ")

    @classmethod
    def wrong(cls, status: int, message: str = "", param: str | None = None, code: str | None = None) -> bytes:
        """The JSON of an error."""
        return errors.body(status, message, param, code)

    @classmethod
    def unauthorized(cls) -> bytes:
        """What vLLM answers to a key that it does not know."""
        return b'{"error":"Unauthorized"}'

    @abstractmethod
    def unary(self, sequences: list[Sequence]) -> dict[str, Any]:
        """The body without streaming."""


class StreamFormat(Format):
    """Writes the server-sent events of one call, too."""

    def head(self) -> bytes:
        """Events that come before the engine has begun: none, for most formats."""
        return b""

    @abstractmethod
    def token(self, index: int, position: int, sequences: list[Sequence]) -> bytes:
        """Events for one visible token of answer ``index``; the tokens of an answer come in order."""

    @abstractmethod
    def end(self, sequences: list[Sequence]) -> bytes:
        """Events after the last token."""

    def error(self, body: bytes) -> bytes:
        """An error inside the stream and its end, in vLLM's way: an unnamed event, then the end mark."""
        return b"data: " + body + b"\n\n" + DONE


def event(value: object, name: str = "") -> bytes:
    """One server-sent event with JSON data, unnamed unless ``name`` is given."""
    data = b"data: " + _encode(value) + b"\n\n"
    return b"event: " + name.encode() + b"\n" + data if name else data


def usage(call: Call, sequences: list[Sequence]) -> dict[str, Any]:
    """Token counts so far, cached prompt tokens told apart; the choices of one prompt share its cost."""
    output = sum(s.produced for s in sequences)
    counts: dict[str, Any] = {
        "prompt_tokens": call.prompt_tokens,
        "total_tokens": call.prompt_tokens + output,
        "completion_tokens": output,
        "prompt_tokens_details": {"cached_tokens": cached_tokens(call, sequences)},
    }
    if hidden := hidden_tokens(call, sequences):
        counts["completion_tokens_details"] = {"reasoning_tokens": hidden}
    return counts


def hidden_tokens(call: Call, sequences: list[Sequence]) -> int:
    """Output tokens so far that nobody sees."""
    return sum(min(s.produced, answer.hidden) for s, answer in zip(sequences, call.answers, strict=True))


def cached_tokens(call: Call, sequences: list[Sequence]) -> int:
    """Prompt tokens that came from the prefix cache, each prompt counted once."""
    return sum(s.cached for s in sequences[:: call.choices_per_prompt])


def token_logprobs(answer: Answer, positions: range, top: int) -> list[dict[str, Any]]:
    """Entries of ``logprobs.content`` for some tokens, with so many alternatives each."""
    entries = []
    for position in positions:
        part, at = answer.place(position)
        entry = _alternative(answer.parts[part].tokens[at], answer.logprob(position))
        entry["top_logprobs"] = [_alternative(*other) for other in answer.top(position, top)]
        entries.append(entry)
    return entries


def all_of(answer: Answer) -> range:
    """The positions of all its visible tokens."""
    return range(answer.length - answer.hidden)


def _alternative(token: str, value: float) -> dict[str, Any]:
    return {"token": token, "logprob": value, "bytes": list(token.encode())}
