"""Ids of responses: they tell where a response is kept, to whom they were given, and to nobody else."""

from hypothesis import given
from hypothesis import strategies as st

from signalbox.router.serving.response_ids import PREFIX, Kept, ResponseIds

IDS = ResponseIds(b"k" * 32)
KEPT = Kept("small", "0123456789abcdef", "resp_1")


@given(st.text(), st.text(), st.text(), st.sampled_from(["auto", "p"]), st.sampled_from(["", "team-a"]))
def test_what_was_sealed_opens_for_its_owner(target: str, endpoint: str, name: str, policy: str, tenant: str) -> None:
    kept = Kept(target, endpoint, name)
    sealed = IDS.seal(kept, policy, tenant)
    assert sealed.startswith(PREFIX)
    assert sealed.isascii()
    assert ResponseIds(b"k" * 32).open(sealed, policy, tenant) == kept
    assert IDS.open(sealed, policy, "team-b") is None
    assert IDS.open(sealed, "other", tenant) is None
    assert ResponseIds(b"x" * 32).open(sealed, policy, tenant) is None


@given(st.text() | st.text("abcXYZ019-_=").map(PREFIX.__add__))
def test_anything_else_is_no_id(text: str) -> None:
    assert IDS.open(text, "auto", "") is None


@given(st.integers(0, 200), st.sampled_from("abcXYZ"))
def test_an_altered_id_is_none(at: int, letter: str) -> None:
    sealed = IDS.seal(KEPT, "auto", "")
    at = len(PREFIX) + at % (len(sealed) - len(PREFIX))
    altered = sealed[:at] + letter + sealed[at + 1 :]
    # The last letter may hold bits that mean nothing.
    if sealed[at] != letter and at < len(sealed) - 1:
        assert IDS.open(altered, "auto", "") is None


def test_endpoints_are_named_by_a_keyed_hash() -> None:
    name = IDS.endpoint_hash("b", "10.0.0.1:8000")
    assert name == ResponseIds(b"k" * 32).endpoint_hash("b", "10.0.0.1:8000")
    assert (
        len({name, IDS.endpoint_hash("c", "10.0.0.1:8000"), ResponseIds(b"x").endpoint_hash("b", "10.0.0.1:8000")}) == 3
    )
