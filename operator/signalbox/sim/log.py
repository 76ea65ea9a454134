"""What an engine was asked, and what came of it: for tests that show what was billed and what was cancelled."""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

LATEST = 1_000
BODY = 16 << 10
"""Bytes up to which a body is kept: the log stays under 16 MB."""

Outcome = Literal["open", "answered", "error", "cut", "cancelled"]


@dataclass(slots=True)
class Logged:
    """One inference request; times are seconds, ``at`` in Unix time.

    ``outcome``: ``answered`` to its end, an ``error`` (a status, or an event in the stream), ``cut`` by a fault, or
    ``cancelled`` by the client, who left before the end. Tokens are those that the engine worked through, also for a
    client that left. ``raw`` is the body as it came, or empty if it is large.
    """

    at: float
    operation: str
    raw: bytes
    model: str = ""
    stream: bool = False
    rule: str = ""
    status: int = 200
    outcome: Outcome = "open"
    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0

    @property
    def body(self) -> Any:
        """What was asked; None if it was too large to be kept."""
        return msgspec.json.decode(self.raw) if self.raw else None


class CallLog:
    """The latest calls in the order of their arrival, and counts of all."""

    def __init__(self) -> None:
        self._latest: deque[Logged] = deque(maxlen=LATEST)
        self.clear()

    def clear(self) -> None:
        """Forget all of it. A call that is still open is counted when it ends."""
        self._latest.clear()
        self.outcomes: Counter[str] = Counter()
        self.rules: Counter[str] = Counter()
        self.input_tokens = self.output_tokens = 0

    def __len__(self) -> int:
        return len(self._latest)

    def __iter__(self) -> Iterator[Logged]:
        return iter(self._latest)

    def __getitem__(self, index: int) -> Logged:
        return self._latest[index]

    def begin(self, operation: str, raw: bytes, at: float) -> Logged:
        """Note a request that came."""
        call = Logged(at, operation, raw if len(raw) <= BODY else b"")
        self._latest.append(call)
        self.outcomes["open"] += 1
        return call

    def end(self, call: Logged, seconds: float) -> None:
        """Count what came of it."""
        call.seconds = seconds
        self.outcomes["open"] = max(0, self.outcomes["open"] - 1)
        self.outcomes[call.outcome] += 1
        self.rules[call.rule] += bool(call.rule)
        self.input_tokens += call.input_tokens
        self.output_tokens += call.output_tokens

    def encode(self) -> bytes:
        """As JSON: ``counts`` by outcome, ``rules``, tokens, and the latest ``calls``."""
        shown = {
            "counts": {name: self.outcomes[name] for name in ("open", "answered", "error", "cut", "cancelled")},
            "rules": {name: count for name, count in self.rules.items() if count},
            "inputTokens": self.input_tokens,
            "outputTokens": self.output_tokens,
            "calls": [
                {
                    "at": round(call.at, 6),
                    "seconds": round(call.seconds, 6),
                    "operation": call.operation,
                    "model": call.model,
                    "stream": call.stream,
                    "rule": call.rule,
                    "status": call.status,
                    "outcome": call.outcome,
                    "inputTokens": call.input_tokens,
                    "outputTokens": call.output_tokens,
                    "body": msgspec.Raw(call.raw or b"null"),
                }
                for call in self._latest
            ],
        }
        return msgspec.json.encode(shown)
