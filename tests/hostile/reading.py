"""The texts of answers, read as the strictest of clients would.

``strict`` is for what the router has said itself: types of fields and the order of events are looked at, too.
"""

from collections.abc import Sequence
from typing import Any

import msgspec


class BrokenError(Exception):
    """No answer of the API."""


def _need(whether: object) -> None:
    if not whether:
        raise BrokenError


def _texts(*values: Any) -> bool:
    return all(value is None or isinstance(value, str) for value in values)


def _counts(usage: Any) -> None:
    _need(usage is None or isinstance(usage, dict))
    for value in (usage or {}).values():
        if isinstance(value, dict):
            _counts(value)
        else:
            _need(type(value) is int and value >= 0)


def chat_text(value: Any, *, strict: bool) -> str:
    """Of a chat completion."""
    said = value["choices"][0]["message"]
    if strict:
        _need(value["object"] == "chat.completion")
        _need(_texts(value.get("id"), value.get("model"), said.get("reasoning_content")))
        _counts(value.get("usage"))
        _calls(said.get("tool_calls"))
    text = said["content"]
    _need(_texts(text))
    return text or ""


def _calls(calls: Any) -> None:
    for call in calls or ():
        function = call.get("function") or {}
        _need(_texts(call.get("id"), function.get("name"), function.get("arguments")))


def chunks_text(events: Sequence[bytes], *, strict: bool) -> str:
    """Of the chunks of a chat."""
    texts = []
    for event in events:
        value = msgspec.json.decode(event)
        for choice in value["choices"][:1]:
            delta = choice["delta"]
            texts.append(delta.get("content") or "")
            if strict:
                _need(_texts(value.get("id"), value.get("model"), delta.get("reasoning_content")))
                _calls(delta.get("tool_calls"))
        if strict:
            _counts(value.get("usage"))
    _need(_texts(*texts))
    return "".join(texts)


def message_text(value: Any, *, strict: bool) -> str:
    """Of a message."""
    _need(value["type"] == "message")
    if strict:
        _need(_texts(value.get("id"), value.get("model"), value.get("stop_reason"), value.get("stop_sequence")))
        _counts(value.get("usage"))
        for block in value["content"]:
            _block(block)
    texts = [block["text"] for block in value["content"] if block["type"] == "text"]
    _need(_texts(*texts))
    return "".join(texts)


def _block(block: Any) -> None:
    _need(_texts(block.get("text"), block.get("thinking"), block.get("id"), block.get("name")))
    _need(block["type"] != "tool_use" or isinstance(block["input"], dict))


def events_text(events: Sequence[bytes], *, strict: bool) -> str:
    """Of the events of a message, in their order: blocks one after the other, then the end."""
    texts = []
    begun, block, count, ended = False, "", 0, False
    for event in events:
        name, _, data = event.removeprefix(b"event: ").partition(b"\ndata: ")
        value = msgspec.json.decode(data)
        kind = value["type"]
        _need(name == str(kind).encode() and not ended)
        if kind == "message_start":
            _need(not begun)
            begun = True
            if strict:
                message_text(value["message"], strict=True)
        elif kind == "content_block_start":
            _need(begun and not block and value["index"] == count)
            block = value["content_block"]["type"]
            if strict:
                _block(value["content_block"])
        elif kind == "content_block_delta":
            _need(block and value["index"] == count)
            delta = value["delta"]
            _need(not strict or _texts(delta.get("text"), delta.get("thinking"), delta.get("partial_json")))
            texts.append(delta["text"] if delta["type"] == "text_delta" else "")
        elif kind == "content_block_stop":
            _need(block and value["index"] == count)
            block, count = "", count + 1
        elif kind == "message_delta":
            _need(begun and not block)
            if strict:
                _counts(value["usage"])
        elif kind == "message_stop":
            ended = True
        else:
            _need(kind == "ping")
    _need(ended)
    _need(_texts(*texts))
    return "".join(texts)
