"""A batching inference engine as a pure state machine: no clock, no sockets, no tasks.

It works as vLLM's scheduler does: time passes in steps; each step gives every running sequence one token and spends
what is left of its token budget on prompts. Whoever drives it calls ``submit`` and ``poll`` with the time, and sleeps
until ``due``. All times are seconds on one monotonic clock.
"""

import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from signalbox.sim.prefixes import PrefixCache
from signalbox.sim.profile import Profile

CATCH_UP = 1.0
"""Seconds of lag that are made good by running steps back to back; beyond it time is simply lost."""


@dataclass(slots=True, eq=False)
class Sequence:
    """One answer being generated: ``output`` tokens after ``prompt`` tokens (0 output tokens: an embedding).

    ``computed`` counts tokens that are in the KV cache. Whenever it reaches prompt + produced, a token comes out.
    ``owner``, ``finish`` (why it will end), ``n`` and ``max_tokens`` of its request are only carried along.
    """

    prompt: int
    output: int
    prefix: tuple[int, ...] = ()
    owner: object = None
    finish: str = "stop"
    n: int = 1
    max_tokens: int | None = None
    cached: int = 0
    computed: int = 0
    produced: int = 0
    blocks: int = 0
    chunk: int = 0
    preemptions: int = 0
    arrived_at: float = 0.0
    scheduled_at: float = -1.0
    first_at: float = -1.0
    last_at: float = -1.0
    gap: float = 0.0
    done: bool = False
    aborted: bool = False

    @property
    def remaining(self) -> int:
        """Tokens to compute before the next one comes out: the prompt, or 1 while decoding."""
        return self.prompt + self.produced - self.computed


@dataclass(frozen=True, slots=True)
class Gauges:
    """Load as the engine publishes it; ``kv_usage`` is 0 to 1."""

    running: int = 0
    waiting: int = 0
    kv_usage: float = 0.0


@dataclass(slots=True)
class Step:
    """What one step did: who got a token, who ended, and how many tokens went through."""

    ended_at: float
    advanced: list[Sequence] = field(default_factory=list)
    finished: list[Sequence] = field(default_factory=list)
    first: list[Sequence] = field(default_factory=list)
    prompt_tokens: int = 0
    output_tokens: int = 0
    preempted: int = 0


