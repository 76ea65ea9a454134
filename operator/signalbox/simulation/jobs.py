"""Requests: how long they are, and what became of them."""

from typing import Literal

Outcome = Literal["Running", "Done", "Shed", "Failed"]


class Job:
    """One request. ``output`` tokens follow ``prompt`` tokens, of which ``prefix`` were in earlier requests of the same
    ``conversation`` too. ``work`` is what the engine that it runs on has to do for it.

    ``tried`` are positions of backends. A request ends once: done, shed (all targets full) or failed.
    """

    __slots__ = (
        "arrived",
        "conversation",
        "ended",
        "outcome",
        "output",
        "place",
        "policy",
        "prefix",
        "prompt",
        "route",
        "router",
        "sent",
        "tried",
        "uncached",
        "work",
    )

    def __init__(self, arrived: float, output: float, prompt: float) -> None:
        self.arrived = arrived
        self.output = output
        self.prompt = prompt
        self.prefix = 0.0
        self.conversation = -1
        self.policy = 0
        self.route = 0
        self.router = 0
        self.place = -1
        self.sent = arrived
        self.tried = 0
        self.uncached = prompt
        self.work = 0.0
        self.ended = -1.0
        self.outcome: Outcome = "Running"

    @property
    def latency(self) -> float:
        """Seconds from arrival to end."""
        return self.ended - self.arrived
