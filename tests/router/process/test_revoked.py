"""Keys that were taken away, while mounted files still have them."""

from configs import backend, config, policy

from signalbox.router.process.revoked import KEEP_SECONDS, RevokedDigests
from signalbox.routing.config import Access, Address, Tenant


class Engine:
    name = "engine"
    address = Address(host="10.0.0.1", port=80)


CONFIG = config(
    policy(backend(Engine()), access=Access(tenants=(Tenant(name="team", keys=("keys",)),))), backend(Engine())
)
ONE, TWO = "a" * 64, "b" * 64
SECRETS = {"keys": f"{ONE.upper()}\n{TWO}".encode(), "token": ONE.encode()}


def test_only_digests_of_tenants_are_taken_out() -> None:
    revoked = RevokedDigests(lambda: 0.0)
    assert revoked.without(CONFIG, SECRETS) == SECRETS
    revoked.heard([ONE])
    assert revoked.without(CONFIG, SECRETS) == SECRETS | {"keys": TWO.encode()}
    revoked.heard([])
    assert revoked.without(CONFIG, SECRETS) == SECRETS


def test_they_are_forgotten_in_time() -> None:
    now = 0.0
    revoked = RevokedDigests(lambda: now)
    revoked.heard([ONE, TWO])
    now = KEEP_SECONDS - 1
    assert revoked.without(CONFIG, SECRETS)["keys"] == b""
    now = KEEP_SECONDS
    assert revoked.without(CONFIG, SECRETS) == SECRETS


def test_what_the_files_hold_is_said_whatever_was_revoked() -> None:
    revoked = RevokedDigests(lambda: 0.0)
    revoked.heard([ONE])
    assert revoked.held(CONFIG, SECRETS) == [ONE, TWO]
    assert revoked.held(CONFIG, {"token": ONE.encode()}) == []
