"""Keys, as digests."""

import hashlib

import pytest

from signalbox.router.serving.keys import KeyTable
from signalbox.routing.config import Access, Policy, Tenant

GOLD, SILVER = b"key-of-the-gold-team", b"key-of-the-silver-team"


def policy(name: str, *tenants: Tenant, anonymous: bool = False) -> Policy:
    return Policy(
        name=name,
        models=(f"{name}-1", f"{name}-2"),
        access=Access(anonymous=anonymous, tenants=tenants),
        targets=(),
        routes=(),
    )


def digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def digests(*keys: bytes) -> bytes:
    return b"\n".join(hashlib.sha256(key).hexdigest().encode() for key in keys) + b"\n"


POLICIES = (
    policy("chat", Tenant(name="gold", tier="gold", keys=("g",)), Tenant(name="silver", keys=("s",))),
    policy("code", Tenant(name="experts", keys=("g",))),
    policy("open", anonymous=True),
)
SECRETS = {"g": digests(GOLD, b"another-key-of-gold"), "s": digests(SILVER).upper()}


def test_key_proves_a_tenant_of_the_policies_that_list_it() -> None:
    table = KeyTable.build(POLICIES, SECRETS)
    gold = table.tenant("chat", digest(GOLD))
    assert gold is not None
    assert (gold.name, gold.tier) == ("gold", "gold")
    experts = table.tenant("code", digest(GOLD))
    assert experts is not None
    assert experts.name == "experts"
    assert table.tenant("code", digest(SILVER)) is None
    assert table.tenant("open", digest(GOLD)) is None
    assert table.tenant("chat", b"") is None
    assert table.known(digest(SILVER))
    assert not table.known(digest(GOLD + b" "))


def test_models_are_those_that_the_key_opens_and_the_open_ones() -> None:
    table = KeyTable.build(POLICIES, SECRETS)
    assert table.models(digest(SILVER)) == ("chat-1", "chat-2", "open-1", "open-2")
    assert table.models(digest(GOLD)) == ("chat-1", "chat-2", "code-1", "code-2", "open-1", "open-2")
    assert table.models(digest(b"unknown")) == table.models(b"") == ("open-1", "open-2")


def test_key_of_two_tenants_belongs_to_the_first() -> None:
    both = policy("p", Tenant(name="a", keys=("x",)), Tenant(name="b", keys=("x",)))
    tenant = KeyTable.build((both,), {"x": digests(GOLD)}).tenant("p", digest(GOLD))
    assert tenant is not None
    assert tenant.name == "a"


@pytest.mark.parametrize("content", [b"abc", b"x" * 64, GOLD, b"\xff" * 64])
def test_unreadable_entry_is_named_and_its_content_is_not_shown(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"entry g, line 1: not a SHA-256") as caught:
        KeyTable.build(POLICIES, SECRETS | {"g": content})
    assert content.decode("latin-1") not in str(caught.value)


def test_missing_entry_is_named() -> None:
    with pytest.raises(ValueError, match="entry s is missing"):
        KeyTable.build(POLICIES, {"g": SECRETS["g"]})


def test_no_key_is_kept() -> None:
    table = KeyTable.build(POLICIES, SECRETS)
    table.tenant("chat", digest(GOLD))
    kept = [getattr(owner, slot) for owner in table._owners.values() for slot in ("digest", "models", "tenants")]
    assert GOLD.decode() not in repr(kept)
