"""One answer of a model, as strategies see it: what it says, how it ends, how sure the model was of each token.

Bodies come from engines: whatever their shape, reading one never raises; what has a wrong type counts as absent.
"""

import math
from collections.abc import Hashable
from typing import Any, Final

import msgspec

from signalbox.routing import prompts
from signalbox.routing.chains import refusals, schema
from signalbox.routing.lazy import Lazy
from signalbox.routing.untrusted import Unreadable, decode, value_of

_INVALID: Final = object()


class Answer:
    """The first choice of a body; these are the facts of ``answer`` in expressions, too (``features.AnswerFacts``).

    ``asked`` is the body of the request, ``output_tokens`` what the engine counted.
    """

    def __init__(self, body: bytes, asked: dict[str, Any], output_tokens: int = 0) -> None:
        self._asked = asked
        self._output_tokens = output_tokens
        choice = _first_choice(body)
        self.made = bool(choice)  # whether there is an answer at all
        message = choice.get("message")
        self._choice = choice
        self._message: dict[str, Any] = message if isinstance(message, dict) else {"content": choice.get("text")}

    @Lazy
    def tools(self) -> tuple[tuple[str, str], ...]:
        """Name and arguments, as they came, of each tool that it calls."""
        calls = self._message.get("tool_calls")
        found = [call.get("function") for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
        found.append(self._message.get("function_call"))  # the older form
        return tuple((_text(f.get("name")), _text(f.get("arguments"))) for f in found if isinstance(f, dict))

    @Lazy
    def text(self) -> str:
        return "\n".join(prompts.contents(self._message.get("content"))) or _text(self._message.get("refusal"))

    @Lazy
    def chars(self) -> int:
        return len(self.text)

    @Lazy
    def words(self) -> int:
        return len(self.text.split())

    @Lazy
    def lines(self) -> int:
        return self.text.count("\n") + 1 if self.text else 0

    @Lazy
    def tokens(self) -> int:
        return self._output_tokens or prompts.estimate_tokens(self.text)

    @Lazy
    def finish_reason(self) -> str:
        return _text(self._choice.get("finish_reason"))

    @Lazy
    def refusal(self) -> bool:
        return bool(_text(self._message.get("refusal"))) or refusals.refuses(self.text)

    @Lazy
    def is_json(self) -> bool:
        return self._value is not _INVALID

    @Lazy
    def matches_schema(self) -> bool:
        demanded = prompts.response_format(self._asked)
        if demanded == "text":
            return True
        value = self._strict_value
        if demanded == "json_object":
            return isinstance(value, dict)
        return value is not _INVALID and schema.matches(value, prompts.json_schema(self._asked))

    @Lazy
    def tool_calls(self) -> int:
        return len(self.tools)

    @Lazy
    def logprobs(self) -> tuple[float, ...]:
        """Of its tokens, in order; empty where the engine did not say them."""
        found = self._choice.get("logprobs")
        if not isinstance(found, dict):
            return ()
        tokens, values = found.get("content"), found.get("token_logprobs")
        if isinstance(tokens, list):
            values = [token.get("logprob") for token in tokens if isinstance(token, dict)]
        if not isinstance(values, list):
            return ()
        return tuple(float(v) for v in values if isinstance(v, int | float) and not math.isnan(v))

    @Lazy
    def called(self) -> Hashable:
        """What it calls, for comparing: arguments are compared as JSON."""
        return tuple((name, _canonical(arguments)) for name, arguments in self.tools)

    @Lazy
    def _value(self) -> Any:
        return _decoded(_inside_fence(self.text))

    @Lazy
    def _strict_value(self) -> Any:
        return _decoded(self.text)


def _first_choice(body: bytes) -> dict[str, Any]:
    value = value_of(body)
    choices = value.get("choices") if isinstance(value, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) else {}


def _decoded(text: str) -> Any:
    try:
        return decode(text)
    except Unreadable:
        return _INVALID


def _inside_fence(text: str) -> str:
    """What a code fence around the whole text holds."""
    text = text.strip()
    if not (text.startswith("```") and text.endswith("```") and "\n" in text):
        return text
    return text[text.index("\n") : -3]


def _canonical(arguments: str) -> str:
    value = _decoded(arguments)
    return arguments if value is _INVALID else msgspec.json.encode(value, order="sorted").decode()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
