"""A Messages request as a chat request.

Always a chat comes out, for conditions and strategies to look at; what it lacks of the original is its ``obstacle``.
A backend that speaks Messages gets the original, so only the others cannot serve a request with one.
"""

from typing import Any, Final, NamedTuple

from signalbox.routing.formats.anthropic_client.conversation import Conversation
from signalbox.routing.formats.untranslatable import Untranslatable

_TAKEN_OVER: Final = ("model", "max_tokens", "temperature", "top_p", "top_k", "stream")
DROPPED: Final = frozenset(("cache_control", "diagnostics"))
"""Hints that change no answer."""
_TRANSLATED: Final = frozenset(
    (
        *_TAKEN_OVER,
        "messages",
        "metadata",
        "output_config",
        "output_format",
        "service_tier",
        "speed",
        "stop_sequences",
        "system",
        "thinking",
        "tool_choice",
        "tools",
    )
)
_TOOL_FIELDS: Final = frozenset(
    (
        "allowed_callers",
        "cache_control",
        "description",
        "eager_input_streaming",
        "input_examples",
        "input_schema",
        "name",
        "strict",
        "type",
    )
)
_CHOICES: Final = {"auto": "auto", "any": "required", "none": "none"}
# Budgets of thinking, in tokens, up to which an effort is called so.
_LOW, _MEDIUM = 4_096, 16_384


class Message(NamedTuple):
    """A request as it came: ``chat`` as far as one can be made of it, the first ``obstacle`` on the way to a whole one,
    and whether the client reads thinking."""

    original: dict[str, Any]
    chat: dict[str, Any]
    obstacle: Untranslatable | None
    thinking: bool


def translate(body: dict[str, Any]) -> Message:
    """See ``Message``; never raises."""
    reader = _Reader({name: value for name, value in body.items() if value is not None})
    return Message(body, reader.chat, reader.obstacle, reader.thinking)


class _Reader:
    def __init__(self, given: dict[str, Any]) -> None:
        self.obstacle: Untranslatable | None = None
        self.thinking = False
        self.chat: dict[str, Any] = {name: given[name] for name in _TAKEN_OVER if name in given}
        for name in given:
            if name not in _TRANSLATED and name not in DROPPED:
                self._block(name[:100], "a chat has no such field: leave it out")
        self._messages(given)
        self._tools(given.get("tools"))
        self._tool_choice(given.get("tool_choice"))
        self._thinking(given.get("thinking"))
        self._output(given)
        self._rest(given)

    def _block(self, field: str, why: str) -> None:
        if self.obstacle is None:
            self.obstacle = Untranslatable(field, why)

    def _messages(self, given: dict[str, Any]) -> None:
        conversation = Conversation(self._block)
        conversation.system(given.get("system"))
        conversation.messages(given.get("messages"))
        self.chat["messages"] = conversation.out

    def _tools(self, tools: Any) -> None:
        if not tools:
            return
        if not isinstance(tools, list):
            self._block("tools", "must be a list")
            return
        functions = []
        for number, tool in enumerate(tools):
            at = f"tools[{number}]"
            if not isinstance(tool, dict):
                self._block(at, "must be an object")
                continue
            if tool.get("type", "custom") not in ("custom", None):
                self._block(f"{at}.type", "tools that Anthropic runs or defines are not translated: describe your own")
            elif unknown := sorted(tool.keys() - _TOOL_FIELDS):
                self._block(f"{at}.{unknown[0][:100]}", "a chat's tool has no such field: leave it out")
            elif tool.get("allowed_callers") not in (None, ["direct"]):
                self._block(f"{at}.allowed_callers", 'a chat\'s tool is called by the model: write ["direct"]')
            function = {"name": tool.get("name"), "parameters": tool.get("input_schema")}
            if tool.get("description") is not None:
                function["description"] = tool["description"]
            if tool.get("strict") is True:
                function["strict"] = True
            functions.append({"type": "function", "function": function})
        self.chat["tools"] = functions

    def _tool_choice(self, choice: Any) -> None:
        if choice is None:
            return
        kind = choice.get("type") if isinstance(choice, dict) else None
        if kind == "tool":
            self.chat["tool_choice"] = {"type": "function", "function": {"name": choice.get("name")}}
        elif isinstance(kind, str) and kind in _CHOICES:
            self.chat["tool_choice"] = _CHOICES[kind]
        else:
            self._block("tool_choice", "write type auto, any, tool or none")
            return
        if choice.get("disable_parallel_tool_use") is True and kind != "none":
            self.chat["parallel_tool_calls"] = False

    def _thinking(self, thinking: Any) -> None:
        """How much is thought is an effort to a chat; without a budget it is the model's own choice."""
        if thinking is None:
            return
        kind = thinking.get("type") if isinstance(thinking, dict) else None
        if kind == "disabled":
            return
        if kind not in ("enabled", "adaptive", "between_tools"):
            self._block("thinking", "write type enabled, adaptive or disabled")
            return
        self.thinking = thinking.get("display") != "omitted"
        budget = thinking.get("budget_tokens")
        if type(budget) is int:
            effort = "low" if budget <= _LOW else "medium" if budget <= _MEDIUM else "high"
            self.chat["reasoning_effort"] = effort

    def _output(self, given: dict[str, Any]) -> None:
        config = given.get("output_config") or {}
        if not isinstance(config, dict):
            self._block("output_config", "must be an object")
            return
        for name in sorted(config.keys() - {"effort", "format"}):
            self._block(f"output_config.{name[:100]}", "a chat has no such field: leave it out")
        if isinstance(config.get("effort"), str):
            self.chat["reasoning_effort"] = config["effort"]
        field = "output_config.format" if config.get("format") is not None else "output_format"
        form = config.get("format") or given.get("output_format")
        if form is None:
            return
        schema = form.get("schema") if isinstance(form, dict) and form.get("type") == "json_schema" else None
        if not isinstance(schema, dict):
            self._block(field, "write type json_schema and a schema")
            return
        named = {"name": "answer", "schema": schema, "strict": True}
        self.chat["response_format"] = {"type": "json_schema", "json_schema": named}

    def _rest(self, given: dict[str, Any]) -> None:
        stops = given.get("stop_sequences")
        if stops:
            self.chat["stop"] = stops
        metadata = given.get("metadata")
        if isinstance(metadata, dict) and isinstance(metadata.get("user_id"), str):
            self.chat["user"] = metadata["user_id"]
        if given.get("service_tier") == "standard_only":
            self.chat["service_tier"] = "default"
        elif given.get("service_tier") not in (None, "auto"):
            self._block("service_tier", "write auto or standard_only")
        if given.get("speed") not in (None, "standard"):
            self._block("speed", "a chat has no other speed: write standard")
