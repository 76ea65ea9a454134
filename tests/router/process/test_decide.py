"""Which configuration serves with which secrets."""

import pytest
from configs import backend, config, policy

from signalbox.router.process.decide import Serving, decide
from signalbox.routing.config import Access, Address, Tenant, content_hash, encode


class Engine:
    name = "engine"
    address = Address(host="10.0.0.1", port=80)


def keyed(entry: str) -> bytes:
    access = Access(tenants=(Tenant(name="team", keys=(entry,)),))
    return encode(config(policy(backend(Engine()), access=access), backend(Engine())))


OLD, NEW = keyed("old"), keyed("new")
BOTH = {"old": b"1", "new": b"2"}


def test_a_configuration_counts_when_all_its_entries_are_there() -> None:
    found = decide(NEW, None, {"old": b"1"}, None, {})
    assert (found.serve, found.newest, found.missing) == (None, content_hash(NEW), ("new",))
    assert decide(NEW, None, BOTH, None, {}).serve == Serving(NEW, BOTH)


def test_until_then_the_one_in_force_goes_on_with_new_secrets() -> None:
    before = Serving(OLD, {"old": b"1"})
    found = decide(NEW, None, {"old": b"rotated"}, before, {})
    assert (found.serve, found.missing) == (Serving(OLD, {"old": b"rotated"}), ("new",))
    assert decide(NEW, None, {}, before, {}).serve == before  # its own entry has gone: it keeps what it had


def test_where_nothing_serves_an_older_one_may() -> None:
    found = decide(NEW, OLD, {"old": b"1"}, None, {})
    assert (found.serve, found.missing) == (Serving(OLD, {"old": b"1"}), ("new",))


@pytest.mark.parametrize("content", [b"", b"{", b'{"formatVersion": 99, "name": "x", "policies": [], "backends": []}'])
def test_what_can_never_serve_is_rejected(content: bytes) -> None:
    before = Serving(OLD, BOTH)
    found = decide(content, None, BOTH, before, {})
    assert found.serve == before
    assert found.rejected


def test_what_workers_refused_is_not_tried_again_with_the_same_secrets() -> None:
    before = Serving(OLD, BOTH)
    refusals = {NEW: (Serving(NEW, BOTH), "no digest")}
    found = decide(NEW, None, BOTH, before, refusals)
    assert (found.serve, found.rejected) == (before, "no digest")
    other = BOTH | {"new": b"3"}
    assert decide(NEW, None, other, before, refusals).serve == Serving(NEW, other)


def test_secrets_that_the_one_in_force_cannot_use_leave_it_as_it_was() -> None:
    before, worse = Serving(OLD, BOTH), BOTH | {"old": b"bad"}
    refusals = {OLD: (Serving(OLD, worse), "bad"), NEW: (Serving(NEW, worse), "worse")}
    assert decide(NEW, None, worse, before, refusals).serve == before
