"""Text completions on the wire."""

from typing import Any

from signalbox.sim.engine import Sequence
from signalbox.sim.format import DONE, StreamFormat, event, usage
from signalbox.sim.text import log_probability


class CompletionsFormat(StreamFormat):
    """``/v1/completions``: one choice per prompt and ``n``."""

    def unary(self, sequences: list[Sequence]) -> dict[str, Any]:
        choices = [
            self._choice(index, answer.text, self._logprobs(answer.tokens, 0, 0), answer.finish)
            for index, answer in enumerate(self.call.answers)
        ]
        return self._object(choices) | {"usage": usage(self.call, sequences)}

    def token(self, index: int, position: int, sequences: list[Sequence]) -> bytes:
        tokens = self.call.answers[index].tokens
        reason = self.call.answers[index].finish if position + 1 == len(tokens) else None
        offset = sum(map(len, tokens[:position])) if self.call.top_logprobs is not None else 0
        token = tokens[position]
        chunk = self._object([self._choice(index, token, self._logprobs((token,), position, offset), reason)])
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

    def _logprobs(self, tokens: tuple[str, ...], start: int, offset: int) -> dict[str, Any] | None:
        top = self.call.top_logprobs
        if top is None:
            return None
        values = [log_probability(token, start + i) for i, token in enumerate(tokens)]
        offsets = []
        for token in tokens:
            offsets.append(offset)
            offset += len(token)
        others = [
            {token + "~" * rank: value - 1.5 * rank for rank in range(max(1, top))}
            for token, value in zip(tokens, values, strict=True)
        ]
        return {"tokens": list(tokens), "token_logprobs": values, "top_logprobs": others, "text_offset": offsets}
