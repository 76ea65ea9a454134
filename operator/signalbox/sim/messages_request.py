"""A Messages request, read as strictly as Anthropic reads it, in the words of a chat. Pure."""

import re
from typing import Any

import msgspec

from signalbox.sim.errors import RequestError

_FIELDS = frozenset(
    (
        "cache_control", "max_tokens", "messages", "metadata", "model", "output_config", "service_tier",
        "stop_sequences", "stream", "system", "temperature", "thinking", "tool_choice", "tools", "top_k", "top_p",
    )
)  # fmt: skip
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_USER = ("text", "image", "document", "tool_result")
_ASSISTANT = ("text", "thinking", "redacted_thinking", "tool_use")


def as_chat(body: dict[str, Any]) -> dict[str, Any]:
    """What the engine has to do. Raises ``RequestError`` for what the API refuses."""
    for name in body:
        _check(name in _FIELDS, name, "Extra inputs are not permitted")
    limit = body.get("max_tokens")
    _check(limit is not None, "max_tokens", "Field required")
    _check(type(limit) is int and limit >= 1, "max_tokens", "Input should be greater than or equal to 1")
    temperature = body.get("temperature", 1)
    _check(isinstance(temperature, int | float) and 0 <= temperature <= 1, "temperature", "range: 0..1")
    for sequence in _list(body.get("stop_sequences", []), "stop_sequences"):
        _check(isinstance(sequence, str) and bool(sequence.strip()), "stop_sequences", "must contain non-whitespace")
    chat: dict[str, Any] = {"model": body.get("model"), "max_tokens": limit, "stream": body.get("stream")}
    chat["messages"] = [{"role": "system", "content": text} for text in _system(body.get("system"))]
    chat["messages"] += _messages(body.get("messages"))
    used = any(isinstance(m["content"], list) and _uses_tools(m["content"]) for m in body["messages"])
    _check(not used or "tools" in body, "tools", "must be defined where blocks of tools are")
    if "tools" in body:
        chat["tools"] = [_tool(tool, f"tools.{at}") for at, tool in enumerate(_list(body["tools"], "tools"))]
    if "tool_choice" in body:
        chat["tool_choice"] = _tool_choice(body["tool_choice"], "tools" in body)
    config = body.get("output_config") or {}
    if form := config.get("format"):
        _check(
            form.get("type") == "json_schema" and isinstance(form.get("schema"), dict),
            "output_config.format",
            "is wrong",
        )
        chat["response_format"] = {"type": "json_schema", "json_schema": {"schema": form["schema"]}}
    return chat


def _check(good: bool, field: str, what: str) -> None:
    if not good:
        raise RequestError(f"{field}: {what}", param=field)


def _list(value: Any, field: str) -> list[Any]:
    _check(isinstance(value, list), field, "Input should be a valid list")
    return list(value)


def _system(system: Any) -> list[str]:
    if system is None:
        return []
    return [system] if isinstance(system, str) else [_text(block, "system") for block in _list(system, "system")]


def _text(block: Any, field: str) -> str:
    _check(isinstance(block, dict) and block.get("type") == "text", field, "Input should be a text block")
    _check(bool(block.get("text")), field, "text content blocks must be non-empty")
    return str(block["text"])


def _messages(messages: Any) -> list[dict[str, Any]]:
    given = _list(messages, "messages")
    _check(bool(given), "messages", "at least one message is required")
    chat: list[dict[str, Any]] = []
    open_calls: set[str] = set()
    for number, message in enumerate(given):
        field = f"messages.{number}"
        _check(isinstance(message, dict) and message.keys() == {"role", "content"}, field, "needs role and content")
        role, content = message["role"], message["content"]
        _check(role in ("user", "assistant"), f"{field}.role", 'Input should be "user" or "assistant"')
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else _list(content, f"{field}.content")
        _check(bool(blocks), f"{field}.content", "messages must have non-empty content")
        _check(all(isinstance(block, dict) for block in blocks), f"{field}.content", "Input should be blocks")
        results = [block["tool_use_id"] for block in blocks if block.get("type") == "tool_result"]
        _check(set(results) == open_calls, field, "`tool_use` ids and `tool_result` blocks must match")
        _check(
            all(b.get("type") == "tool_result" for b in blocks[: len(results)]), field, "tool_result blocks come first"
        )
        calls = [block["id"] for block in blocks if block.get("type") == "tool_use"]
        open_calls = set(calls)
        texts = [_said(block, role, f"{field}.content.{at}") for at, block in enumerate(blocks)]
        chat.append({"role": "tool" if results and not texts[-1] else role, "content": "\n".join(filter(None, texts))})
    return chat


def _uses_tools(blocks: list[Any]) -> bool:
    return any(block.get("type") in ("tool_use", "tool_result") for block in blocks)


def _said(block: Any, role: str, field: str) -> str:
    kind = block.get("type")
    _check(kind in (_USER if role == "user" else _ASSISTANT), field, f"Input tag {kind!r} is not expected")
    if kind == "text":
        return _text(block, field)
    if kind == "tool_use":
        _check(bool(_ID.fullmatch(str(block["id"]))), f"{field}.id", "String should match pattern '^[a-zA-Z0-9_-]+$'")
        _check(isinstance(block.get("input"), dict), f"{field}.input", "Input should be a valid dictionary")
        return msgspec.json.encode(block["input"]).decode()
    if kind == "tool_result":
        content = block.get("content") or ""
        return content if isinstance(content, str) else "\n".join(_text(part, field) for part in content)
    if kind == "image":
        source = block.get("source") or {}
        by_url = source.get("type") == "url" and str(source.get("url", "")).startswith("http")
        inside = source.get("type") == "base64" and source.get("media_type") in _IMAGES and bool(source.get("data"))
        _check(by_url or inside, f"{field}.source", "Input should be a valid image source")
    return ""


def _tool(tool: Any, field: str) -> dict[str, Any]:
    _check(isinstance(tool, dict) and bool(_ID.fullmatch(str(tool.get("name", "")))), f"{field}.name", "is no name")
    schema = tool.get("input_schema")
    _check(
        isinstance(schema, dict) and schema.get("type") == "object", f"{field}.input_schema.type", 'must be "object"'
    )
    function = {"name": tool["name"], "description": tool.get("description"), "parameters": schema}
    return {"type": "function", "function": function}


def _tool_choice(choice: Any, tools: bool) -> Any:
    kind = choice.get("type") if isinstance(choice, dict) else None
    _check(tools, "tool_choice", "may only be specified while providing tools")
    _check(kind in ("auto", "any", "tool", "none"), "tool_choice", "Input tag is not expected")
    if kind == "tool":
        return {"type": "function", "function": {"name": choice.get("name")}}
    return "required" if kind == "any" else kind
