"""Text completions on the wire."""

from typing import Any

from signalbox.sim.engine import Sequence
from signalbox.sim.format import DONE, StreamFormat, all_of, event, usage
from signalbox.sim.text import Answer


class CompletionsFormat(StreamFormat):
    """``/v1/completions``: one choice per prompt and ``n``."""

    def unary(self, sequences: list[Sequence]) -> dict[str, Any]:
        choices = [
            self._choice(index, answer.text, self._logprobs(answer, all_of(answer)), answer.finish)
            for index, answer in enumerate(self.call.answers)
        ]
        return self._object(choices) | {"usage": usage(self.call, sequences)}

    def token(self, index: int, position: int, sequences: list[Sequence]) -> bytes:
        answer = self.call.answers[index]
        part, at = answer.place(position)
        reason = answer.finish if answer.hidden + position + 1 == answer.length else None
        logprobs = self._logprobs(answer, range(position, position + 1))
        chunk = self._object([self._choice(index, answer.parts[part].tokens[at], logprobs, reason)])
        if self.call.usage_in_every_chunk:
            chunk["usage"] = usage(self.call, sequences)
        return event(chunk)

    def end(self, sequences: list[Sequence]) -> bytes:
        if not self.call.include_usage:
            return DONE
        return event(self._object([]) | {"usage": usage(self.call, sequences)}) + DONE

    def _choice(self, index: int, text: str, logprobs: Any, reason: str | None) -> dict[str, Any]:
        return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": reason, "stop_reason": None}

    def _object(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self.call.id,
            "object": "text_completion",
            "created": self.call.created,
            "model": self.call.model,
            "choices": choices,
            "system_fingerprint": self.name,
        }

    def _logprobs(self, answer: Answer, positions: range) -> dict[str, Any] | None:
        top = self.call.top_logprobs
        if top is None:
            return None
        tokens = answer.tokens
        return {
            "tokens": [tokens[at] for at in positions],
            "token_logprobs": [answer.logprob(at) for at in positions],
            "top_logprobs": [dict(answer.top(at, max(1, top))) for at in positions],
            "text_offset": [sum(map(len, tokens[:at])) for at in positions],
        }
