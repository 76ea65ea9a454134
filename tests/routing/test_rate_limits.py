"""Headers that say that nothing is left of a provider's rate limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalbox.routing.rate_limits import exhausted

NOW = 1_790_000_000.0


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        (b"6m0s", 300.0),  # five minutes are the most
        (b"1m30.5s", 90.5),
        (b"1s", 1.0),
        (b"20ms", 0.02),
        (b"1s500ms", 1.5),
        (b"1h", 300.0),
        (b"2m", 120.0),
        (b" 12 ", 12.0),
        (b"0", 0.0),
        (b"0.25", 0.25),
        (b"1790000007", 7.0),
        (b"1789999999", 0.0),
        (b"", None),
        (b"soon", None),
        (b"nan", None),
        (b"inf", 300.0),
        (b"-1", 0.0),
        (b"5m s", None),
    ],
)
def test_every_way_of_writing_when(reset: bytes, seconds: float | None) -> None:
    headers = {b"x-ratelimit-remaining-requests": b"0", b"x-ratelimit-reset-requests": reset}
    found = exhausted(headers, NOW)
    assert found == (None if seconds is None else pytest.approx(seconds))


def test_the_later_of_two_counts_and_what_is_left_does_not() -> None:
    tokens = {b"x-ratelimit-remaining-tokens": b"0", b"x-ratelimit-reset-tokens": b"9s"}
    requests = {b"x-ratelimit-remaining-requests": b"0", b"x-ratelimit-reset-requests": b"2s"}
    assert exhausted(tokens | requests, NOW) == 9.0
    assert exhausted(tokens | requests | {b"x-ratelimit-remaining-tokens": b"1"}, NOW) == 2.0
    assert exhausted({}, NOW) is None
    assert exhausted({b"x-ratelimit-remaining-tokens": b"0"}, NOW) is None


@given(st.binary(max_size=30))
def test_whatever_is_said_it_is_no_error(reset: bytes) -> None:
    headers = {b"x-ratelimit-remaining-requests": b"0", b"x-ratelimit-reset-requests": reset}
    found = exhausted(headers, NOW)
    assert found is None or 0.0 <= found <= 300.0
