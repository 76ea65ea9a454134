"""Reading request bodies of the OpenAI API: texts, images, tools, bounds; one place that knows the four shapes.

Bodies come from clients: whatever their shape, nothing here raises; what has a wrong type counts as absent.
"""

from typing import Any, Final

_INT64_MAX: Final = 2**63 - 1
# Tuples, not sets: what a client puts in their place may be a list, which no set can be asked for.
_TEXT_TYPES: Final = ("text", "input_text", "output_text", "refusal")
_IMAGE_TYPES: Final = ("image_url", "input_image")
_SYSTEM_ROLES: Final = ("system", "developer")
_LIMIT_FIELDS: Final = ("max_completion_tokens", "max_tokens", "max_output_tokens")


def operation_of(body: dict[str, Any]) -> str:
    """What kind of request a body is, by its fields; one with ``input`` alone counts as a Responses request."""
    if "messages" in body:
        return "chat"
    if "prompt" in body:
        return "completions"
    return "embeddings" if {"encoding_format", "dimensions"} & body.keys() else "responses"


def max_tokens(body: dict[str, Any]) -> int | None:
    """The bound on output tokens under whichever of its names; ``None`` without a valid one."""
    for field in _LIMIT_FIELDS:
        value = body.get(field)
        if type(value) is int and 0 <= value <= _INT64_MAX:
            return value
    return None


def messages(operation: str, body: dict[str, Any]) -> list[Any]:
    """The list of messages of a chat or a Responses request; empty for other operations and other shapes."""
    found = body.get("messages" if operation == "chat" else "input")
    return found if isinstance(found, list) and operation in {"chat", "responses"} else []


def query(operation: str, body: dict[str, Any]) -> str:
    """The text of the last user message; of other operations, their input. Several parts are joined by newlines."""
    if operation == "chat" or (operation == "responses" and isinstance(body.get("input"), list)):
        found = messages(operation, body)
        for message in found[::-1]:
            if isinstance(message, dict) and message.get("role") == "user":
                return "\n".join(contents(message.get("content")))
        return ""
    return "\n".join(_inputs(operation, body))


def first_query(operation: str, body: dict[str, Any]) -> str:
    """The text of the first user message; where there are no messages, the same as ``query``."""
    found = messages(operation, body)
    for message in found:
        if isinstance(message, dict) and message.get("role") == "user":
            return "\n".join(contents(message.get("content")))
    return "" if found else query(operation, body)


def system(operation: str, body: dict[str, Any]) -> str:
    """What the application tells the model before the user speaks: ``instructions``, system and developer messages."""
    found: list[str] = []
    instructions = body.get("instructions")
    if operation == "responses" and isinstance(instructions, str):
        found.append(instructions)
    for message in messages(operation, body):
        if isinstance(message, dict) and message.get("role") in _SYSTEM_ROLES:
            found.extend(contents(message.get("content")))
    return "\n".join(found)


def texts(operation: str, body: dict[str, Any]) -> list[str]:
    """All texts that become part of the prompt, in order."""
    found: list[str] = []
    if operation == "responses":
        found.extend(contents(body.get("instructions")))
    if operation == "chat" or isinstance(body.get("input"), list):
        for message in messages(operation, body):
            if isinstance(message, dict):
                found.extend(contents(message.get("content")))
            elif isinstance(message, str):
                found.append(message)
    if operation != "chat":
        found.extend(_inputs(operation, body))
    return found


def prompt_tokens(operation: str, body: dict[str, Any]) -> int:
    """Estimated tokens of the prompt: UTF-8 bytes of all texts / 4, rounded up, plus tokens given as numbers."""
    size = 0
    for text in texts(operation, body):
        size += len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    return (size + 3) // 4 + _given_tokens(operation, body)


def estimate_tokens(text: str) -> int:
    """UTF-8 bytes / 4, rounded up."""
    return ((len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))) + 3) // 4


def count_tools(body: dict[str, Any]) -> int:
    """The number of tools (or of ``functions``, their older form)."""
    tools = body.get("tools")
    if tools is None:
        tools = body.get("functions")
    return len(tools) if isinstance(tools, list) else 0


def count_images(operation: str, body: dict[str, Any]) -> int:
    """The number of image parts in all messages."""
    count = 0
    for message in messages(operation, body):
        if isinstance(message, dict) and isinstance(content := message.get("content"), list):
            for part in content:
                if isinstance(part, dict) and part.get("type") in _IMAGE_TYPES:
                    count += 1
    return count


def count_turns(operation: str, body: dict[str, Any]) -> int:
    """The number of user messages; an input that is no list of messages is one."""
    if operation == "chat" or (operation == "responses" and isinstance(body.get("input"), list)):
        return sum(1 for m in messages(operation, body) if isinstance(m, dict) and m.get("role") == "user")
    return 1


def wants_logprobs(operation: str, body: dict[str, Any]) -> bool:
    """Whether log-probabilities are asked for: a flag in chat, a number in completions, an include in responses."""
    if operation == "responses":
        include = body.get("include")
        return isinstance(include, list) and "message.output_text.logprobs" in include
    value = body.get("logprobs")
    return value is True or (type(value) is int and (value > 0 or operation == "completions"))


def response_format(body: dict[str, Any]) -> str:
    """The type of ``response_format`` (chat) or ``text.format`` (responses); "text" when absent."""
    found = body.get("response_format")
    if found is None and isinstance(text := body.get("text"), dict):
        found = text.get("format")
    kind = found.get("type") if isinstance(found, dict) else None
    return kind if isinstance(kind, str) else "text"


def json_schema(body: dict[str, Any]) -> Any:
    """The schema that the answer is to match; ``None`` without one."""
    found = body.get("response_format")
    if isinstance(found, dict):
        found = found.get("json_schema")
    elif isinstance(text := body.get("text"), dict):
        found = text.get("format")
    return found.get("schema") if isinstance(found, dict) else None


def transcript(operation: str, body: dict[str, Any]) -> str:
    """The whole request as one text, for somebody who reads it."""
    parts = []
    for message in messages(operation, body):
        if isinstance(message, dict):
            text = "\n".join(contents(message.get("content")))
            parts.append(f"{message.get('role')}: {text}")
    return "\n\n".join(parts) if parts else "\n".join(texts(operation, body))


def contents(content: object) -> list[str]:
    """The texts of a message's content, which is one or a list of parts."""
    if isinstance(content, str):
        return [content]
    found: list[str] = []
    if isinstance(content, list):
        for part in content:
            if isinstance(part, dict) and part.get("type") in _TEXT_TYPES:
                text = part.get("text")
                if isinstance(text, str):
                    found.append(text)
    return found


def _input(operation: str, body: dict[str, Any]) -> object:
    return body.get("prompt" if operation == "completions" else "input")


def _inputs(operation: str, body: dict[str, Any]) -> list[str]:
    """The strings of ``prompt`` or ``input``; token numbers are passed over."""
    found = _input(operation, body)
    if isinstance(found, str):
        return [found]
    if isinstance(found, list) and operation != "responses":
        return [item for item in found if isinstance(item, str)]
    return []


def _given_tokens(operation: str, body: dict[str, Any]) -> int:
    """Completions and embeddings may come as token numbers, in one list or in several."""
    found = _input(operation, body)
    if operation not in {"completions", "embeddings"} or not isinstance(found, list) or not found:
        return 0
    if isinstance(found[0], int):
        return len(found)
    return sum(len(item) for item in found if isinstance(item, list))
