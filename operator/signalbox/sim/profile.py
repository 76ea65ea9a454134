"""What a simulated engine is able to do."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Profile:
    """Speed and size of an engine.

    ``decode_rate`` is what one sequence alone gets, in tokens/s; r sequences together get r^0.6 times as much, as was
    measured on real engines. ``prefill_rate`` is in prompt tokens/s over all sequences. ``queue`` bounds the requests
    that wait for a slot (None: unbounded). ``kv_tokens`` is the size of the KV cache. ``jitter`` is the relative
    standard deviation of a step's duration. ``speed`` divides every duration: 10 makes an hour six minutes.

    ``gauges`` says when running, waiting and KV use are published: at the end of a ``step`` (vLLM) or ``live``
    (llama.cpp). ``counters`` says when token counters move: with every ``step`` (vLLM) or at the ``end`` of a request
    (llama.cpp).
    """

    model: str = "sim"
    batch: int = 32
    queue: int | None = None
    decode_rate: float = 50.0
    prefill_rate: float = 8_000.0
    step_tokens: int = 2_048
    context_window: int = 8_192
    kv_tokens: int = 131_072
    block_tokens: int = 16
    output_tokens: int = 120
    jitter: float = 0.05
    speed: float = 1.0
    gauges: Literal["step", "live"] = "step"
    counters: Literal["step", "end"] = "step"

    def __post_init__(self) -> None:
        positive = {
            "batch": self.batch,
            "decode_rate": self.decode_rate,
            "prefill_rate": self.prefill_rate,
            "step_tokens": self.step_tokens,
            "context_window": self.context_window,
            "output_tokens": self.output_tokens,
            "speed": self.speed,
        }
        for name, value in positive.items():
            if value <= 0:
                raise ValueError(f"{name} must be above 0, not {value}")
        if self.jitter < 0 or (self.queue is not None and self.queue < 0):
            raise ValueError("jitter and queue cannot be negative")
        if self.kv_tokens < self.context_window + self.block_tokens:
            raise ValueError(f"kv_tokens {self.kv_tokens} cannot hold one context window of {self.context_window}")
