"""A mix of prompts as clients send them, and what came back. Pure."""

import random
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

_SHORT = ("Hello there!", "Thanks, that works.", "Good morning, signal box.", "Say something nice.")
_QUESTIONS = (
    "Why do railways divide a line into blocks, and what happens when two trains want the same one?",
    "How would you explain back-pressure to somebody who has only ever worked with trains?",
    "Which is better for a busy junction: more tracks or smarter signals?",
)
_CODE = (
    "What is wrong with this?\n```python\ndef mean(values):\n    return sum(values) / len(values) - 1\n```",
    "Make this faster, please:\n```sql\nSELECT * FROM trains WHERE lower(name) LIKE '%express%'\n```",
)
_PARAGRAPH = (
    "The interlocking of a station makes sure that no lever can be moved into a position that would let two trains "
    "meet. Each signal is proved before the next one may be cleared. "
)
_SHARES = {"short": 40, "question": 30, "code": 18, "document": 12}
HISTORY = 60
SAMPLES = 4_000
LATEST = 40


def request(rng: random.Random, model: str) -> dict[str, Any]:
    """The next chat request of the mix; six in ten are streams."""
    kind = rng.choices(list(_SHARES), list(_SHARES.values()))[0]
    if kind == "document":
        text = f"Summarise this for the board ({rng.randrange(1000)}):\n" + _PARAGRAPH * rng.randint(40, 90)
    else:
        text = rng.choice({"short": _SHORT, "question": _QUESTIONS, "code": _CODE}[kind])
    return {"model": model, "messages": [{"role": "user", "content": text}], "stream": rng.random() < 0.6}


@dataclass(slots=True)
class Lane:
    """What one target did: ``seconds`` and ``first_token`` are samples, ``history`` counts answers per tick."""

    answers: int = 0
    failures: int = 0
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=SAMPLES))
    first_token: deque[float] = field(default_factory=lambda: deque(maxlen=SAMPLES))
    history: deque[int] = field(default_factory=lambda: deque([0] * HISTORY, maxlen=HISTORY))


@dataclass(frozen=True, slots=True)
class Outcome:
    """One request as its client saw it. ``problem`` is empty for a good answer; ``cut``: an error after content."""

    target: str
    route: str
    seconds: float
    first_token: float | None = None
    problem: str = ""
    cut: bool = False


class Board:
    """Outcomes, added up by target and route; ``latest`` are the seconds that the last answers took."""

    def __init__(self, targets: tuple[str, ...]) -> None:
        self.lanes = {target: Lane() for target in targets}
        self.routes: Counter[str] = Counter()
        self.problems: Counter[str] = Counter()
        self.sent = self.answered = self.failed = self.cut = 0
        self.latest: deque[float] = deque(maxlen=LATEST)

    def add(self, outcome: Outcome) -> None:
        """Count one ended request."""
        lane = self.lanes.setdefault(outcome.target, Lane()) if outcome.target else Lane()
        if outcome.problem:
            lane.failures += 1
            self.problems[outcome.problem] += 1
            self.cut, self.failed = self.cut + outcome.cut, self.failed + (not outcome.cut)
            return
        self.answered += 1
        self.routes[outcome.route] += 1
        lane.answers += 1
        lane.history[-1] += 1
        lane.seconds.append(outcome.seconds)
        self.latest.append(outcome.seconds)
        if outcome.first_token is not None:
            lane.first_token.append(outcome.first_token)

    def tick(self) -> None:
        """Begin the next column of the histories."""
        for lane in self.lanes.values():
            lane.history.append(0)


def quantile(samples: "deque[float]", share: float) -> float | None:
    """The value that ``share`` of the samples do not exceed; None without samples."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def sparkline(values: "deque[int]", width: int) -> str:
    """The latest values as bars."""
    recent = list(values)[-width:]
    most = max(recent, default=0) or 1
    return "".join(" ▁▂▃▄▅▆▇█"[-(-value * 8 // most)] for value in recent)
