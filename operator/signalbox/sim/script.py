"""Scripted answers as data: an ordered list of rules, of which the first that fits a request answers it."""

import math
import re
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import yaml

from signalbox.sim.prompts import Asked

Texts = str | tuple[str, ...]
Natural = Annotated[int, msgspec.Meta(ge=1)]


class _Data(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel"):
    """A mapping of a script."""


class When(_Data, frozen=True):
    """All that is given must hold; nothing fits every request.

    ``contains``, ``system`` and ``user`` are texts (a list: all of them) that the whole request, its instructions or
    its last user message contains. ``matches`` is a regular expression that is searched for in the whole request.
    """

    contains: Texts = ()
    system: Texts = ()
    user: Texts = ()
    matches: str = ""
    model: str = ""
    engine: str = ""
    stream: bool | None = None

    def __post_init__(self) -> None:
        try:
            re.compile(self.matches)
        except re.error as error:
            raise ValueError(f"matches is no regular expression: {error}") from None

    def fits(self, asked: Asked, engine: str) -> bool:
        """Whether a request to an engine of this name is meant."""
        return (
            self.model in {"", asked.model}
            and self.engine in {"", engine}
            and self.stream in {None, asked.stream}
            and _all_in(self.contains, asked.text)
            and _all_in(self.system, asked.system)
            and _all_in(self.user, asked.user)
            and re.search(self.matches, asked.text) is not None
        )


class ToolCall(_Data, frozen=True):
    """A call of a tool; arguments given as a text are sent as they are."""

    name: str
    arguments: dict[str, Any] | str = {}

    @property
    def text(self) -> str:
        """The arguments as JSON."""
        return self.arguments if isinstance(self.arguments, str) else msgspec.json.encode(self.arguments).decode()


class Rule(_Data, frozen=True):
    """What is said to the requests that fit ``when``, to the first ``times`` of them if that is given.

    The answer is ``answer``, the next of ``answers``, or ``json``, besides it ``toolCalls``; with none of them it is
    what an unscripted engine would say. Tokens have ``confidence`` as their probability, or ``logprob`` as its
    logarithm (a list: token by token, the last for all that follow); ``alternatives`` are texts that the first token
    might have been, with their probabilities. ``outputTokens`` is the length of the answer as it is billed, ``delay``
    the seconds before its first token or its error. The others are the faults of these names.
    """

    name: str = ""
    when: When = When()
    times: Natural | None = None
    answer: str | None = None
    answers: tuple[str, ...] = ()
    json: Any = None
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str = ""
    logprob: float | tuple[float, ...] | None = None
    confidence: float | None = None
    alternatives: dict[str, float] = {}
    output_tokens: Natural | None = None
    delay: float = 0.0
    status: int | None = None
    code: str | None = None
    retry_after: float | None = None
    error_event: int | None = None
    cut_after: int | None = None
    stalled: bool = False

    def __post_init__(self) -> None:
        if sum((self.answer is not None, bool(self.answers), self.json is not None)) > 1:
            raise ValueError("answer, answers and json exclude each other: keep one")
        if self.logprob is not None and self.confidence is not None:
            raise ValueError("logprob and confidence say the same: keep one")
        if self.confidence is not None and not 0 < self.confidence <= 1:
            raise ValueError("confidence is a probability: write a number above 0, at most 1")
        if any(value > 0 for value in self.logprobs):
            raise ValueError("logprob is the logarithm of a probability: write 0 or less, or use confidence")
        if any(not 0 < share <= 1 for share in self.alternatives.values()):
            raise ValueError("alternatives are texts with probabilities: write {TEXT: 0.2}")
        if self.delay < 0:
            raise ValueError("delay is in seconds: write 0 or more")
        for name, status in (("status", self.status), ("errorEvent", self.error_event)):
            if status is not None and not 400 <= status <= 599:
                raise ValueError(f"{name} is an error: write 400 to 599")

    @property
    def logprobs(self) -> tuple[float, ...]:
        """Log-probabilities, token by token; none: plausible ones."""
        if self.confidence is not None:
            return (math.log(self.confidence),)
        if self.logprob is None:
            return ()
        return self.logprob if isinstance(self.logprob, tuple) else (self.logprob,)

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts to say, in turn; none: no text is scripted."""
        if self.json is not None:
            return (msgspec.json.encode(self.json).decode(),)
        return self.answers if self.answer is None else (self.answer,)


def parse(text: str | bytes) -> tuple[Rule, ...]:
    """Read YAML or JSON. Raises ``ValueError`` that names the rule and the fix."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"the script is not YAML: {error}") from None
    return read(value)


def read(value: object) -> tuple[Rule, ...]:
    """Understand a list of rules. Raises ``ValueError`` that names the rule and the fix."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise ValueError("a script is a list of rules: write - {when: {contains: TEXT}, answer: TEXT}")  # noqa: TRY004
    return tuple(_rule(each, number) for number, each in enumerate(value, 1))


def encode(rules: Sequence[Rule]) -> bytes:
    """The JSON that ``parse`` reads."""
    return msgspec.json.encode(rules)


def _rule(value: object, number: int) -> Rule:
    name = value.get("name") if isinstance(value, dict) else None
    shown = f"rule {number} ({name})" if name else f"rule {number}"
    try:
        rule = msgspec.convert(value, Rule)
    except msgspec.ValidationError as error:
        raise ValueError(f"{shown} of the script: {error}{_hint(str(error))}") from None
    return rule if rule.name else msgspec.structs.replace(rule, name=f"rule {number}")


def _hint(message: str) -> str:
    """The fix for what msgspec says is wrong."""
    if "unknown field" in message:
        kind = next((kind for path, kind in (("$.when", When), ("$.toolCalls", ToolCall)) if path in message), Rule)
        return f"; the fields are {', '.join(field.encode_name for field in msgspec.structs.fields(kind))}"
    wants_text = message.startswith("Expected `str") and "got `array`" not in message
    return "; put the text in quotes" if wants_text else ""


def _all_in(wanted: Texts, text: str) -> bool:
    return all(each in text for each in ((wanted,) if isinstance(wanted, str) else wanted))
