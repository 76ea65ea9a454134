"""Which backends can serve a request at all: its features, and its size against the context window."""

from enum import IntFlag
from functools import lru_cache
from typing import Any, Final

from signalbox.routing.config import Backend, Feature
from signalbox.routing.features import Facts
from signalbox.routing.formats.anthropic_backend.request import translate
from signalbox.routing.formats.untranslatable import Untranslatable


class Need(IntFlag):
    """What a request asks of a backend."""

    TOOLS = 1
    LOG_PROBS = 2
    VISION = 4
    JSON_SCHEMA = 8
    EMBEDDINGS = 16


_FEATURES: Final[dict[Need, Feature]] = {
    Need.TOOLS: "Tools",
    Need.LOG_PROBS: "LogProbs",
    Need.VISION: "Vision",
    Need.JSON_SCHEMA: "JSONSchema",
    Need.EMBEDDINGS: "Embeddings",
}


class Requirements:
    """What one request needs. Counting its tokens is left until a backend has a bound to hold them against."""

    __slots__ = ("_differences", "_facts", "features", "obstacle")

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._differences: dict[tuple[str, ...], str | None] | None = None
        self.features = _features(facts)
        self.obstacle = facts.message.obstacle if facts.message is not None else None

    @property
    def prompt_tokens(self) -> int:
        """Estimate: UTF-8 bytes of all text / 4, rounded up."""
        return self._facts.conversation_tokens

    @property
    def output_tokens(self) -> int:
        """The bound that the client gave; 0 without one."""
        return self._facts.request_max_tokens or 0

    def untranslatable(self, backend: Backend) -> str | None:
        """What of the request cannot be said in the API of a backend, with the field; None where it all can."""
        facts = self._facts
        if backend.format == "OpenAI":
            return None if self.obstacle is None else str(self.obstacle)
        if facts.request_operation != "chat":
            return f"the Messages API has no {facts.request_operation}"
        if facts.message is not None:
            return None
        known, removed = self._differences, backend.request.remove
        if known is None:
            known = self._differences = {}
        if removed not in known:
            known[removed] = _difference({name: value for name, value in facts.body.items() if name not in removed})
        return known[removed]


def shortfall(backend: Backend, needs: Requirements, correction: float = 1.0) -> str | None:
    """What the backend lacks for the request, in words; ``None`` when it is eligible.

    ``correction`` is the ratio of prompt tokens that the backend reported to those estimated.
    """
    if (backend.format != "OpenAI" or needs.obstacle is not None) and (why := needs.untranslatable(backend)):
        return why
    if needs.features and backend.features is not None:
        missing = needs.features & ~_declared(backend.features)
        if missing:
            return "no " + ", ".join(feature for need, feature in _FEATURES.items() if need & missing)
    window = backend.context_window
    if window is not None:
        tokens = round(needs.prompt_tokens * correction) + needs.output_tokens
        if tokens > window:
            return f"context window {window} < {tokens} tokens"
    return None


def _difference(chat: dict[str, Any]) -> str | None:
    try:
        translate(chat)
    except Untranslatable as difference:
        return str(difference)
    return None


@lru_cache(maxsize=64)
def _declared(features: tuple[Feature, ...]) -> int:
    return sum(need for need, feature in _FEATURES.items() if feature in features)


def _features(facts: Facts) -> int:
    """A mask of ``Need``; plain ints, because the flags' own operators are slow."""
    if facts.request_operation == "embeddings":
        return 16
    body = facts.body
    mask = 0
    if ("tools" in body or "functions" in body) and facts.request_tools:
        mask |= 1
    if ("logprobs" in body or "include" in body) and facts.request_logprobs:
        mask |= 2
    if facts.request_images:
        mask |= 4
    if ("response_format" in body or "text" in body) and facts.request_response_format == "json_schema":
        mask |= 8
    return mask
