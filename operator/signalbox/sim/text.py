"""What a simulated engine says: harmless prose in tokens, the same for the same seed."""

import random
from dataclasses import dataclass

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
class Answer:
    """One choice: tokens that join to its text (or to the arguments of ``tool``), and why it ends."""

    tokens: tuple[str, ...]
    finish: str = "stop"
    tool: str = ""

    @property
    def text(self) -> str:
        """The whole answer."""
        return "".join(self.tokens)


def prose(count: int, seed: int) -> tuple[str, ...]:
    """``count`` tokens of prose; the first has no leading space."""
    start = seed % len(_TOKENS)
    tokens = (_TOKENS * (1 + (start + count) // len(_TOKENS)))[start : start + count]
    return (tokens[0].lstrip(), *tokens[1:]) if tokens else ()


def pieces(text: str) -> tuple[str, ...]:
    """Cut any text into tokens of four characters, as the project's estimate has it."""
    return tuple(text[at : at + 4] for at in range(0, len(text), 4))


def log_probability(token: str, position: int) -> float:
    """A plausible log-probability, always the same for a token at a position."""
    return -((len(token) * 37 + position * 101) % 97) / 100
