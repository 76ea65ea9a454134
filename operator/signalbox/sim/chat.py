"""Chat completions on the wire: the unary body, and the chunks of a stream."""

from typing import Any

from signalbox.sim.engine import Sequence
from signalbox.sim.format import DONE, StreamFormat, event, token_logprob, usage


class ChatFormat(StreamFormat):
    """``/v1/chat/completions``; the engine's name goes into ``system_fingerprint`` to tell engines apart."""

    def unary(self, sequences: list[Sequence]) -> dict[str, Any]:
        choices = []
        for index, answer in enumerate(self.call.answers):
            message: dict[str, Any] = {"role": "assistant", "content": answer.text, "tool_calls": []}
            if answer.tool:
                message |= {"content": None, "tool_calls": [self._tool_call(index, answer.text)]}
            tokens = self._logprobs(answer.tokens, 0)
            choices.append({"index": index, "message": message, "logprobs": tokens, "finish_reason": answer.finish})
        return self._object("chat.completion", choices) | {"usage": usage(self.call, sequences)}

    def token(self, index: int, position: int, sequences: list[Sequence]) -> bytes:
        answer = self.call.answers[index]
        token = answer.tokens[position]
        role = b""
        if position == 0:
            role = self._chunk(index, {"role": "assistant", "content": ""}, None, None, sequences)
        delta: dict[str, Any] = {"content": token}
        if answer.tool and position == 0:
            delta = {"tool_calls": [self._tool_call(index, token)]}
        elif answer.tool:
            delta = {"tool_calls": [{"index": 0, "function": {"arguments": token}}]}
        reason = answer.finish if position + 1 == len(answer.tokens) else None
        return role + self._chunk(index, delta, self._logprobs((token,), position), reason, sequences)

    def end(self, sequences: list[Sequence]) -> bytes:
        if not self.call.include_usage:
            return DONE
        return event(self._object("chat.completion.chunk", []) | {"usage": usage(self.call, sequences)}) + DONE

    def _chunk(self, index: int, delta: Any, logprobs: Any, reason: str | None, sequences: list[Sequence]) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        chunk = self._object("chat.completion.chunk", [choice])
        if self.call.usage_in_every_chunk:
            chunk["usage"] = usage(self.call, sequences)
        return event(chunk)

    def _object(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self.call.id,
            "object": kind,
            "created": self.call.created,
            "model": self.call.model,
            "choices": choices,
            "system_fingerprint": self.name,
        }

    def _tool_call(self, index: int, arguments: str) -> dict[str, Any]:
        function = {"name": self.call.answers[index].tool, "arguments": arguments}
        return {"id": f"call_{self.call.id[-16:]}{index}", "type": "function", "index": 0, "function": function}

    def _logprobs(self, tokens: tuple[str, ...], start: int) -> dict[str, Any] | None:
        top = self.call.top_logprobs
        if top is None:
            return None
        return {"content": [token_logprob(token, start + i, top) for i, token in enumerate(tokens)]}
