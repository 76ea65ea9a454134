"""What is measured: full load by mode, connections and size of the prompt, and latency at parts of it."""

from dataclasses import dataclass
from typing import Literal

from benchmarks.harness import chat

Mode = Literal["unary", "sse"]

MODES: tuple[Mode, ...] = ("unary", "sse")
CONNECTIONS = (1, 16, 256)
PROMPTS = {"1KB": 1_000, "100KB": 100_000}
CHUNKS = 50
INTERVAL = 0.010
EVENTS = CHUNKS + 3
"""The role, the finish reason and [DONE] are events as well."""
STREAM_SECONDS = CHUNKS * INTERVAL
PARTS = (50, 80)


@dataclass(frozen=True)
class Full:
    """A closed loop: each connection sends its next request when its last one is over."""

    mode: Mode
    prompt: str
    connections: int

    @property
    def name(self) -> str:
        """As it stands in records and tables."""
        return f"{self.mode}-{self.prompt}-{self.connections}-connections"


@dataclass(frozen=True)
class Part:
    """An open loop at so many percent of what a system can serve: its own full load, or that of Signalbox, so that
    others are seen at the same rate."""

    mode: Mode
    prompt: str
    percent: int
    of_signalbox: bool = False

    @property
    def name(self) -> str:
        """As it stands in records and tables."""
        return f"{self.mode}-{self.prompt}-{self.percent}%-of-{'signalbox' if self.of_signalbox else 'its-own'}-load"

    @property
    def repeated(self) -> int:
        """How often the usual number of rounds: one pause of the machine decides the p99 of a round, and here are only
        two systems, at the same rate."""
        return 3 if self.of_signalbox and (self.mode, self.prompt) == ("unary", "1KB") else 1


START_UP, MEMORY = "start-up", "memory"

FULL = tuple(Full(mode, prompt, count) for mode in MODES for prompt in PROMPTS for count in CONNECTIONS)
PART = tuple(
    Part(mode, prompt, percent, shared)
    for mode in MODES
    for prompt in PROMPTS
    for percent in PARTS
    for shared in (False, True)
)


def bodies(mode: Mode, prompt: str) -> list[bytes]:
    """Requests that differ a little in length, so that heads do, too. A long prompt is one long message, in which
    expressions have to look for what is not there."""
    extra = PROMPTS[prompt] - len(chat.body())
    text = chat.TEXT + (chat.TEXT * (1 + max(0, extra) // len(chat.TEXT)))[: max(0, extra)]
    messages = [{"role": "system", "content": "You help a support team."}, {"role": "user", "content": text}]
    return [chat.body(stream=mode == "sse", messages=messages, user="u" * length) for length in range(1, 5)]
