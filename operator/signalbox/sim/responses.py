"""The Responses API on the wire: typed, numbered events instead of chunks."""

from typing import Any

import msgspec

from signalbox.sim.calls import Call
from signalbox.sim.engine import Sequence
from signalbox.sim.format import StreamFormat, cached_tokens, event, token_logprob


class ResponsesFormat(StreamFormat):
    """``/v1/responses``: one answer, which is a message or a function call."""

    def __init__(self, call: Call, name: str) -> None:
        super().__init__(call, name)
        self._answer = call.answers[0]
        self._number = 0
        self._item = ("fc_" if self._answer.tool else "msg_") + call.id.removeprefix("resp_")

    def unary(self, sequences: list[Sequence]) -> dict[str, Any]:
        status = "incomplete" if self._answer.finish == "length" else "completed"
        return self._object(status, [self._output(self._answer.text, status)], sequences)

    def head(self) -> bytes:
        response = self._object("in_progress", [], None)
        return self._event("response.created", response=response) + self._event(
            "response.in_progress", response=response
        )

    def token(self, index: int, position: int, sequences: list[Sequence]) -> bytes:
        token = self._answer.tokens[position]
        opening = b""
        if position == 0:
            opening = self._event("response.output_item.added", output_index=0, item=self._output(None, "in_progress"))
            if not self._answer.tool:
                opening += self._event("response.content_part.added", **self._place(), part=self._part(""))
        if self._answer.tool:
            return opening + self._event(
                "response.function_call_arguments.delta", item_id=self._item, output_index=0, delta=token
            )
        logprobs = self._logprobs((token,), position)
        return opening + self._event("response.output_text.delta", **self._place(), delta=token, logprobs=logprobs)

    def end(self, sequences: list[Sequence]) -> bytes:
        text = self._answer.text
        status = "incomplete" if self._answer.finish == "length" else "completed"
        if self._answer.tool:
            closing = self._event(
                "response.function_call_arguments.done",
                item_id=self._item,
                output_index=0,
                name=self._answer.tool,
                arguments=text,
            )
        else:
            logprobs = self._logprobs(self._answer.tokens, 0)
            closing = self._event("response.output_text.done", **self._place(), text=text, logprobs=logprobs)
            closing += self._event("response.content_part.done", **self._place(), part=self._part(text))
        item = self._output(text, status)
        closing += self._event("response.output_item.done", output_index=0, item=item)
        return closing + self._event(f"response.{status}", response=self._object(status, [item], sequences))

    def error(self, body: bytes) -> bytes:
        """A named event, and no end mark: the API has none."""
        wrong = msgspec.json.decode(body)["error"]
        return self._event("error", code=str(wrong["code"]), message=wrong["message"], param=wrong["param"])

    def _event(self, kind: str, **fields: Any) -> bytes:
        made = event({"type": kind, "sequence_number": self._number, **fields}, kind)
        self._number += 1
        return made

    def _place(self) -> dict[str, Any]:
        return {"item_id": self._item, "output_index": 0, "content_index": 0}

    def _part(self, text: str) -> dict[str, Any]:
        tokens = self._answer.tokens if text else ()
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": self._logprobs(tokens, 0)}

    def _output(self, text: str | None, status: str) -> dict[str, Any]:
        """The output item; without text it has only begun."""
        if self._answer.tool:
            return {
                "type": "function_call",
                "id": self._item,
                "call_id": f"call_{self._item[-16:]}",
                "name": self._answer.tool,
                "arguments": text or "",
                "status": status,
            }
        content = [] if text is None else [self._part(text)]
        return {"type": "message", "id": self._item, "role": "assistant", "status": status, "content": content}

    def _object(self, status: str, output: list[Any], sequences: list[Sequence] | None) -> dict[str, Any]:
        body = self.call.body
        return {
            "id": self.call.id,
            "object": "response",
            "created_at": self.call.created,
            "status": status,
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
            "instructions": body.get("instructions"),
            "max_output_tokens": self.call.max_tokens,
            "metadata": body.get("metadata") or {},
            "model": self.call.model,
            "output": output,
            "parallel_tool_calls": True,
            "previous_response_id": body.get("previous_response_id"),
            "temperature": body.get("temperature", 1.0),
            "text": body.get("text") or {"format": {"type": "text"}},
            "tool_choice": body.get("tool_choice", "auto"),
            "tools": body.get("tools") or [],
            "top_p": body.get("top_p", 1.0),
            "user": body.get("user"),
            "usage": None if sequences is None else self._usage(sequences),
        }

    def _usage(self, sequences: list[Sequence]) -> dict[str, Any]:
        output = sum(s.produced for s in sequences)
        return {
            "input_tokens": self.call.prompt_tokens,
            "input_tokens_details": {"cached_tokens": cached_tokens(self.call, sequences)},
            "output_tokens": output,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": self.call.prompt_tokens + output,
        }

    def _logprobs(self, tokens: tuple[str, ...], start: int) -> list[dict[str, Any]]:
        top = self.call.top_logprobs
        return [] if top is None else [token_logprob(token, start + i, top) for i, token in enumerate(tokens)]
