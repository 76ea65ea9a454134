"""The file of recorded lines."""

from pathlib import Path
from unittest.mock import Mock

import msgspec
import pytest

from signalbox.recording.store import Store, StoreError

LINES = [{"prompt": "a", "group": "g"}, {"prompt": "b", "answers": {"old": {"text": "x"}}}]


def read(path: Path) -> list[object]:
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]


def test_answers_are_there_at_once_and_in_order_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    store = Store(path, LINES)
    store.add(LINES[1], {"new": {"text": "2"}})
    store.add(LINES[0], {"new": {"text": "1"}})
    assert {"prompt": "b", "answers": {"old": {"text": "x"}, "new": {"text": "2"}}} in read(path)
    store.close()
    assert read(path) == [
        {"prompt": "a", "group": "g", "answers": {"new": {"text": "1"}}},
        {"prompt": "b", "answers": {"old": {"text": "x"}, "new": {"text": "2"}}},
    ]


def test_what_is_there_is_not_missing(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(
        b'{"prompt": "a", "answers": {"new": {"text": "1"}}}\n{"prompt": "z", "answers": {}}\n{"prompt": "b", "ans'
    )
    store = Store(path, LINES)
    assert store.missing(LINES[0], ["new", "other"]) == ["other"]
    assert store.missing(LINES[0], ["new"], samples=2) == ["new"]
    assert store.missing(LINES[1], ["old", "new"]) == ["new"]
    store.close()
    # The half line of a run that was killed is gone; a query that is not asked any more stays.
    assert [line["prompt"] for line in read(path)] == ["a", "b", "z"]  # type: ignore[index]


def test_another_file_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("my notes\nmore\n")
    with pytest.raises(StoreError, match=r"notes.txt line 1: is no recorded line; name another file with --out"):
        Store(path, LINES)
    assert path.read_text() == "my notes\nmore\n"


def test_the_file_of_the_queries_itself_loses_none(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in LINES))
    store = Store(path, LINES, keep=True)
    assert read(path) == LINES
    store.add(LINES[1], {"new": {"text": "2"}})
    store.close()
    assert read(path) == [LINES[0], {"prompt": "b", "answers": {"old": {"text": "x"}, "new": {"text": "2"}}}]


def test_a_second_run_is_refused_while_one_writes(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    first = Store(path, LINES)
    with pytest.raises(StoreError, match=r"out.jsonl: another run writes it; wait for its end, or name another"):
        Store(path, LINES)
    first.add(LINES[0], {"small": {"text": "1"}})
    first.close()
    second = Store(path, LINES)
    second.add(LINES[0], {"strong": {"text": "2"}})
    second.close()
    assert read(path)[0] == {**LINES[0], "answers": {"small": {"text": "1"}, "strong": {"text": "2"}}}
    assert [each.name for each in tmp_path.iterdir()] == ["out.jsonl"]


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    path = tmp_path / "out.jsonl"
    path.symlink_to(tmp_path / "disk" / "out.jsonl")
    store = Store(path, LINES)
    store.add(LINES[0], {"small": {"text": "1"}})
    store.close()
    assert path.is_symlink()
    assert len(read(tmp_path / "disk" / "out.jsonl")) == 2


def test_a_full_disk_leaves_the_file_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.jsonl"
    store = Store(path, LINES)
    store.add(LINES[0], {"small": {"text": "1"}})
    before = path.read_bytes()
    monkeypatch.setattr(Path, "replace", Mock(side_effect=OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        store.close()
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["out.jsonl"]
