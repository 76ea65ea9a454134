"""Chat completions on the wire: the unary body, and the chunks of a stream."""

from typing import Any

from signalbox.sim.engine import Sequence
from signalbox.sim.format import DONE, StreamFormat, all_of, event, token_logprobs, usage
from signalbox.sim.text import Answer


class ChatFormat(StreamFormat):
    """``/v1/chat/completions``; the engine's name goes into ``system_fingerprint`` to tell engines apart."""

    def unary(self, sequences: list[Sequence]) -> dict[str, Any]:
        choices = []
        for index, answer in enumerate(self.call.answers):
            calls = [self._tool_call(index, place, part.text) for place, part in enumerate(answer.parts) if part.tool]
            message = {"role": "assistant", "content": answer.text or (None if calls else ""), "tool_calls": calls}
            tokens = self._logprobs(answer, all_of(answer))
            choices.append({"index": index, "message": message, "logprobs": tokens, "finish_reason": answer.finish})
        return self._object("chat.completion", choices) | {"usage": usage(self.call, sequences)}

    def token(self, index: int, position: int, sequences: list[Sequence]) -> bytes:
        answer = self.call.answers[index]
        place, at = answer.place(position)
        part = answer.parts[place]
        role = b""
        if position == 0:
            role = self._chunk(index, {"role": "assistant", "content": ""}, None, None, sequences)
        delta: dict[str, Any] = {"content": part.tokens[at]}
        if part.tool and at == 0:
            delta = {"tool_calls": [self._tool_call(index, place, part.tokens[at])]}
        elif part.tool:
            number = self._number(index, place)
            delta = {"tool_calls": [{"index": number, "function": {"arguments": part.tokens[at]}}]}
        reason = answer.finish if answer.hidden + position + 1 == answer.length else None
        logprobs = self._logprobs(answer, range(position, position + 1))
        return role + self._chunk(index, delta, logprobs, reason, sequences)

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

    def _tool_call(self, index: int, place: int, arguments: str) -> dict[str, Any]:
        number = self._number(index, place)
        function = {"name": self.call.answers[index].parts[place].tool, "arguments": arguments}
        name = f"call_{self.call.id[-16:]}{index}{number}"
        return {"id": name, "type": "function", "index": number, "function": function}

    def _number(self, index: int, place: int) -> int:
        """Which of the answer's calls a part is."""
        return sum(1 for part in self.call.answers[index].parts[:place] if part.tool)

    def _logprobs(self, answer: Answer, positions: range) -> dict[str, Any] | None:
        top = self.call.top_logprobs
        return None if top is None else {"content": token_logprobs(answer, positions, top)}
