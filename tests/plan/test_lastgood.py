"""Records of valid specs, as text that anybody may have changed."""

from hypothesis import given
from hypothesis import strategies as st

from signalbox.plan.lastgood import Record, decode, encode, record_of

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
