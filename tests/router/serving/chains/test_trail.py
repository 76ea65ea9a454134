"""The trail as a header: bounded, ASCII, and nothing where nobody asks."""

import json

from signalbox.router.serving.chains.trail import MAX_BYTES, MAX_ENTRIES, Trail


def test_entries_without_what_is_empty() -> None:
    trail = Trail(kept=True)
    trail.add("step 1", target="small", score=0.0, why="", tokens=None)
    assert json.loads(trail.header()) == [{"what": "step 1", "target": "small", "score": 0.0}]


def test_what_is_too_much_is_counted() -> None:
    trail = Trail(kept=True)
    for number in range(MAX_ENTRIES + 5):
        trail.add(f"sample {number}", why="x" * 300)
    header = trail.header()
    *entries, more = json.loads(header)
    assert len(header) <= MAX_BYTES
    assert more == {"what": f"{MAX_ENTRIES + 5 - len(entries)} more"}


def test_it_is_ascii() -> None:
    trail = Trail(kept=True)
    trail.add("größer")
    assert trail.header().isascii()
    json.loads(trail.header())


def test_none_is_kept_where_nobody_asks() -> None:
    trail = Trail(kept=False)
    trail.add("step 1")
    assert trail.header() == b"[]"
