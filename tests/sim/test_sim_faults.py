"""Faults as text."""

import pytest

from signalbox.sim.faults import Faults, decode, encode, parse


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("stalled", Faults(stalled=True)),
        ("status=429,retryAfter=2", Faults(status=429, retry_after=2)),
        ("slow=5, seconds=10", Faults(slow=5, seconds=10)),
        ("errorEvent=503,percent=30", Faults(error_event=503, percent=30)),
    ],
)
def test_the_form_of_the_command_line(text: str, faults: Faults) -> None:
    assert parse(text) == faults
    assert decode(encode(faults)) == faults


@pytest.mark.parametrize("text", ["nonsense", "status=200", "slow=0", "percent=101,status=500", "status=many"])
def test_what_makes_no_sense_is_refused_with_the_kinds_there_are(text: str) -> None:
    with pytest.raises(ValueError, match=r"errorEvent|status|factor|percent"):
        parse(text)
