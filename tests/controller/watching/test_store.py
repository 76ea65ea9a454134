"""The store: what was told, in whatever order it came."""

from typing import Any

from signalbox.controller.watching.store import Store
from signalbox.kube.resources import POLICIES, SERVICES, Resource


def obj(name: str, version: int, namespace: str = "n", uid: str = "") -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "uid": uid or name, "resourceVersion": str(version)}
    return {"metadata": metadata}


def ignored(*_: Any) -> None:
    """Nobody wants to know."""


def into(noticed: list[str]) -> Any:
    """Note the namespaces of what changed."""

    def notice(resource: Resource, before: Any, after: Any) -> None:
        noticed.append((after or before)["metadata"]["namespace"])

    return notice


def names(store: Store, namespace: str = "n") -> list[str]:
    return [each["metadata"]["name"] for each in store.of(POLICIES, namespace)]


def test_changes_are_noticed_by_namespace() -> None:
    noticed: list[str] = []
    store = Store(into(noticed))
    store.changed(POLICIES, "ADDED", obj("b", 1))
    store.changed(POLICIES, "ADDED", obj("a", 2))
    store.changed(SERVICES, "ADDED", obj("c", 3, "other"))
    assert noticed == ["n", "n", "other"]
    assert names(store) == ["a", "b"]
    store.changed(POLICIES, "DELETED", obj("b", 4))
    store.changed(POLICIES, "DELETED", obj("b", 4))
    assert noticed == ["n", "n", "other", "n"]
    assert names(store) == ["a"]


def test_what_is_older_or_the_same_changes_nothing() -> None:
    noticed: list[str] = []
    store = Store(into(noticed))
    store.changed(POLICIES, "ADDED", obj("a", 10))
    store.changed(POLICIES, "MODIFIED", obj("a", 9))
    store.changed(POLICIES, "MODIFIED", obj("a", 10))
    assert noticed == ["n"]
    store.changed(POLICIES, "ADDED", obj("a", 11, uid="made-anew"))
    store.changed(POLICIES, "DELETED", obj("a", 10))  # of the first, told late by another watch
    found = store.get(POLICIES, "n", "a")
    assert found is not None
    assert found["metadata"]["uid"] == "made-anew"


def test_a_deletion_counts_also_where_it_comes_without_a_newer_version() -> None:
    store = Store(ignored)
    store.changed(POLICIES, "ADDED", obj("a", 10))
    store.changed(POLICIES, "DELETED", obj("a", 9))
    assert names(store) == []
    store.changed(POLICIES, "MODIFIED", obj("a", 10))  # told late
    assert names(store) == []


def test_a_list_that_began_earlier_takes_nothing_away_and_brings_nothing_back() -> None:
    store = Store(ignored)
    store.changed(POLICIES, "ADDED", obj("kept", 3))
    store.changed(POLICIES, "ADDED", obj("old", 2))
    store.changed(POLICIES, "ADDED", obj("new", 12))
    store.changed(POLICIES, "DELETED", obj("gone", 11))
    store.replaced(POLICIES, None, [obj("kept", 3), obj("gone", 4)], "10")
    assert names(store) == ["kept", "new"]
    store.replaced(POLICIES, None, [obj("kept", 3), obj("new", 12)], "13")
    store.changed(POLICIES, "ADDED", obj("gone", 14, uid="made-anew"))
    assert names(store) == ["gone", "kept", "new"]


def test_a_list_sweeps_what_vanished_unseen() -> None:
    noticed: list[str] = []
    store = Store(into(noticed))
    for name, namespace in (("a", "n"), ("b", "n"), ("c", "other")):
        store.changed(POLICIES, "ADDED", obj(name, 1, namespace))
    noticed.clear()
    store.replaced(POLICIES, "n", [obj("a", 1)], "2")
    assert names(store) == ["a"]
    assert names(store, "other") == ["c"]
    assert noticed == ["n"]
    store.replaced(POLICIES, None, [], "2")
    assert not store.any(POLICIES, "n")
    assert not store.any(POLICIES, "other")


def test_how_long_ago_a_list_was() -> None:
    now = 100.0
    store = Store(ignored, clock=lambda: now)
    assert store.age(POLICIES, None) is None
    store.replaced(POLICIES, None, [], "1")
    now += 5
    assert store.age(POLICIES, None) == 5
    assert store.age(POLICIES, "n") is None
    assert store.age(SERVICES, None) is None


def test_namespaces_that_hold_a_kind() -> None:
    store = Store(ignored)
    store.changed(POLICIES, "ADDED", obj("a", 1, "one"))
    store.changed(SERVICES, "ADDED", obj("b", 2, "two"))
    assert store.namespaces([POLICIES]) == {"one"}
    assert store.namespaces([POLICIES, SERVICES]) == {"one", "two"}


def test_the_last_object_of_a_namespace_is_noticed_while_it_still_counts() -> None:
    seen: list[bool] = []
    store = Store(lambda *_: seen.append(store.any(POLICIES, "n")))
    store.changed(POLICIES, "ADDED", obj("a", 1))
    store.changed(POLICIES, "DELETED", obj("a", 2))
    assert seen == [True, True]


def test_our_own_status_is_no_news_but_a_spec_changed_just_before_it_is() -> None:
    noticed: list[str] = []
    store = Store(into(noticed))

    def at(version: int, generation: int) -> dict[str, Any]:
        made = obj("a", version)
        made["metadata"]["generation"] = generation
        return made

    store.changed(POLICIES, "ADDED", at(1, 1))
    store.written(POLICIES, at(2, 1))
    store.changed(POLICIES, "MODIFIED", at(2, 1))
    assert noticed == ["n"]
    store.written(POLICIES, at(4, 2))
    assert noticed == ["n", "n"]


def test_what_is_kept_is_what_is_read_later() -> None:
    store = Store(ignored, lambda resource, obj: {"metadata": obj["metadata"]})
    store.changed(POLICIES, "ADDED", obj("a", 1) | {"large": "x"})
    assert store.get(POLICIES, "n", "a") == obj("a", 1)


def test_what_is_kept_tells_version_and_generation() -> None:
    store = Store(ignored)
    assert store.version(POLICIES, "n", "a") == 0
    one = obj("a", 7)
    one["metadata"]["generation"] = 3
    store.changed(POLICIES, "ADDED", one)
    kept = store.kept(POLICIES, "n")["a"]
    assert (kept.version, kept.generation, kept.uid, kept.object) == (7, 3, "a", one)
    assert store.version(POLICIES, "n", "a") == 7
    assert store.kept(POLICIES, "elsewhere") == {}
