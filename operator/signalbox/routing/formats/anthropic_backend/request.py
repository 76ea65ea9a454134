"""A chat request as a Messages request."""

from typing import Any, Final

from signalbox.routing.formats.anthropic_backend.conversation import conversation
from signalbox.routing.formats.untranslatable import Untranslatable

DEFAULT_MAX_TOKENS: Final = 8192
"""Where the client sets no bound: the Messages API must have one. It holds the model's thinking, too."""

DROPPED: Final = frozenset(
    (
        "frequency_penalty",
        "metadata",
        "min_p",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "repetition_penalty",
        "seed",
        "store",
        "stream_options",
    )
)
"""Fields that tune, label or speed up an answer without changing what it is about; stream options are the router's."""

_TRANSLATED: Final = frozenset(
    (
        "cache_control",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "model",
        "parallel_tool_calls",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "service_tier",
        "stop",
        "stream",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
        "user",
    )
)

REFUSED: Final[dict[str, tuple[object, str]]] = {
    "n": (1, "the Messages API gives one answer: send the request once for each"),
    "logprobs": (False, "the Messages API has no log-probabilities: leave it out"),
    "top_logprobs": (0, "the Messages API has no log-probabilities: leave it out"),
    "logit_bias": ({}, "the Messages API has no bias of tokens: leave it out"),
    "modalities": (["text"], 'the Messages API answers in text: write ["text"]'),
    "audio": (None, "the Messages API has no audio: leave it out"),
    "functions": ([], "is an old name: write tools"),
    "function_call": (None, "is an old name: write tool_choice"),
    "web_search_options": (None, "searches are not translated: leave it out"),
    "moderation": (None, "the Messages API has no moderation: leave it out"),
    "verbosity": ("medium", "the Messages API has no verbosity: ask for it in the system message"),
}
"""Fields whose loss would change the answer: the value that changes nothing, and what to do about any other."""

_EFFORTS: Final = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}
_SERVICE_TIERS: Final = {"auto": "auto", "default": "standard_only"}


def translate(body: dict[str, Any], window: int | None = None) -> dict[str, Any]:
    """The body to send to a model with a context ``window``; its name stays the client's. Raises ``Untranslatable``."""
    given = {name: value for name, value in body.items() if value is not None}
    for name, value in given.items():
        if name in REFUSED:
            neutral, why = REFUSED[name]
            if type(value) is not type(neutral) or value != neutral:
                raise Untranslatable(name, why)
        elif name not in _TRANSLATED and name not in DROPPED:
            raise Untranslatable(name[:100], "the Messages API has no such field: leave it out")
    system, messages = conversation(given.get("messages"))
    out: dict[str, Any] = {"model": given.get("model"), "max_tokens": _max_tokens(given, window)}
    if system:
        out["system"] = system
    out["messages"] = messages
    out.update(_tools(given) or _tools_of(messages))
    out.update(_sampling(given))
    out.update(_output(given))
    user = given.get("safety_identifier") or given.get("user")
    if isinstance(user, str):
        out["metadata"] = {"user_id": user}
    if "service_tier" in given:
        tier = given["service_tier"]
        if not isinstance(tier, str) or tier not in _SERVICE_TIERS:
            raise Untranslatable("service_tier", 'the Messages API knows "auto" and "default" of it')
        out["service_tier"] = _SERVICE_TIERS[tier]
    out.update((name, given[name]) for name in ("cache_control", "stream") if name in given)
    return out


