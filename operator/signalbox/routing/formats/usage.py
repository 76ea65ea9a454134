"""Token counts in both languages: a chat's prompt tokens hold the cached ones, a message's input tokens do not."""

from collections.abc import Mapping
from typing import Any

_MESSAGES_FIELDS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")

_KEPT_FIELDS = (*_MESSAGES_FIELDS, "output_tokens_details")


def chat_usage(usage: object) -> dict[str, Any]:
    """``usage`` of a chat, from that of a message."""
    found: Mapping[str, Any] = usage if isinstance(usage, dict) else {}
    fresh, written, read, output = (count(found.get(name)) for name in _MESSAGES_FIELDS)
    prompt = fresh + written + read
    out: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
        "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
    }
    details = found.get("output_tokens_details")
    if isinstance(details, dict):
        out["completion_tokens_details"] = {"reasoning_tokens": count(details.get("thinking_tokens"))}
    return out


def messages_usage(usage: object) -> dict[str, Any]:
    """``usage`` of a message, from that of a chat."""
    found: Mapping[str, Any] = usage if isinstance(usage, dict) else {}
    details = found.get("prompt_tokens_details")
    details = details if isinstance(details, dict) else {}
    read, written = count(details.get("cached_tokens")), count(details.get("cache_write_tokens"))
    out: dict[str, Any] = {
        "input_tokens": max(0, count(found.get("prompt_tokens")) - read - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "output_tokens": count(found.get("completion_tokens")),
    }
    details = found.get("completion_tokens_details")
    if isinstance(details, dict) and "reasoning_tokens" in details:
        out["output_tokens_details"] = {"thinking_tokens": count(details["reasoning_tokens"])}
    return out


def merged(usage: dict[str, Any], newer: object) -> dict[str, Any]:
    """The usage of a stream of Messages after one more event: its counts are totals, absent where nothing changed.

    Only what is read later is kept: an engine may name any number of others.
    """
    if not isinstance(newer, dict):
        return usage
    return {**usage, **{name: newer[name] for name in _KEPT_FIELDS if newer.get(name) is not None}}


def count(value: object) -> int:
    """A count of tokens; 0 for what is none."""
    return value if type(value) is int and value >= 0 else 0
