"""Mounted files are late, the stream may end: never back to what was replaced, and never stuck for ever."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalbox.router.process.choice import ALONE_SECONDS, LATE_SECONDS, LOST_SECONDS, Choice


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def choice(clock: Clock) -> Choice:
    return Choice(clock)


def test_without_a_stream_the_files_are_followed(choice: Choice, clock: Clock) -> None:
    assert choice.newest() is None
    for content in (b"1", b"2", b"1"):
        choice.lost()
        choice.mounted(content)
        assert choice.newest() == content
        clock.now += 1


def test_while_it_lives_the_stream_knows(choice: Choice, clock: Clock) -> None:
    choice.mounted(b"1")
    choice.streamed(b"3")
    choice.mounted(b"2")
    clock.now += 10 * LOST_SECONDS
    assert choice.newest() == b"3"


def test_a_late_file_does_not_bring_back_what_was_replaced(choice: Choice, clock: Clock) -> None:
    choice.mounted(b"1")
    choice.streamed(b"3")
    choice.lost()
    clock.now += 60
    choice.mounted(b"2")  # was written before the stream connected
    assert choice.newest() == b"3"
    clock.now += 30
    choice.mounted(b"3")
    clock.now += LOST_SECONDS
    assert choice.newest() == b"3"


def test_a_file_that_never_changed_says_nothing_new(choice: Choice, clock: Clock) -> None:
    choice.mounted(b"1")
    choice.streamed(b"2")
    choice.lost()
    clock.now += LOST_SECONDS - 1  # the kubelet is cut off as well
    assert choice.newest() == b"2"
    clock.now += 1
    assert choice.newest() == b"1"


def test_long_after_the_stream_spoke_a_change_counts_at_once(choice: Choice, clock: Clock) -> None:
    choice.mounted(b"1")
    choice.streamed(b"1")
    clock.now += 3600
    choice.lost()
    assert choice.newest() == b"1"
    choice.mounted(b"2")
    assert choice.newest() == b"2"
    choice.mounted(None)
    assert choice.newest() == b"2"
    choice.mounted(b"1")  # back again, as somebody wished
    assert choice.newest() == b"1"
    choice.streamed(b"4")
    assert choice.newest() == b"4"


@given(
    edits=st.lists(st.floats(0, 300), min_size=1, max_size=6),
    delays=st.lists(st.floats(0, LATE_SECONDS - 1), min_size=6, max_size=6),
    connected=st.floats(0, 1800),
    lasts=st.floats(0, 600),
)
def test_it_never_goes_back(edits: list[float], delays: list[float], connected: float, lasts: float) -> None:
    """Versions 0, 1, … are written at some times, told at once by a stream while it lives, and mounted late."""
    clock = Clock()
    clock.now = 0.0
    choice = Choice(clock)
    written, at = [0.0], 0.0
    for gap in edits:
        at += gap
        written.append(at)
    arrives = [0.0] + [
        max(w + d for w, d in zip(written[1 : i + 1], delays, strict=False)) for i in range(1, len(written))
    ]
    events = sorted({*written, *arrives, connected, connected + lasts, at + LOST_SECONDS})
    shown, told = -1, -1
    for now in events:
        clock.now = now
        choice.mounted(b"%d" % max(i for i, when in enumerate(arrives) if when <= now))
        if connected <= now < connected + lasts:
            current = max(i for i, when in enumerate(written) if when <= now)
            if current != told:
                choice.streamed(b"%d" % current)
                told = current
        else:
            choice.lost()
        newest = int(choice.newest() or b"-1")
        assert newest >= shown
        shown = newest
    clock.now += LOST_SECONDS
    assert int(choice.newest() or b"-1") == len(written) - 1


def test_a_router_is_alone_when_a_stream_has_been_missing_for_long(choice: Choice, clock: Clock) -> None:
    choice.mounted(b"1")
    clock.now += 10 * ALONE_SECONDS
    assert not choice.alone  # nobody expects a stream
    for _ in range(int(ALONE_SECONDS)):
        choice.lost()
        assert not choice.alone
        clock.now += 1
    assert choice.alone
    choice.streamed(b"1")
    assert not choice.alone
    clock.now += 10 * ALONE_SECONDS
    assert not choice.alone
