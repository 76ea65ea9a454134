"""Which bytes a router gets: from its own Secret and from others', where the source is no good or cannot be read."""

import asyncio
import base64
from typing import cast

import pytest
from world import API

from signalbox.controller.reconciling.sources import Known, Reading
from signalbox.controller.watching.store import Store
from signalbox.kube.client import Client, Object
from signalbox.kube.errors import ApiError
from signalbox.kube.resources import SECRETS, Resource
from signalbox.plan.children import labels_of
from signalbox.plan.contents import fact
from signalbox.plan.credentials import Entry
from signalbox.plan.references import References

GOOD, BAD = b"good", b"bad"
PAIR = Entry(kind="Secret", name="pair", key="tls.crt")


class Server:
    """Answers each name in its own way, and says what it was asked."""

    def __init__(self, **answers: int) -> None:
        self.answers, self.asked = answers, list[str]()

    async def get(self, resource: Resource, namespace: str, name: str) -> Object:
        self.asked.append(name)
        if (status := self.answers.get(name, 200)) != 200:
            raise ApiError(status, "InternalError", "no")
        return secret(name, {"tls.crt": BAD})


def secret(name: str, data: dict[str, bytes], *owners: str) -> Object:
    references = [{"apiVersion": API, "kind": "RoutingPolicy", "name": uid, "uid": uid} for uid in owners]
    metadata = {"name": name, "namespace": "n", "uid": name, "resourceVersion": "1"}
    metadata |= {"labels": labels_of(name), "ownerReferences": references}
    return {"metadata": metadata, "data": {key: base64.b64encode(value).decode() for key, value in data.items()}}


def reading(server: Server, *composed: Object, there: tuple[str, ...] = ("pair",)) -> Reading:
    store, children = Store(lambda *_: None), Store(lambda *_: None)
    for name in there:
        store.changed(SECRETS, "ADDED", secret(name, {}))
    for each in composed:
        children.changed(SECRETS, "ADDED", each)
    return Reading("n", cast(Client, server), store, children, {}, asyncio.Semaphore(8))


def faulty(found: Reading) -> Reading:
    found.known[SECRETS, "n", "pair"] = Known(1, {"tls.crt": fact("Secret", BAD)}, {"tls.crt": "no certificate"})
    return found


async def test_what_is_no_good_never_reaches_a_router() -> None:
    other = secret("b-router", {"serving.certificate": GOOD}, "b")
    with pytest.raises(ApiError):
        await faulty(reading(Server(), other)).contents("a-router", {"serving.certificate": PAIR})


async def test_a_backend_has_the_same_last_good_everywhere() -> None:
    other = secret("b-router", {"backend.x.certificate": GOOD}, "b")
    entries = {"backend.x.certificate": PAIR}
    assert await faulty(reading(Server(), other)).contents("a-router", entries) == {"backend.x.certificate": GOOD}
    own = secret("a-router", {"backend.x.certificate": b"own"}, "a")
    assert await faulty(reading(Server(), own, other)).contents("a-router", entries) == {
        "backend.x.certificate": b"own"
    }
    foreign = secret("c-router", {"backend.x.certificate": b"forged"})
    with pytest.raises(ApiError):
        await faulty(reading(Server(), foreign)).contents("a-router", entries)


def wanting(*names: str) -> References:
    return References(pairs=frozenset(names))


async def test_one_that_cannot_be_read_is_a_fault_of_its_own() -> None:
    server = Server(pair=500)
    found = reading(server, secret("a-router", {"x": GOOD}, "a"), there=("pair", "other"))
    secrets, _ = await found.facts(wanting("pair", "other"))
    assert set(secrets) == {"other"}
    assert found.faults()["Secret/pair/"] == "cannot be read: the API server answers 500 InternalError"
    assert await found.contents("a-router", {"x": PAIR}) == {"x": GOOD}
    await found.facts(wanting("pair", "other"))
    assert sorted(server.asked) == ["other", "pair"]


@pytest.mark.parametrize("status", [0, 401, 429, 503])
async def test_a_server_that_is_away_is_not_asked_for_all_the_others(status: int) -> None:
    names = [f"s{number:03}" for number in range(100)]
    server = Server(**dict.fromkeys(names, status))
    found = reading(server, there=tuple(names))
    with pytest.raises(ApiError):
        await found.facts(wanting(*names))
    assert len(server.asked) <= 8
    assert not found.unreadable
