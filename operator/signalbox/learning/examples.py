"""Examples as JSON lines: a prompt, and what is known of it. What cannot be read is refused with line and fix."""

from collections.abc import Callable, Iterable, Sequence
from math import isfinite
from typing import Final, TypeVar

import msgspec

MAX_EXAMPLES: Final = 100_000
MAX_LINE_BYTES: Final = 1024 * 1024
MAX_ERRORS: Final = 10  # told at once; who has more has one mistake many times
MAX_NAME_CHARS: Final = 64  # of a label or target that is quoted: that of a policy is shorter


Line = TypeVar("Line")


class Answer(msgspec.Struct, frozen=True, rename="camel"):
    """What a target once answered: its text, the log-probabilities of its tokens, and whether it was right."""

    text: str = ""
    logprobs: tuple[float, ...] = ()
    correct: bool | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    latency_ms: float | None = None


class Example(msgspec.Struct, frozen=True):
    """One line. ``group`` says which lines are of one kind; it forms folds only and is never an input. ``place`` is
    where it stands, for who is told of it; a line cannot say that of itself."""

    prompt: str
    label: str | None = None
    scores: dict[str, float] | None = None
    group: str | None = None
    answers: dict[str, Answer] = {}
    place: str = ""


class ExamplesError(ValueError):
    """Says, one a line, what is wrong where."""

    def __init__(self, errors: Sequence[str]) -> None:
        shown = list(errors[:MAX_ERRORS])
        if len(errors) > MAX_ERRORS:
            shown.append(f"and {len(errors) - MAX_ERRORS} more lines like these")
        super().__init__("\n".join(shown))
        self.errors = tuple(shown)


def read(data: bytes, name: str) -> list[Example]:
    """The examples of one file or key, in their order; empty lines are left out. Raises ``ExamplesError``."""
    found = read_lines(data, name, Example, _wrong)
    return [msgspec.structs.replace(example, place=f"{name} line {number}") for number, example in found]


def read_lines(data: bytes, name: str, kind: type[Line], wrong: Callable[[Line], str | None]) -> list[tuple[int, Line]]:
    """Lines and their numbers, empty ones left out; ``wrong`` says what is wrong with one that has the right shape.

    Raises ``ExamplesError``.
    """
    decode = msgspec.json.Decoder(kind).decode
    lines: list[tuple[int, Line]] = []
    errors: list[str] = []
    for number, text in enumerate(data.split(b"\n"), 1):
        if not text.strip():
            continue
        where = f"{name} line {number}"
        if len(text) > MAX_LINE_BYTES:
            errors.append(f"{where}: has {len(text)} bytes; shorten it to at most {MAX_LINE_BYTES}")
            continue
        try:
            line = decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            errors.append(f"{where}: {_told(str(error))}")
            continue
        if said := wrong(line):
            errors.append(f"{where}: {said}")
            continue
        lines.append((number, line))
        if len(lines) > MAX_EXAMPLES:
            errors.append(f"{name}: has more than {MAX_EXAMPLES} examples; leave some out")
            break
    if errors:
        raise ExamplesError(errors)
    return lines


def _told(text: str) -> str:
    """The decoder's words with the field first: ``Expected `str`, got `int` - at `$.prompt```."""
    what, at, path = text.partition(" - at `$")
    if at:
        return f"{path.rstrip('`').lstrip('.') or 'the line'}: {what[0].lower()}{what[1:]}"
    if "missing required field `prompt`" in text:
        return 'prompt: is missing; write {"prompt": "...", ...}'
    return f"is no JSON object: {text}"


def _wrong(example: Example) -> str | None:
    if not example.prompt.strip():
        return "prompt: is empty; write the text of the query, or leave the line out"
    if example.label is not None and example.scores is not None:
        return "label and scores: give only one of both"
    for target, score in (example.scores or {}).items():
        if not 0.0 <= score <= 1.0:
            return f"scores.{_short(target)}: is {score:g}; write a number from 0 (wrong) to 1 (right)"
    for target, answer in example.answers.items():
        if any(not isfinite(value) or value > 0.0 for value in answer.logprobs):
            return f"answers.{_short(target)}.logprobs: log-probabilities are finite and not above 0"
    return None


def _short(name: str) -> str:
    return name if len(name) <= MAX_NAME_CHARS else f"{name[:MAX_NAME_CHARS]}…"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(_short, names))


def fit_for(examples: Iterable[Example], labels: Sequence[str], targets: Sequence[str]) -> None:
    """Refuse what does not fit to the labels. Raises ``ExamplesError``."""
    errors = []
    kinds: dict[str, str] = {}
    for number, example in enumerate(examples, 1):
        place = example.place or f"example {number}"
        if example.label is not None:
            kinds.setdefault("label", place)
            if example.label not in labels:
                errors.append(f"{place}: label: {_short(example.label)!r} is none of {_listed(labels)}")
        elif example.scores is not None:
            kinds.setdefault("scores", place)
            if missing := [target for target in targets if target not in example.scores]:
                errors.append(f"{place}: scores: has none for {_listed(missing)}; give one for every target")
    if len(kinds) == 2:
        errors.append(f"{kinds['label']} has a label and {kinds['scores']} has scores: give all one of both")
    if errors:
        raise ExamplesError(errors)
