"""The file of recorded lines: what is in it is not asked again, and what was asked is not lost when the command ends.

Lines are appended while it runs, so one may be there twice, or half: at the end the file is written anew, in the order
of the queries.
"""

import fcntl
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

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
        self._path = path.resolve()  # a link stays one
        self._keep = keep
        self._lines = lines
        self._answers: dict[bytes, dict[str, Any]] = {}
        for line in lines:
            self._take(line)
        self._others: dict[bytes, dict[str, Any]] = {}
        known = set(self._answers)
        with _claimed(self._path):
            for line in _read(self._path):
                if key_of(line) not in known:
                    self._others[key_of(line)] = line
                self._take(line)
            self._file = self._anew()

    def missing(self, line: dict[str, Any], targets: Sequence[str], samples: int = 1) -> list[str]:
        """Those that have not answered it so often."""
        there = self._answers[key_of(line)]
        return [target for target in targets if len(_each(there.get(target))) < samples]

    def given(self, line: dict[str, Any], target: str) -> list[dict[str, Any]]:
        """The answers of a target that are there, with all that was written beside them since: what a person found."""
        return _each(self._answers[key_of(line)].get(target))

    def add(self, line: dict[str, Any], answers: dict[str, Any]) -> None:
        """Keep answers, at once."""
        self._answers[key_of(line)].update(answers)
        self._file.write(_encode(self._whole(line)) + b"\n")
        self._file.flush()

    def close(self) -> None:
        """In order, each once. Raises ``OSError``, and leaves the file as it is."""
        with self._file:
            self._anew().close()

    def _anew(self) -> BinaryIO:
        """The whole file, written anew and claimed; queries that it has and the input has not stay at its end."""
        whole = [self._whole(line) for line in self._lines if self._keep or self._answers[key_of(line)]]
        beside = self._path.with_name(f"{self._path.name}.{os.getpid()}.tmp")
        file = beside.open("wb")
        try:
            _lock(file)
            file.write(b"".join(_encode(line) + b"\n" for line in (*whole, *self._others.values())))
            file.flush()
            beside.replace(self._path)
        except BaseException:
            with suppress(OSError):
                file.close()
            beside.unlink(missing_ok=True)
            raise
        return file

    def _whole(self, line: dict[str, Any]) -> dict[str, Any]:
        answers = self._answers[key_of(line)]
        return {**line, "answers": answers} if answers else line

    def _take(self, line: dict[str, Any]) -> None:
        given = line.get("answers")
        self._answers.setdefault(key_of(line), {}).update(given if isinstance(given, dict) else {})


def _each(answer: Any) -> list[dict[str, Any]]:
    """The first and its samples, each by itself."""
    if not isinstance(answer, dict):
        return []
    samples = answer.get("samples")
    first = {name: value for name, value in answer.items() if name != "samples"}
    return [first, *(each for each in samples if isinstance(each, dict))] if isinstance(samples, list) else [first]


def _claimed(path: Path) -> BinaryIO:
    """The file, for one run alone: a second one would write it anew without what the first was answered."""
    file = path.open("ab")
    try:
        _lock(file)
        if not os.path.samestat(os.fstat(file.fileno()), path.stat()):  # written anew since it was opened
            raise BlockingIOError
    except BlockingIOError:
        file.close()
        raise StoreError(f"{path}: another run writes it; wait for its end, or name another file") from None
    return file


def _lock(file: BinaryIO) -> None:
    """Raises ``BlockingIOError`` where another has it; not every file system knows locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return


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