def _max_tokens(given: dict[str, Any], window: int | None) -> Any:
    """Without a bound of the client's, a small model keeps half of its window for the prompt."""
    default = DEFAULT_MAX_TOKENS if window is None else min(DEFAULT_MAX_TOKENS, max(1, window // 2))
    return given.get("max_completion_tokens", given.get("max_tokens", default))


def _sampling(given: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {name: given[name] for name in ("top_p", "top_k") if name in given}
    temperature = given.get("temperature")
    if temperature is not None:
        # A chat's goes to 2, a message's to 1.
        out["temperature"] = min(temperature, 1) if isinstance(temperature, int | float) else temperature
    stop = given.get("stop")
    if stop is not None:
        sequences = stop if isinstance(stop, list) else [stop]
        if not all(isinstance(each, str) and each.strip() for each in sequences):
            raise Untranslatable("stop", "the Messages API stops at texts with more in them than white space")
        out["stop_sequences"] = sequences
    return out


def _output(given: dict[str, Any]) -> dict[str, Any]:
    """Effort, thinking and the form of the answer."""
    out: dict[str, Any] = {}
    config: dict[str, Any] = {}
    effort = given.get("reasoning_effort")
    if "thinking" in given:
        out["thinking"] = given["thinking"]
    elif effort == "none":
        out["thinking"] = {"type": "disabled"}
    if effort is not None and effort != "none":
        if not isinstance(effort, str) or effort not in _EFFORTS:
            raise Untranslatable("reasoning_effort", f"write none, {', '.join(_EFFORTS)}")
        config["effort"] = _EFFORTS[effort]
    form = given.get("response_format")
    if form is not None:
        schema = _schema(form)
        if schema is not None:
            config["format"] = {"type": "json_schema", "schema": schema}
    if config:
        out["output_config"] = config
    return out


def _schema(form: object) -> dict[str, Any] | None:
    kind = form.get("type") if isinstance(form, dict) else None
    if kind == "text":
        return None
    if isinstance(form, dict) and kind == "json_schema":
        named = form.get("json_schema")
        schema = named.get("schema") if isinstance(named, dict) else None
        if isinstance(schema, dict):
            return schema
        raise Untranslatable("response_format.json_schema.schema", "the schema is missing")
    raise Untranslatable("response_format", "the Messages API has no JSON without a schema: write type json_schema")


def _tools(given: dict[str, Any]) -> dict[str, Any]:
    tools = given.get("tools")
    if not tools:
        return {}
    if not isinstance(tools, list):
        raise Untranslatable("tools", "must be a list")
    out: dict[str, Any] = {"tools": [_tool(tool, f"tools[{at}]") for at, tool in enumerate(tools)]}
    choice = _tool_choice(given.get("tool_choice"))
    if given.get("parallel_tool_calls") is False and (choice is None or choice["type"] != "none"):
        choice = {**(choice or {"type": "auto"}), "disable_parallel_tool_use": True}
    if choice is not None:
        out["tool_choice"] = choice
    return out


def _tools_of(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Turns with calls need tools in the Messages API; where a chat has none any more, none may be called."""
    blocks = (block for message in messages for block in message["content"])
    names = dict.fromkeys(str(block["name"]) for block in blocks if block["type"] == "tool_use")
    if not names:
        return {}
    schema = {"type": "object", "properties": {}}
    return {"tools": [{"name": name, "input_schema": schema} for name in names], "tool_choice": {"type": "none"}}


def _tool(tool: object, at: str) -> dict[str, Any]:
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(tool, dict) or tool.get("type") != "function" or not isinstance(function, dict):
        raise Untranslatable(at, "only tools of type function are translated")
    out: dict[str, Any] = {"name": function.get("name")}
    if function.get("description") is not None:
        out["description"] = function["description"]
    out["input_schema"] = function.get("parameters") or {"type": "object", "properties": {}}
    if function.get("strict") is True:
        out["strict"] = True
    if isinstance(tool.get("cache_control"), dict):
        out["cache_control"] = tool["cache_control"]
    return out


def _tool_choice(choice: object) -> dict[str, Any] | None:
    if choice is None:
        return None
    if choice in ("none", "auto"):
        return {"type": choice}
    if choice == "required":
        return {"type": "any"}
    if isinstance(choice, dict) and choice.get("type") == "function" and isinstance(choice.get("function"), dict):
        return {"type": "tool", "name": choice["function"].get("name")}
    raise Untranslatable("tool_choice", "write none, auto, required or one function")
