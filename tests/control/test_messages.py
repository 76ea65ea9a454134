"""Lines of the control stream."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalbox.control.messages import (
    MAX_REPORT_BYTES,
    Config,
    Hello,
    Malformed,
    Ping,
    Rejected,
    Report,
    Revoked,
    Traffic,
    Waiting,
    from_router,
    line,
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