class Engine:
    """Queue, batch and KV cache of one engine; ``slow`` and ``stalled`` are faults that may be set at any time."""

    def __init__(self, profile: Profile, rng: random.Random) -> None:
        self.profile = profile
        self.slow = 1.0
        self.stalled = False
        self.draining = False
        self.cache = PrefixCache(profile.kv_tokens // profile.block_tokens)
        self._random = rng
        self._inbox: deque[Sequence] = deque()
        self._waiting: deque[Sequence] = deque()
        self._running: list[Sequence] = []
        self._in_step: list[Sequence] = []
        self._blocks = 0
        self._total_blocks = profile.kv_tokens // profile.block_tokens
        self._step: Step | None = None
        self._published = Gauges()

    @property
    def due(self) -> float | None:
        """When the step in progress ends; None while there is nothing to do, or no way to do it."""
        return None if self._step is None or self.stalled else self._step.ended_at

    @property
    def gauges(self) -> Gauges:
        """Load as a scrape would see it now. A draining engine shows none, whatever it still does."""
        if self.draining:
            return Gauges()
        return self._load(len(self._inbox)) if self.profile.gauges == "live" else self._published

    @property
    def in_flight(self) -> int:
        """Sequences that are running or waiting, exactly."""
        return len(self._running) + len(self._waiting) + len(self._inbox)

    def submit(self, sequences: Iterable[Sequence], now: float) -> bool:
        """Take the sequences of one request, all or none; False when draining or when the queue is full."""
        arrivals = list(sequences)
        limit = self.profile.queue
        if self.draining or (limit is not None and self.in_flight + len(arrivals) > self.profile.batch + limit):
            return False
        for sequence in arrivals:
            sequence.arrived_at = now
            self._inbox.append(sequence)
        if self._step is None:
            self._begin(now)
        return True

    def abort(self, sequences: Iterable[Sequence]) -> None:
        """The client left: free the slots. Nothing of it enters a counter."""
        for sequence in sequences:
            if sequence.done or sequence.aborted:
                continue
            sequence.aborted = True
            for place in (self._inbox, self._waiting, self._running):
                if sequence in place:
                    place.remove(sequence)
            self._free(sequence)

    def resume(self, now: float) -> None:
        """Time that passed while stalled was not worked in: the step in progress ends no earlier than now."""
        if self._step is not None:
            self._step.ended_at = max(self._step.ended_at, now)

    def poll(self, now: float) -> list[Step]:
        """Run every step that has ended by ``now``; normally one."""
        done: list[Step] = []
        while self._step is not None and not self.stalled and self._step.ended_at <= now:
            step = self._end(self._step)
            done.append(step)
            self._begin(step.ended_at if now - step.ended_at < CATCH_UP else now)
        return done

    def _begin(self, now: float) -> None:
        """Schedule one step: running sequences first, then the queue, within batch, token budget and KV blocks."""
        self._waiting.extend(self._inbox)
        self._inbox.clear()
        budget, step = self.profile.step_tokens, Step(now)
        in_step: list[Sequence] = []
        decodes = prefill = 0
        for sequence in list(self._running):
            chunk = min(sequence.remaining, budget)
            preempted = sequence.blocks == 0
            if preempted or chunk <= 0 or not self._grow(sequence, chunk, step):
                continue
            budget -= chunk
            decodes, prefill = (decodes + 1, prefill) if sequence.produced else (decodes, prefill + chunk)
            in_step.append(sequence)
        while self._waiting and budget > 0 and len(self._running) < self.profile.batch and not step.preempted:
            sequence = self._waiting[0]
            if sequence.scheduled_at < 0:
                block = self.profile.block_tokens
                sequence.cached = min(self.cache.match(sequence.prefix) * block, max(0, sequence.prompt - 1))
            sequence.computed = sequence.cached
            chunk = min(sequence.remaining, budget)
            if self._blocks + self._blocks_for(sequence, chunk) > self._total_blocks:
                sequence.computed = 0
                break
            self._waiting.popleft()
            if sequence.scheduled_at < 0:
                sequence.scheduled_at = now
            self._take(sequence, chunk)
            self._running.append(sequence)
            budget -= chunk
            prefill += chunk
            in_step.append(sequence)
        self._in_step = in_step = [s for s in in_step if s.chunk]
        if not in_step:
            self._step = None
            return
        step.ended_at = now + self._duration(decodes, prefill)
        self._step = step

    def _end(self, step: Step) -> Step:
        """Hand out the tokens of a step, let finished sequences go, publish the gauges."""
        at = step.ended_at
        for sequence in self._in_step:
            if sequence.aborted:
                continue
            sequence.computed += sequence.chunk
            sequence.chunk = 0
            if sequence.remaining:
                continue
            if sequence.first_at < 0:
                sequence.first_at = at
                step.first.append(sequence)
                step.prompt_tokens += sequence.prompt
                self.cache.insert(sequence.prefix)
            else:
                sequence.gap = at - sequence.last_at
            sequence.last_at = at
            if sequence.output:
                sequence.produced += 1
                step.output_tokens += 1
            step.advanced.append(sequence)
            if sequence.produced >= sequence.output:
                sequence.done = True
                self._free(sequence)
                step.finished.append(sequence)
        if step.finished:
            self._running = [s for s in self._running if not s.done]
        self._in_step = []
        self._published = self._load(0)
        return step

    def _duration(self, decodes: int, prefill: int) -> float:
        """r decodes take r^0.4 times as long as one, so that r sequences together get r^0.6 times its rate."""
        profile = self.profile
        seconds = prefill / profile.prefill_rate
        if decodes:
            seconds += min(decodes, profile.batch) ** 0.4 / profile.decode_rate
        noise = max(0.2, self._random.gauss(1.0, profile.jitter)) if profile.jitter else 1.0
        return seconds * noise * self.slow / profile.speed

    def _load(self, arriving: int) -> Gauges:
        return Gauges(len(self._running), len(self._waiting) + arriving, self._blocks / self._total_blocks)

    def _blocks_for(self, sequence: Sequence, chunk: int) -> int:
        """KV blocks that computing ``chunk`` more tokens adds."""
        block = self.profile.block_tokens
        return (sequence.computed + chunk + block - 1) // block - sequence.blocks

    def _take(self, sequence: Sequence, chunk: int) -> None:
        more = self._blocks_for(sequence, chunk)
        sequence.blocks += more
        self._blocks += more
        sequence.chunk = chunk

    def _grow(self, sequence: Sequence, chunk: int, step: Step) -> bool:
        """Make room in the KV cache, at the cost of the youngest running sequences if need be."""
        while self._blocks + self._blocks_for(sequence, chunk) > self._total_blocks:
            victim = self._running.pop()
            self._free(victim)
            victim.computed = victim.chunk = 0
            victim.preemptions += 1
            step.preempted += 1
            self._waiting.appendleft(victim)
            if victim is sequence:
                return False
        self._take(sequence, chunk)
        return True

    def _free(self, sequence: Sequence) -> None:
        self._blocks -= sequence.blocks
        sequence.blocks = 0
