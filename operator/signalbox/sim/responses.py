"""The Responses API on the wire: typed, numbered events instead of chunks."""

from typing import Any

import msgspec

from signalbox.sim.calls import Call
from signalbox.sim.engine import Sequence
from signalbox.sim.format import StreamFormat, cached_tokens, event, hidden_tokens, token_logprobs


class ResponsesFormat(StreamFormat):
    """``/v1/responses``: one answer, whose output items are a message, function calls or both."""

    def __init__(self, call: Call, name: str) -> None:
        super().__init__(call, name)
        self._answer = call.answers[0]
        self._number = 0
        self._status = "incomplete" if self._answer.finish == "length" else "completed"

    def unary(self, sequences: list[Sequence]) -> dict[str, Any]:
        return self._object(self._status, self._outputs(), sequences)

    def head(self) -> bytes:
        response = self._object("in_progress", [], None)
        return self._event("response.created", response=response) + self._event(
            "response.in_progress", response=response
        )

    def token(self, index: int, position: int, sequences: list[Sequence]) -> bytes:
        place, at = self._answer.place(position)
        part, item = self._answer.parts[place], self._item(place)
        token = part.tokens[at]
        events = b""
        if at == 0:
            output = self._output(place, None, "in_progress")
            events = self._event("response.output_item.added", output_index=place, item=output)
            if not part.tool:
                events += self._event("response.content_part.added", **self._place(place), part=self._part(place, ""))
        if part.tool:
            events += self._event(
                "response.function_call_arguments.delta", item_id=item, output_index=place, delta=token
            )
        else:
            logprobs = self._logprobs(range(position, position + 1))
            events += self._event("response.output_text.delta", **self._place(place), delta=token, logprobs=logprobs)
        return events + (self._closing(place) if at + 1 == len(part.tokens) else b"")

    def end(self, sequences: list[Sequence]) -> bytes:
        return self._event(f"response.{self._status}", response=self._object(self._status, self._outputs(), sequences))

    def _closing(self, place: int) -> bytes:
        """Events after the last token of an output item."""
        part, item = self._answer.parts[place], self._item(place)
        if part.tool:
            done = self._event(
                "response.function_call_arguments.done",
                item_id=item,
                output_index=place,
                name=part.tool,
                arguments=part.text,
            )
        else:
            whole = self._part(place, part.text)
            done = self._event(
                "response.output_text.done", **self._place(place), text=part.text, logprobs=whole["logprobs"]
            )
            done += self._event("response.content_part.done", **self._place(place), part=whole)
        output = self._output(place, part.text, self._status)
        return done + self._event("response.output_item.done", output_index=place, item=output)

    def error(self, body: bytes) -> bytes:
        """A named event, and no end mark: the API has none."""
        wrong = msgspec.json.decode(body)["error"]
        return self._event("error", code=str(wrong["code"]), message=wrong["message"], param=wrong["param"])

    def _event(self, kind: str, **fields: Any) -> bytes:
        made = event({"type": kind, "sequence_number": self._number, **fields}, kind)
        self._number += 1
        return made

    def _item(self, place: int) -> str:
        """The identity of an output item; the first has the response's."""
        kind = "fc_" if self._answer.parts[place].tool else "msg_"
        return kind + self.call.id.removeprefix("resp_") + (str(place) if place else "")

    def _place(self, place: int) -> dict[str, Any]:
        return {"item_id": self._item(place), "output_index": place, "content_index": 0}

    def _part(self, place: int, text: str) -> dict[str, Any]:
        start = sum(len(part.tokens) for part in self._answer.parts[:place])
        positions = range(start, start + len(self._answer.parts[place].tokens) if text else start)
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": self._logprobs(positions)}

    def _outputs(self) -> list[dict[str, Any]]:
        """The output items, whole."""
        return [self._output(place, part.text, self._status) for place, part in enumerate(self._answer.parts)]

    def _output(self, place: int, text: str | None, status: str) -> dict[str, Any]:
        """An output item; without text it has only begun."""
        item, tool = self._item(place), self._answer.parts[place].tool
        if tool:
            return {
                "type": "function_call",
                "id": item,
                "call_id": f"call_{item[-16:]}",
                "name": tool,
                "arguments": text or "",
                "status": status,
            }
        content = [] if text is None else [self._part(place, text)]
        return {"type": "message", "id": item, "role": "assistant", "status": status, "content": content}

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
            "output_tokens_details": {"reasoning_tokens": hidden_tokens(self.call, sequences)},
            "total_tokens": self.call.prompt_tokens + output,
        }

    def _logprobs(self, positions: range) -> list[dict[str, Any]]:
        top = self.call.top_logprobs
        return [] if top is None else token_logprobs(self._answer, positions, top)
