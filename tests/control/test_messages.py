"""Lines of the control stream."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalbox.control.messages import (
    MAX_REPORT_BYTES,
    MAX_WAYS,
    Applied,
    Config,
    Hello,
    Lease,
    Malformed,
    Ping,
    Rejected,
    Report,
    Revoked,
    RouteWeights,
    Sent,
    SetWeights,
    Traffic,
    Waiting,
    from_router,
    line,
    report_line,
    to_router,
)

CONFIG = b'{"b":[1,2.50,"\\u00e9"],"a":{}}'
DOWN = (Config(hash="1", config=msgspec.Raw(CONFIG)), Revoked(digests=("a", "b")), Ping())
UP = (
    Hello(format_version=1, config_hash="x", workers=2),
    Report(
        config_hash="x",
        waits_for=Waiting("y", ("k",)),
        rejected=Rejected("z", "why"),
        backends={"a": Traffic(known=2, usable=1, causes=("connect",), requests=3)},
    ),
)


@given(st.integers(1, 64))
def test_messages_arrive_however_they_are_cut(size: int) -> None:
    for lines, messages in ((to_router(), DOWN), (from_router(), UP)):
        data = b"".join(map(line, messages))
        found = [m for i in range(0, len(data), size) for m in lines.feed(data[i : i + size])]
        assert found == list(messages)


def test_a_configuration_arrives_byte_for_byte() -> None:
    (found,) = to_router().feed(line(DOWN[0]))
    assert isinstance(found, Config)
    assert bytes(found.config) == CONFIG


def test_what_is_not_known_is_ignored() -> None:
    lines = from_router()
    assert lines.feed(b'{"type":"song","x":1}\n\n') == []
    assert lines.feed(b'{"verse":2,"type":"report","configHash":"x","load":{"a":[1]}}\n') == [Report(config_hash="x")]


@pytest.mark.parametrize(
    "data", [b"{}\n", b"[]\n", b"nothing\n", b'{"type":"report","backends":3}\n', b"\xff\n", b"[" * 9999 + b"\n"]
)
def test_nonsense_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        from_router().feed(data)


def test_a_line_is_bounded() -> None:
    lines = from_router()
    with pytest.raises(Malformed):
        for _ in range(MAX_REPORT_BYTES // 1000 + 1):
            lines.feed(b"x" * 1000)
    with pytest.raises(Malformed):
        from_router().feed(b'"' + b"x" * MAX_REPORT_BYTES + b'"\n')


BUSY = Traffic(known=9, usable=9, started=10**9, completed=10**9, input_tokens=10**12, output_tokens=10**12)
PART = Lease(requests_per_minute=10**6)
ROUTE = RouteWeights(sets=(SetWeights(effective={"t": 1.0}),))


def report(backends: int, ways: int = 0, policies: int = 0) -> Report:
    """One of so many things with long names."""
    names = [f"{'x' * 240}-{number}" for number in range(max(backends, ways, policies))]
    return Report(
        config_hash="0" * 16,
        backends=dict.fromkeys(names[:backends], BUSY),
        leases=dict.fromkeys(names[:backends:4], Applied(lease=PART, most=PART)),
        sent={name: {"r": {"t": Sent(requests=10**9)}} for name in names[:ways]},
        weights={name: {"r": ROUTE} for name in names[:policies]},
    )


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (report(300, 3, 3), report(300, 3, 3)),
        (report(300, MAX_WAYS, 3), report(300, 0, 3)),
        (report(300, 3, MAX_WAYS), report(300)),
        (report(600, MAX_WAYS, MAX_WAYS), report(300)),
        (report(5000), report(312)),
    ],
    ids=["fits", "ways", "weights", "backends", "very many backends"],
)
def test_of_a_report_that_is_too_long_what_matters_least_stays_unsaid(said: Report, kept: Report) -> None:
    assert from_router().feed(report_line(said)) == [kept]
