"""The file of recorded lines: what is in it is not asked again, and what was asked is not lost when the command ends.

Lines are appended while it runs, so one may be there twice, or half: at the end the file is written anew, in the order
of the queries.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

_encode = msgspec.json.encode
_QUERY = ("prompt", "messages", "request", "model")


class StoreError(ValueError):
    """A file that is not one of recorded lines."""


def key_of(line: dict[str, Any]) -> bytes:
    """Lines with equal queries are one: it is asked once."""
    return _encode({name: line.get(name) for name in _QUERY}, order="deterministic")


class Store:
    """``answers`` of a query are by target."""

    def __init__(self, path: Path, lines: Sequence[dict[str, Any]], *, keep: bool = False) -> None:
        """Read what is there. Raises ``StoreError`` and ``OSError``. ``keep``: lines without answers are written, too,
        because the lines come from this very file."""
        self._path = path
        self._keep = keep
        self._lines = lines
        self._answers: dict[bytes, dict[str, Any]] = {}
        for line in lines:
            self._take(line)
        self._others: dict[bytes, dict[str, Any]] = {}
        known = set(self._answers)
        if path.exists():
            for line in _read(path):
                if key_of(line) not in known:
                    self._others[key_of(line)] = line
                self._take(line)
        self.finish()
        self._file = path.open("ab")

    def missing(self, line: dict[str, Any], targets: Sequence[str], samples: int = 1) -> list[str]:
        """Those that have not answered it so often."""
        there = self._answers[key_of(line)]
        return [target for target in targets if target not in there or _count(there[target]) < samples]

    def add(self, line: dict[str, Any], answers: dict[str, Any]) -> None:
        """Keep answers, at once."""
        self._answers[key_of(line)].update(answers)
        self._file.write(_encode(self._whole(line)) + b"\n")
        self._file.flush()

    def close(self) -> None:
        """In order, each once."""
        self._file.close()
        self.finish()

    def finish(self) -> None:
        """Write the whole file anew; queries that it has and the input has not stay at its end."""
        whole = [self._whole(line) for line in self._lines if self._keep or self._answers[key_of(line)]]
        beside = self._path.with_name(f"{self._path.name}.{os.getpid()}.tmp")
        beside.write_bytes(b"".join(_encode(line) + b"\n" for line in (*whole, *self._others.values())))
        beside.replace(self._path)

    def _whole(self, line: dict[str, Any]) -> dict[str, Any]:
        answers = self._answers[key_of(line)]
        return {**line, "answers": answers} if answers else line

    def _take(self, line: dict[str, Any]) -> None:
        given = line.get("answers")
        self._answers.setdefault(key_of(line), {}).update(given if isinstance(given, dict) else {})


def _count(answer: Any) -> int:
    samples = answer.get("samples") if isinstance(answer, dict) else None
    return 1 + len(samples) if isinstance(samples, list) else 1


def _read(path: Path) -> list[dict[str, Any]]:
    """Its lines; the last may be half, where a run was cut off."""
    found = []
    texts = path.read_bytes().split(b"\n")
    for number, text in enumerate(texts, 1):
        if not text.strip():
            continue
        try:
            line = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            if number == len(texts):
                break
            line = None
        if not isinstance(line, dict) or not any(name in line for name in _QUERY):
            raise StoreError(f"{path} line {number}: is no recorded line; name another file with --out")
        found.append(line)
    return found
