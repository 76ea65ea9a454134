"""The cases: files of YAML, one a family, whose steps are bytes to send and what to do between them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import yaml

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Step:
    """One thing that the hostile side does.

    ``send`` bytes, ``times`` times over; ``wait`` seconds; send ``drip`` again and again, ``every`` so many seconds,
    until the other side has closed; ``leave`` by a reset; ``end`` its half of the connection; ``stall``: read nothing
    for so many seconds. Inside TLS, ``beneath`` are bytes that are sent past it, ``cut`` ends the connection without
    the word that TLS has for it, and ``crumbs`` says that what is sent comes one byte in each of its ``packets`` or
    ``records``.
    """

    send: bytes = b""
    times: int = 1
    wait: float = 0.0
    drip: bytes = b""
    every: float = 0.0
    leave: bool = False
    end: bool = False
    stall: float = 0.0
    beneath: bytes = b""
    cut: bool = False
    crumbs: str = ""


@dataclass(frozen=True)
class Case:
    """``right`` are the outcomes that are right, the usual one first. ``allowed`` is why others may do otherwise.

    ``behind``: a sound request follows on the same connection. ``stream`` is how an engine is asked.
    """

    name: str
    steps: tuple[Step, ...]
    right: tuple[str, ...]
    allowed: str = ""
    behind: bool = True
    stream: bool = False


@dataclass(frozen=True)
class Family:
    """Cases of one kind. ``together``: they wait for time-outs, side by side. ``alone`` is why Envoy is not asked.

    ``beneath``: bytes that go to a TLS port as they are. ``rounds`` is how often each is played. ``speaks`` is the
    operation in whose API clients must be told of errors, ``format`` the API of an engine.
    """

    name: str
    title: str
    about: str
    cases: tuple[Case, ...]
    together: bool = False
    alone: str = ""
    beneath: bool = False
    rounds: int = 1
    speaks: str = ""
    format: str = "OpenAI"

    @property
    def translated(self) -> bool:
        """Whether clients speak another API than the engine does."""
        return (self.speaks == "messages") != (self.format == "Anthropic")


def families(side: str, words: Mapping[str, str]) -> list[Family]:
    """All families of a side, ``requests`` or ``engines``. ``$NAME`` in bytes stands for the word of that name."""
    return [family for path in sorted((HERE / side).glob("*.yaml")) for family in _families(path, words)]


def _families(path: Path, words: Mapping[str, str]) -> Iterator[Family]:
    """One, or one for each of its ``variants``, which say what is different in it."""
    content = yaml.safe_load(path.read_text())
    for variant in content.get("variants", [{}]):
        name = variant.get("name", "")
        given = {**variant.get("words", {}), **content.get("words", {})}
        yield _family(f"{path.stem}_{name}" if name else path.stem, {**content, **variant, "words": given}, words)


def _family(name: str, content: Mapping[str, Any], words: Mapping[str, str]) -> Family:
    """``same`` names cases of other sides, by folder and file; of the first variant, where there are some."""
    known = dict(words)
    for word, text in content.get("words", {}).items():
        known[word] = Template(text).substitute(known)
    variant = content.get("name", "")
    cases = (_case(each, known, variant) for each in content.get("cases", ()) if _is_for(variant, each["right"]))
    every = (*_same(content.get("same", {}), words), *cases)
    assert len({case.name for case in every}) == len(every), f"{name}: two cases have one name"
    return Family(
        name,
        content["title"],
        content["about"].strip(),
        every,
        content.get("together", False),
        content.get("alone", ""),
        content.get("beneath", False),
        content.get("rounds", 1),
        content.get("speaks", ""),
        content.get("format", "OpenAI"),
    )


def _same(chosen: Mapping[str, list[str]], words: Mapping[str, str]) -> Iterator[Case]:
    for file, names in chosen.items():
        there = {case.name: case for case in next(_families(HERE / f"{file}.yaml", words)).cases}
        yield from (there[name] for name in names)


def _is_for(variant: str, right: Any) -> bool:
    return not isinstance(right, dict) or variant in right


def _case(content: Mapping[str, Any], words: Mapping[str, str], variant: str) -> Case:
    """What is right may be said for each variant by its name; one that is not named has not got the case."""
    right = content["right"]
    if isinstance(right, dict):
        right = right[variant]
    return Case(
        str(content["name"]),
        _steps(content["send"], words) if "send" in content else _sized(content, words),
        tuple(map(str, right if isinstance(right, list) else [right])),
        content.get("allowed", ""),
        content.get("behind", True),
        content.get("stream", False),
    )


def _steps(content: Any, words: Mapping[str, str]) -> tuple[Step, ...]:
    return tuple(_step(each, words) for each in (content if isinstance(content, list) else [content]))


def _sized(content: Mapping[str, Any], words: Mapping[str, str]) -> tuple[Step, ...]:
    """``body`` with a sound head, ``lines`` in it."""
    body = _steps(content["body"], words)
    size = sum(len(step.send) * step.times for step in body)
    head = f"${{POST}}{content.get('lines', '')}content-length: {size}\r\n\r\n"
    return Step(_bytes(head, words)), *body


def _step(content: str | Mapping[str, Any], words: Mapping[str, str]) -> Step:
    if isinstance(content, str):
        return Step(_bytes(content, words))
    fields = {**content}
    for name in ("send", "drip", "beneath"):
        if name in fields:
            fields[name] = _bytes(fields[name], words)
    return Step(**fields)


def _bytes(text: str, words: Mapping[str, str]) -> bytes:
    """``\\xNN`` of YAML is that byte; what is beyond is UTF-8."""
    text = Template(text).substitute(words)
    return text.encode("latin-1" if all(ord(each) < 256 for each in text) else "utf-8")
