"""A system prompt and turns as the messages of a chat.

Results of tools are messages of their own there. Thinking of earlier turns is left out: only the model that signed it
can read it again.
"""

from collections.abc import Callable
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode

Block = Callable[[str, str], None]


class Conversation:
    """Collects ``out``; ``block`` is told of what has no place there."""

    def __init__(self, block: Block) -> None:
        self.out: list[dict[str, Any]] = []
        self._block = block

    def system(self, content: Any) -> None:
        """The system prompt."""
        if content:
            self._add("system", self._parts(content, "system"))

    def messages(self, messages: Any) -> None:
        """The turns."""
        if not isinstance(messages, list):
            self._block("messages", "must be a list")
            return
        for number, message in enumerate(messages):
            at = f"messages[{number}]"
            role = message.get("role") if isinstance(message, dict) else None
            if role == "assistant":
                self._assistant(message.get("content"), at)
            elif role == "user":
                self._user(message.get("content"), at)
            elif role == "system":
                self._add("system", self._parts(message.get("content"), f"{at}.content"))
            else:
                self._block(at, "must be an object with the role user, assistant or system")

    def _add(self, role: str, parts: list[dict[str, Any]]) -> None:
        if parts:
            self.out.append({"role": role, "content": _simple(parts)})

    def _user(self, content: Any, at: str) -> None:
        rest = content
        if isinstance(content, list):
            rest = []
            for number, block in enumerate(content):
                if isinstance(block, dict) and block.get("type") == "tool_result":
                    self._result(block, f"{at}.content[{number}]")
                    rest.append(None)  # keeps the numbers of the others true
                else:
                    rest.append(block)
        self._add("user", self._parts(rest, f"{at}.content"))

    def _result(self, block: dict[str, Any], at: str) -> None:
        parts = self._parts(block.get("content") or "", f"{at}.content")
        if any(part["type"] != "text" for part in parts):
            self._block(f"{at}.content", "a chat's tools answer in text: leave the image out")
            parts = [part for part in parts if part["type"] == "text"]
        text = "\n".join(part["text"] for part in parts)
        if block.get("is_error") is True:
            text = f"Error: {text}"
        self.out.append({"role": "tool", "tool_call_id": block.get("tool_use_id"), "content": text})

    def _assistant(self, content: Any, at: str) -> None:
        calls: list[dict[str, Any]] = []
        rest = content
        if isinstance(content, list):
            rest = []
            for block in content:
                kind = block.get("type") if isinstance(block, dict) else ""
                if kind == "tool_use":
                    calls.append(self._call(block, at))
                rest.append(None if kind in ("tool_use", "thinking", "redacted_thinking") else block)
        parts = self._parts(rest, f"{at}.content")
        if any(part["type"] != "text" for part in parts):
            self._block(f"{at}.content", "a chat's assistant speaks text only")
            parts = [part for part in parts if part["type"] == "text"]
        if not parts and not calls:
            return
        message: dict[str, Any] = {"role": "assistant", "content": "".join(part["text"] for part in parts) or None}
        if calls:
            message["tool_calls"] = calls
        self.out.append(message)

    def _call(self, block: dict[str, Any], at: str) -> dict[str, Any]:
        try:
            arguments = _encode(block.get("input") or {}).decode()
        except RecursionError:  # it could be read, a few calls less deep
            self._block(f"{at}.content", "the input of a call is nested too deeply")
            arguments = "{}"
        function = {"name": block.get("name"), "arguments": arguments}
        return {"id": block.get("id"), "type": "function", "function": function}

    def _parts(self, content: Any, at: str) -> list[dict[str, Any]]:
        if isinstance(content, str):
            return [{"type": "text", "text": content}] if content else []
        if not isinstance(content, list):
            self._block(at, "must be a text or a list of blocks")
            return []
        parts = (self._part(block, f"{at}[{number}]") for number, block in enumerate(content) if block is not None)
        return [part for part in parts if part is not None]

    def _part(self, block: Any, at: str) -> dict[str, Any] | None:
        kind = block.get("type") if isinstance(block, dict) else None
        if kind == "text" and isinstance(block.get("text"), str):
            return {"type": "text", "text": block["text"]} if block["text"] else None
        if kind == "image":
            url = _url(block.get("source"))
            if url is None:
                self._block(f"{at}.source", "write a source of type base64 or url")
            return {"type": "image_url", "image_url": {"url": url or ""}}
        name = f"blocks of type {kind[:100]}" if isinstance(kind, str) else "such blocks"
        self._block(at, f"{name} are not translated: send text or images, or a target that speaks Anthropic's API")
        return None


def _simple(parts: list[dict[str, Any]]) -> Any:
    """One text is a text: every engine reads that."""
    return parts[0]["text"] if len(parts) == 1 and parts[0]["type"] == "text" else parts


def _url(source: Any) -> str | None:
    if not isinstance(source, dict):
        return None
    if source.get("type") == "url" and isinstance(source.get("url"), str):
        return str(source["url"])
    data, kind = source.get("data"), source.get("media_type")
    if source.get("type") == "base64" and isinstance(data, str) and isinstance(kind, str):
        return f"data:{kind};base64,{data}"
    return None
