"""Chat completions on the wire: the unary body, and the chunks of a stream."""

from typing import Any

import msgspec

from signalbox.sim.calls import Call
from signalbox.sim.engine import Sequence
from signalbox.sim.text import log_probability

DONE = b"data: [DONE]\n\n"
_encode = msgspec.json.encode


def event(value: object) -> bytes:
    """One server-sent event with JSON data."""
    return b"data: " + _encode(value) + b"\n\n"


def usage(call: Call, sequences: list[Sequence]) -> dict[str, Any]:
    """Token counts so far, cached prompt tokens told apart; the choices of one prompt share its cost."""
    output = sum(s.produced for s in sequences)
    return {
        "prompt_tokens": call.prompt_tokens,
        "total_tokens": call.prompt_tokens + output,
        "completion_tokens": output,
        "prompt_tokens_details": {"cached_tokens": sum(s.cached for s in sequences[:: call.choices_per_prompt])},
    }


class ChatFormat:
    """Writes one call; ``name`` goes into ``system_fingerprint`` to tell engines apart."""

    def __init__(self, call: Call, name: str) -> None:
        self._call, self._name = call, name

    def unary(self, sequences: list[Sequence]) -> dict[str, Any]:
        """The body of the response without streaming."""
        call = self._call
        choices = []
        for index, answer in enumerate(call.answers):
            message: dict[str, Any] = {"role": "assistant", "content": answer.text, "tool_calls": []}
            if answer.tool:
                message |= {"content": None, "tool_calls": [self._tool_call(index, answer.text)]}
            tokens = None if call.top_logprobs is None else {"content": self._logprobs(answer.tokens, 0)}
            choices.append({"index": index, "message": message, "logprobs": tokens, "finish_reason": answer.finish})
        return self._object("chat.completion", choices) | {"usage": usage(call, sequences)}

    def head(self) -> bytes:
        """What is sent before the engine has begun: nothing but the status."""
        return b""

    def token(self, index: int, position: int, sequences: list[Sequence]) -> bytes:
        """The chunks for one token; the first token is preceded by the role, the last carries the reason."""
        call, answer = self._call, self._call.answers[index]
        token = answer.tokens[position]
        chunks = b""
        if position == 0:
            chunks = self._chunk(index, {"role": "assistant", "content": ""}, None, None, sequences)
        delta: dict[str, Any] = {"content": token}
        if answer.tool and position == 0:
            delta = {"tool_calls": [self._tool_call(index, token)]}
        elif answer.tool:
            delta = {"tool_calls": [{"index": 0, "function": {"arguments": token}}]}
        logprobs = None if call.top_logprobs is None else {"content": self._logprobs((token,), position)}
        reason = answer.finish if position + 1 == len(answer.tokens) else None
        return chunks + self._chunk(index, delta, logprobs, reason, sequences)

    def end(self, sequences: list[Sequence]) -> bytes:
        """What follows the last token: the usage if it was asked for, and the end mark."""
        if not self._call.include_usage:
            return DONE
        return event(self._object("chat.completion.chunk", []) | {"usage": usage(self._call, sequences)}) + DONE

    def error(self, body: bytes) -> bytes:
        """An error inside a stream, with the end mark, as vLLM sends it."""
        return b"data: " + body + b"\n\n" + DONE

    def _chunk(self, index: int, delta: Any, logprobs: Any, reason: str | None, sequences: list[Sequence]) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        chunk = self._object("chat.completion.chunk", [choice])
        if self._call.usage_in_every_chunk:
            chunk["usage"] = usage(self._call, sequences)
        return event(chunk)

    def _object(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        call = self._call
        return {
            "id": call.id,
            "object": kind,
            "created": call.created,
            "model": call.model,
            "choices": choices,
            "system_fingerprint": self._name,
        }

    def _tool_call(self, index: int, arguments: str) -> dict[str, Any]:
        function = {"name": self._call.answers[index].tool, "arguments": arguments}
        return {"id": f"call_{self._call.id[-16:]}{index}", "type": "function", "index": 0, "function": function}

    def _logprobs(self, tokens: tuple[str, ...], start: int) -> list[dict[str, Any]]:
        return [token_logprob(t, start + i, self._call.top_logprobs or 0) for i, t in enumerate(tokens)]


def token_logprob(token: str, position: int, top: int) -> dict[str, Any]:
    """One entry of ``logprobs.content``; the alternatives are less likely by a fixed step each."""
    value = log_probability(token, position)
    others = [
        {"token": token + "~" * i, "logprob": value - 1.5 * i, "bytes": list((token + "~" * i).encode())}
        for i in range(top)
    ]
    return {"token": token, "logprob": value, "bytes": list(token.encode()), "top_logprobs": others}
