"""Why an answer ended, in both languages."""

from typing import Any, Final

_FINISH_REASONS: Final[dict[str, str]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_STOP_REASONS: Final[dict[str, str]] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}


def finish_reason(stop_reason: object) -> str:
    """The chat's word for the end of a message."""
    return _FINISH_REASONS.get(stop_reason, "stop") if isinstance(stop_reason, str) else "stop"


def stop(finish: object, sequence: object, calls: bool) -> dict[str, Any]:
    """``stop_reason`` and ``stop_sequence`` of a chat's end.

    ``sequence`` is the stop sequence that was met, where the engine tells it (vLLM's ``stop_reason``). An engine that
    was told which function to call may end with "stop"; to a client of Messages only "tool_use" means a call.
    """
    reason = _STOP_REASONS.get(finish, "end_turn") if isinstance(finish, str) else "end_turn"
    if reason == "end_turn" and calls:
        reason = "tool_use"
    met = sequence if reason == "end_turn" and isinstance(sequence, str) and sequence else None
    return {"stop_reason": "stop_sequence" if met else reason, "stop_sequence": met}
