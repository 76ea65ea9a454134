"""A Messages request as it came, for a backend that speaks Messages, too."""

from typing import Any


def signed(message: dict[str, Any]) -> dict[str, Any]:
    """A copy without thoughts that nobody has signed.

    Those came from a model behind another API, in an earlier turn that went elsewhere; only signed ones are accepted.
    """
    out = dict(message)
    turns = message.get("messages")
    if isinstance(turns, list) and any(map(_has_unsigned, turns)):
        kept = [_without_unsigned(turn) if _has_unsigned(turn) else turn for turn in turns]
        out["messages"] = [new for new, old in zip(kept, turns, strict=True) if new is old or new["content"]]
    return out


def _has_unsigned(turn: Any) -> bool:
    content = turn.get("content") if isinstance(turn, dict) else None
    return isinstance(content, list) and any(map(_is_unsigned, content))


def _without_unsigned(turn: dict[str, Any]) -> dict[str, Any]:
    return {**turn, "content": [block for block in turn["content"] if not _is_unsigned(block)]}


def _is_unsigned(block: Any) -> bool:
    return isinstance(block, dict) and block.get("type") == "thinking" and not block.get("signature")
