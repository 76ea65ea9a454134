"""Anthropic's Messages on the wire: one message of blocks, and named events for each of them."""

from collections.abc import Mapping
from typing import Any

import msgspec

from signalbox.sim import errors
from signalbox.sim.engine import Sequence
from signalbox.sim.errors import RequestError
from signalbox.sim.format import StreamFormat, cached_tokens, event, hidden_tokens
from signalbox.sim.messages_request import as_chat
from signalbox.sim.text import Part

_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
_ERRORS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class MessagesFormat(StreamFormat):
    """``/v1/messages``: one answer. A block is open while its part of the answer comes."""

    @classmethod
    def understand(cls, operation: str, body: dict[str, Any], headers: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
        if "anthropic-version" not in headers:
            raise RequestError("anthropic-version: header is required")
        return "chat", as_chat(body)

    @classmethod
    def key(cls, headers: Mapping[str, str]) -> str:
        return headers.get("x-api-key") or super().key(headers)

    @classmethod
    def wrong(cls, status: int, message: str = "", param: str | None = None, code: str | None = None) -> bytes:
        if param == "input_tokens":
            message = f"prompt is too long: {message}"
        kind = code or _ERRORS.get(status, "api_error" if status >= 500 else "invalid_request_error")
        error = {"type": kind, "message": message or errors.phrase(status)}
        return msgspec.json.encode({"type": "error", "error": error, "request_id": None})

    @classmethod
    def unauthorized(cls) -> bytes:
        return cls.wrong(401, "invalid x-api-key")

    def unary(self, sequences: list[Sequence]) -> dict[str, Any]:
        answer = self.call.answers[0]
        blocks = [self._block(place, part, whole=True) for place, part in enumerate(answer.parts) if part.text]
        return self._message(blocks, _STOP_REASONS.get(answer.finish, "end_turn"), self._usage(sequences))

    def head(self) -> bytes:
        usage = {"input_tokens": self.call.prompt_tokens, "output_tokens": 0}
        return self._event("message_start", message=self._message([], None, usage)) + self._event("ping")

    def token(self, index: int, position: int, sequences: list[Sequence]) -> bytes:
        place, at = self.call.answers[0].place(position)
        part = self.call.answers[0].parts[place]
        out = b""
        if at == 0:
            block = self._block(place, part, whole=False)
            out = self._event("content_block_start", index=place, content_block=block)
        token = part.tokens[at]
        delta = (
            {"type": "input_json_delta", "partial_json": token} if part.tool else {"type": "text_delta", "text": token}
        )
        out += self._event("content_block_delta", index=place, delta=delta)
        if at + 1 == len(part.tokens):
            out += self._event("content_block_stop", index=place)
        return out

    def end(self, sequences: list[Sequence]) -> bytes:
        reason = _STOP_REASONS.get(self.call.answers[0].finish, "end_turn")
        delta = {"stop_reason": reason, "stop_sequence": None}
        return self._event("message_delta", delta=delta, usage=self._usage(sequences)) + self._event("message_stop")

    def error(self, body: bytes) -> bytes:
        """A named event, and no end mark: the API has none."""
        return b"event: error\ndata: " + body + b"\n\n"

    def _event(self, kind: str, **fields: Any) -> bytes:
        return event({"type": kind, **fields}, kind)

    def _message(self, content: list[Any], reason: str | None, usage: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": "msg_" + self.call.id.removeprefix("chatcmpl-"),
            "type": "message",
            "role": "assistant",
            "model": self.call.model,
            "content": content,
            "stop_reason": reason,
            "stop_sequence": None,
            "usage": usage,
        }

    def _block(self, place: int, part: Part, *, whole: bool) -> dict[str, Any]:
        if not part.tool:
            return {"type": "text", "text": part.text if whole else ""}
        given = _object(part.text) if whole else {}
        return {"type": "tool_use", "id": f"toolu_{self.call.id[-16:]}{place}", "name": part.tool, "input": given}

    def _usage(self, sequences: list[Sequence]) -> dict[str, Any]:
        cached = cached_tokens(self.call, sequences)
        return {
            "input_tokens": self.call.prompt_tokens - cached,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": cached,
            "output_tokens": sum(s.produced for s in sequences),
            "output_tokens_details": {"thinking_tokens": hidden_tokens(self.call, sequences)},
        }


def _object(text: str) -> Any:
    """The input of a call; arguments that were cut off are no JSON."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {}
