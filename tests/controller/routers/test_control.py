"""What a new leader makes of the digests that routers' files hold."""

from configs import config, policy

from signalbox.control.hub import MAX_REVOKED
from signalbox.control.messages import MAX_DIGESTS, Hello, Revoked, to_router
from signalbox.control.peers import Peer, Router
from signalbox.controller.routers.control import Control
from signalbox.routing.config import Access, Tenant

ROUTER = Router("team", "router")
PEER = Peer(ROUTER, "pod", "uid", 0.0)
OLD, NEW, NEWER = "a" * 64, "b" * 64, "c" * 64
CONFIG = config(policy(access=Access(tenants=(Tenant(name="t", keys=("keys",)),))))


def hello(control: Control, *digests: str) -> None:
    control.hello(PEER, Hello(format_version=1, digests=digests))


def publish(control: Control, *digests: str) -> None:
    control.publish("team", CONFIG, {"keys": "\n".join(digests).encode()})


def revoked(control: Control) -> tuple[str, ...]:
    said = to_router().feed(control.hub.channel(ROUTER).revoked)
    return said[0].digests if said and isinstance(said[0], Revoked) else ()


def test_what_files_hold_and_nothing_names_is_revoked_whoever_comes_first() -> None:
    control = Control(lambda _: None)
    hello(control, OLD, NEW)  # nothing has been published yet
    publish(control, NEW)
    assert revoked(control) == (OLD,)
    other = Control(lambda _: None)
    publish(other, NEW)
    hello(other, OLD, NEW)
    assert revoked(other) == (OLD,)


def test_what_is_in_force_is_never_revoked() -> None:
    control = Control(lambda _: None)
    publish(control, NEW)
    hello(control, NEWER, "no digest")
    assert revoked(control) == (NEWER,)
    publish(control, NEW, NEWER)  # and it is good again
    assert revoked(control) == ()


def test_a_pod_cannot_make_us_remember_without_end() -> None:
    control = Control(lambda _: None)
    for start in range(0, 4 * MAX_REVOKED, 2 * MAX_DIGESTS):
        hello(control, *(f"{number:064x}" for number in range(start, start + 2 * MAX_DIGESTS)))
    publish(control, NEW)
    assert MAX_REVOKED <= len(revoked(control)) <= MAX_REVOKED + MAX_DIGESTS
    for start in range(0, 4 * MAX_REVOKED, 2 * MAX_DIGESTS):
        hello(control, *(f"{number:064d}" for number in range(start, start + 2 * MAX_DIGESTS)))
    assert len(revoked(control)) <= 2 * MAX_REVOKED + MAX_DIGESTS
