"""The messages of a chat as a system prompt and turns of user and assistant.

Messages has no place for a system message between turns on every model: as in Anthropic's own layer for OpenAI's
clients, all of them come first, in their order. Neighbours of one role become one turn, and results of tools lead
theirs.
"""

import re
from typing import Any, Final

from signalbox.routing.formats.untranslatable import Untranslatable
from signalbox.routing.untrusted import Texts

Blocks = list[dict[str, Any]]

_DATA_URL: Final = re.compile(r"data:([\w.+-]+/[\w.+-]+);base64,")
_IMAGES: Final = ("image/jpeg", "image/png", "image/gif", "image/webp")
_NOT_IN_IDS: Final = re.compile(r"[^a-zA-Z0-9_-]")


def conversation(messages: object) -> tuple[Blocks, list[dict[str, Any]]]:
    """The system prompt and the turns. Raises ``Untranslatable``."""
    if not isinstance(messages, list):
        raise Untranslatable("messages", "must be a list")
    system: Blocks = []
    turns: list[dict[str, Any]] = []
    texts = Texts()
    for number, message in enumerate(messages):
        at = f"messages[{number}]"
        role = message.get("role") if isinstance(message, dict) else None
        if not isinstance(message, dict) or not isinstance(role, str):
            raise Untranslatable(at, "must be an object with a role")
        if role in ("system", "developer"):
            system += _contents(message.get("content"), at)
        elif role == "user":
            _add(turns, "user", _contents(message.get("content"), at))
        elif role == "assistant":
            _add(turns, "assistant", _assistant(message, at, texts))
        elif role == "tool":
            _add(turns, "user", [_result(message, at)])
        else:
            raise Untranslatable(f"{at}.role", "write system, developer, user, assistant or tool")
    last = turns[-1]["content"][-1] if turns and turns[-1]["role"] == "assistant" else {}
    if last.get("type") == "text":
        last["text"] = last["text"].rstrip()  # an answer that the model is to go on with
    return system, turns


def _add(turns: list[dict[str, Any]], role: str, blocks: Blocks) -> None:
    """An empty message says nothing, and the Messages API refuses it."""
    if not blocks:
        return
    if turns and turns[-1]["role"] == role:
        turns[-1]["content"] += blocks
    else:
        turns.append({"role": role, "content": blocks})


def _assistant(message: dict[str, Any], at: str, texts: Texts) -> Blocks:
    if message.get("audio") is not None:
        raise Untranslatable(f"{at}.audio", "the Messages API has no audio: leave it out")
    if message.get("function_call") is not None:
        raise Untranslatable(f"{at}.function_call", "is an old name: write tool_calls")
    blocks = _contents(message.get("content"), at)
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal.strip():
        blocks.append({"type": "text", "text": refusal})
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list):
        raise Untranslatable(f"{at}.tool_calls", "must be a list")
    return blocks + [_call(call, f"{at}.tool_calls[{number}]", texts) for number, call in enumerate(calls)]


def _call(call: object, at: str, texts: Texts) -> dict[str, Any]:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(call, dict) or not isinstance(function, dict):
        raise Untranslatable(at, "only calls of functions are translated")
    arguments = function.get("arguments") or "{}"
    given = texts.value_of(arguments) if isinstance(arguments, str) else arguments
    if not isinstance(given, dict):
        raise Untranslatable(f"{at}.function.arguments", "must be the text of a JSON object")
    return {"type": "tool_use", "id": _id(call.get("id")), "name": function.get("name"), "input": given}


def _result(message: dict[str, Any], at: str) -> dict[str, Any]:
    content = _contents(message.get("content"), at)
    return {"type": "tool_result", "tool_use_id": _id(message.get("tool_call_id")), "content": content}


def _id(value: object) -> str:
    """Some engines write ids with signs that the Messages API refuses; both ends of a call are changed alike."""
    return _NOT_IN_IDS.sub("_", value) if isinstance(value, str) else ""


def _contents(content: object, at: str) -> Blocks:
    """A text or a list of parts; texts of white space only are left out, as the Messages API refuses them."""
    if content is None:
        return []
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content.strip() else []
    if not isinstance(content, list):
        raise Untranslatable(f"{at}.content", "must be a text or a list of parts")
    parts = (_part(part, f"{at}.content[{number}]") for number, part in enumerate(content))
    return [part for part in parts if part is not None]


def _part(part: object, at: str) -> dict[str, Any] | None:
    if not isinstance(part, dict):
        raise Untranslatable(at, "must be an object")
    kind = part.get("type")
    if kind in ("text", "refusal"):
        text = part.get(str(kind))
        if not isinstance(text, str):
            raise Untranslatable(f"{at}.{kind}", "must be a text")
        if not text.strip():
            return None
        block: dict[str, Any] = {"type": "text", "text": text}
    elif kind == "image_url":
        image = part.get("image_url")
        block = {"type": "image", "source": _image(image.get("url") if isinstance(image, dict) else image, at)}
    elif kind == "file":
        block = _file(part.get("file"), at)
    else:
        raise Untranslatable(at, "only text, image_url and file parts are translated")
    if isinstance(part.get("cache_control"), dict):
        block["cache_control"] = part["cache_control"]
    return block


def _image(url: object, at: str) -> dict[str, Any]:
    if isinstance(url, str):
        if url.startswith(("https://", "http://")):
            return {"type": "url", "url": url}
        data = _DATA_URL.match(url)
        if data is not None and data[1] in _IMAGES:
            return {"type": "base64", "media_type": data[1], "data": url[data.end() :]}
    raise Untranslatable(f"{at}.image_url.url", f"write an http URL, or a base64 data URL of {', '.join(_IMAGES)}")


def _file(file: object, at: str) -> dict[str, Any]:
    """A PDF that is in the request itself; files that OpenAI keeps are nowhere else."""
    data = file.get("file_data") if isinstance(file, dict) else None
    found = _DATA_URL.match(data) if isinstance(data, str) else None
    if not isinstance(file, dict) or not isinstance(data, str) or found is None or found[1] != "application/pdf":
        raise Untranslatable(f"{at}.file", "write file_data with a base64 data URL of application/pdf")
    source = {"type": "base64", "media_type": found[1], "data": data[found.end() :]}
    block: dict[str, Any] = {"type": "document", "source": source}
    if isinstance(file.get("filename"), str):
        block["title"] = file["filename"]
    return block
