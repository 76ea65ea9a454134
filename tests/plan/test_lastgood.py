"""Records of valid specs, as texts that anybody may have changed."""

import base64
import gzip
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalbox.plan.lastgood import MAX_BYTES, POLICIES_KEY, Record, decode, encode, kept, record_of, remembered

json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
records = st.dictionaries(
    st.text(),
    st.builds(Record, uid=st.text(), generation=st.integers(0, 2**31), spec=st.dictionaries(st.text(), json)),
    max_size=3,
)


@given(records)
def test_what_is_written_is_read(given_records: dict[str, Record]) -> None:
    assert decode(encode(given_records)) == given_records
    assert encode(decode(encode(given_records))) == encode(given_records)


@given(
    st.text() | st.sampled_from(["", "{", "[]", "null", '{"a": {}}', '{"a": {"uid": 1, "generation": 1, "spec": {}}}'])
)
def test_anything_else_is_nothing(text: str) -> None:
    assert decode(text) in ({}, decode("{}"))


def test_a_record_is_the_spec_as_it_was_written() -> None:
    obj = {"metadata": {"uid": "u", "generation": 2, "labels": {}}, "spec": {"model": "m"}, "status": {}}
    assert record_of(obj) == Record(uid="u", generation=2, spec={"model": "m"})


def test_records_are_kept_compressed_and_old_ones_read_still() -> None:
    records = {"a": Record(uid="u", generation=2, spec={"routes": ["the same again"] * 100})}
    data = remembered({POLICIES_KEY: records}, 1000)
    assert len(data["policies.json.gz"]) < 300
    assert kept({"binaryData": data}, POLICIES_KEY) == records
    assert remembered({POLICIES_KEY: records}, 1000) == data
    assert kept({"data": {POLICIES_KEY: encode(records).decode()}}, POLICIES_KEY) == records


def test_where_not_all_have_room_the_largest_are_left_out() -> None:
    noise = random.Random(1)
    records = {
        str(size): Record(uid="u", generation=1, spec={"x": noise.randbytes(size // 2).hex()})
        for size in (100, 5_000, 300_000)
    }
    data = remembered({POLICIES_KEY: records, "backends.json": {}}, 20_000)
    assert sum(len(base64.b64decode(content)) for content in data.values()) <= 20_000
    assert kept({"binaryData": data}, POLICIES_KEY).keys() == {"100", "5000"}


@pytest.mark.parametrize(
    "content",
    [
        "no base64!",
        base64.b64encode(b"not compressed").decode(),
        base64.b64encode(gzip.compress(b"{}", mtime=0)[:-4]).decode(),
        base64.b64encode(gzip.compress(b"\xff", mtime=0)).decode(),
        base64.b64encode(gzip.compress(b" " * (MAX_BYTES + 1) + b"{}", mtime=0)).decode(),
    ],
)
def test_what_nobody_can_read_is_nothing(content: Any) -> None:
    assert kept({"binaryData": {"policies.json.gz": content}}, POLICIES_KEY) == {}
