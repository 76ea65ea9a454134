"""What a simulated engine says: harmless prose in tokens, the same for the same seed."""

import random
from dataclasses import dataclass, replace

_SUBJECTS = ("The signal", "A train", "The lever", "Each block", "The points", "A quiet line", "The dispatcher")
_VERBS = ("holds", "clears", "guards", "follows", "releases", "watches", "opens")
_OBJECTS = ("the section ahead", "a free platform", "the next route", "the junction", "an old timetable", "the yard")
_ENDS = (" without haste.", " until the board drops.", " and the bell answers.", ".", " before the express.")


def _stock(sentences: int) -> tuple[str, ...]:
    """A long text in tokens, made once: an answer is a slice of it."""
    rng = random.Random(1865)  # noqa: S311 (prose, not secrets)
    tokens: list[str] = []
    for _ in range(sentences):
        sentence = f"{rng.choice(_SUBJECTS)} {rng.choice(_VERBS)} {rng.choice(_OBJECTS)}{rng.choice(_ENDS)}"
        tokens += [f" {word}" for word in sentence.split(" ")]
    return tuple(tokens)


_TOKENS = _stock(400)


@dataclass(frozen=True, slots=True)
class Part:
    """Tokens that join to a text, or to the arguments for ``tool``."""

    tokens: tuple[str, ...]
    tool: str = ""

    @property
    def text(self) -> str:
        """The tokens, joined."""
        return "".join(self.tokens)


@dataclass(frozen=True, slots=True)
class Answer:
    """One choice: a text, calls of tools or both, and why it ends.

    ``hidden`` tokens come first and are counted, never shown, as when a model reasons. ``logprobs`` are the tokens'
    log-probabilities, the last for all that follow; none: plausible ones. ``alternatives`` are the other tokens that
    the first might have been, with their log-probabilities.
    """

    parts: tuple[Part, ...]
    finish: str = "stop"
    hidden: int = 0
    logprobs: tuple[float, ...] = ()
    alternatives: tuple[tuple[str, float], ...] = ()

    @property
    def text(self) -> str:
        """What is said, without the calls."""
        return "".join(part.text for part in self.parts if not part.tool)

    @property
    def tokens(self) -> tuple[str, ...]:
        """The visible tokens of all parts."""
        return tuple(token for part in self.parts for token in part.tokens)

    @property
    def length(self) -> int:
        """Tokens that the engine makes."""
        return self.hidden + sum(len(part.tokens) for part in self.parts)

    def place(self, position: int) -> tuple[int, int]:
        """The part of a visible token, and its position in there."""
        for index, part in enumerate(self.parts):
            if position < len(part.tokens):
                return index, position
            position -= len(part.tokens)
        raise IndexError(position)

    def logprob(self, position: int) -> float:
        """The log-probability of a visible token."""
        if self.logprobs:
            return self.logprobs[min(position, len(self.logprobs) - 1)]
        index, at = self.place(position)
        return log_probability(self.parts[index].tokens[at], position)

    def top(self, position: int, count: int) -> list[tuple[str, float]]:
        """The ``count`` likeliest tokens of a position: what came, then others, less likely by a fixed step each."""
        index, at = self.place(position)
        token, value = self.parts[index].tokens[at], self.logprob(position)
        others = list(self.alternatives) if position == 0 else []
        low = min([value, *(each for _, each in others)])
        missing = range(1, count - len(others))
        likeliest = [(token, value), *others, *((token + "~" * rank, low - 1.5 * rank) for rank in missing)]
        return sorted(likeliest, key=lambda each: -each[1])[:count]

    def cut(self, most: int) -> "Answer":
        """At most so many tokens, and then its end is ``length``."""
        if self.length <= most:
            return self
        hidden = min(self.hidden, most)
        left, parts = most - hidden, []
        for part in self.parts:
            if left > 0:
                parts.append(Part(part.tokens[:left], part.tool))
            left -= len(part.tokens)
        return replace(self, parts=tuple(parts), hidden=hidden, finish="length")


def said(tokens: tuple[str, ...], finish: str = "stop") -> Answer:
    """An answer that is a text."""
    return Answer((Part(tokens),), finish)


def prose(count: int, seed: int) -> tuple[str, ...]:
    """``count`` tokens of prose; the first has no leading space."""
    start = seed % len(_TOKENS)
    tokens = (_TOKENS * (1 + (start + count) // len(_TOKENS)))[start : start + count]
    return (tokens[0].lstrip(), *tokens[1:]) if tokens else ()


def pieces(text: str, most: int | None = None) -> tuple[str, ...]:
    """Cut any text into tokens of four characters, as the project's estimate has it; longer ones where so many are
    the most. Of an empty text, one token: the end."""
    size = 4 if most is None else max(4, -(-len(text) // most))
    return tuple(text[at : at + size] for at in range(0, len(text), size)) or ("",)


def log_probability(token: str, position: int) -> float:
    """A plausible log-probability, always the same for a token at a position."""
    return -((len(token) * 37 + position * 101) % 97) / 100
