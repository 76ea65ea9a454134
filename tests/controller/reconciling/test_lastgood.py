"""Whose word is taken for the last valid form: the routers' own ConfigMaps, and nobody else's."""

from typing import Any

import pytest
from world import API, backend, policy

from cluster.api import Object
from signalbox.controller.reconciling.lastgood import LastGood
from signalbox.controller.watching.store import Store
from signalbox.kube.resources import BY_KIND
from signalbox.plan.children import labels_of
from signalbox.plan.lastgood import BACKENDS_KEY, POLICIES_KEY, Record, remembered

CHAT, OTHER, NOBODY, BACKEND = "uid-of-chat", "uid-of-other", "uid-of-nobody", "uid-of-a"


def live(obj: Object, uid: str) -> Object:
    obj["metadata"] |= {"namespace": "n", "uid": uid, "generation": 5, "resourceVersion": "1"}
    return obj


def child(kind: str, name: str, *owners: str, **rest: Any) -> Object:
    references = [{"apiVersion": API, "kind": "RoutingPolicy", "name": "x", "uid": uid} for uid in owners]
    metadata = {"name": name, "namespace": "n", "uid": f"{kind}/{name}", "resourceVersion": "1"}
    metadata |= {"labels": labels_of(name), "ownerReferences": references}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **rest}


def remembering(name: str, *owners: str, model: str = "good", generation: int = 4) -> Object:
    """A ConfigMap with records of chat and of its backend."""
    policies = {"chat": Record(uid=CHAT, generation=generation, spec=policy(model=model)["spec"])}
    backends = {"a": Record(uid=BACKEND, generation=generation, spec=backend(model=model)["spec"])}
    records = {POLICIES_KEY: policies, BACKENDS_KEY: backends}
    return child("ConfigMap", name, *owners, binaryData=remembered(records, room=100_000))


def found(*children: Object) -> tuple[str | None, str | None]:
    """The models in the last valid forms of the policy and of the backend."""
    store = Store(lambda *_: None)
    for each in children:
        store.changed(BY_KIND[each["kind"]], "ADDED", each)
    last_good = LastGood(store)
    of_policy = last_good.find("RoutingPolicy", live(policy(), CHAT))
    of_backend = last_good.find("ModelBackend", live(backend(), BACKEND))
    return of_policy and of_policy[0].spec.models[0], of_backend and of_backend[0].spec.model


@pytest.mark.parametrize("name", ["chat-router", "some-group"])
def test_a_routers_own_record_is_found(name: str) -> None:
    assert found(remembering(name, OTHER, CHAT), child("Secret", name, OTHER, CHAT)) == ("good", "good")


def test_that_of_another_policys_router_is_none_of_a_policy() -> None:
    assert found(remembering("other-router", OTHER), child("Secret", "other-router", OTHER)) == (None, "good")


def test_a_config_map_alone_is_no_router() -> None:
    """Who may write ConfigMaps must not put a spec in force."""
    router = remembering("chat-router", CHAT), child("Secret", "chat-router", CHAT)
    forged = remembering("forged-group", CHAT, model="forged", generation=5)
    assert found(forged) == (None, None)
    assert found(*router, forged) == ("good", "good")
    assert found(*router, forged, child("Secret", "forged-group", NOBODY)) == ("good", "good")


def test_no_record_is_of_a_generation_that_is_yet_to_come() -> None:
    assert found(remembering("chat-router", CHAT, generation=6), child("Secret", "chat-router", CHAT)) == (None, None)
