"""After an upgrade of the operator a few routers roll at a time."""

from typing import Any

import pytest

from signalbox.plan.children import Control, OperatorSettings
from signalbox.plan.children.release import OPTIONS, RELEASE, options, release
from signalbox.plan.rollouts import AT_ONCE, SHARE, Wait, rolled_out, serves, waits_for

SETTINGS = OperatorSettings(image="example.com/signalbox:1")


COMPLETE, UNDER_WAY, STUCK = "NewReplicaSetAvailable", "ReplicaSetUpdated", "ProgressDeadlineExceeded"


def deployment(
    name: str = "a",
    release: str = "old",
    *,
    namespace: str = "n",
    options: str = "same",
    ready: bool = True,
    stuck: bool = False,
) -> dict[str, Any]:
    reason = STUCK if stuck else COMPLETE if ready else UNDER_WAY
    count = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2 if ready else 1}
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "generation": 3,
            "annotations": {RELEASE: release, OPTIONS: options},
        },
        "spec": {"replicas": 2},
        "status": {"observedGeneration": 3, **count, "conditions": [{"type": "Progressing", "reason": reason}]},
    }


def rolling(number: int, namespace: str = "n", *, stuck: bool = False) -> list[dict[str, Any]]:
    return [deployment(str(each), "new", namespace=namespace, ready=False, stuck=stuck) for each in range(number)]


def held(others: list[dict[str, Any]], namespace: str = "n") -> Wait | None:
    """Whether one that is next in a namespace is held back."""
    return waits_for(deployment(release="new", namespace=namespace), deployment(namespace=namespace), others)


def test_a_new_one_never_waits() -> None:
    assert waits_for(deployment(release="new"), None, rolling(9)) is None


def test_what_a_user_changes_never_waits() -> None:
    others = rolling(9, stuck=True)
    assert waits_for(deployment(release="new", options="other"), deployment(), others) is None
    assert waits_for(deployment(release="new"), deployment(release="new", ready=False), others) is None


@pytest.mark.parametrize("number", range(AT_ONCE + 2))
def test_a_few_roll_at_a_time(number: int) -> None:
    others = [*rolling(number), deployment("done", "new"), deployment("later")]
    others.append(deployment("broken for long", ready=False))
    assert (held(others) is not None) == (number >= AT_ONCE)


def test_no_namespace_takes_all_places() -> None:
    assert held(rolling(20, "theirs")) is None
    assert held([*rolling(20, "theirs"), *rolling(AT_ONCE - SHARE - 1)]) is None
    assert held([*rolling(20, "theirs"), *rolling(AT_ONCE - SHARE)]) is not None
    assert held([each for n in range(AT_ONCE) for each in rolling(1, f"n{n}")], "another") is not None


def test_the_first_that_does_not_become_ready_stops_the_others() -> None:
    wait = held(rolling(1, "bad", stuck=True))
    assert wait is not None
    assert "bad/0" in wait.routers
    assert "bad" not in wait.message  # it is for users of other namespaces


def test_a_release_that_serves_elsewhere_is_not_stopped_by_one_namespace() -> None:
    stuck = rolling(20, "theirs", stuck=True)
    assert held([*stuck, deployment("fine", "new")]) is None
    assert held([*stuck, *rolling(1, "others", stuck=True), deployment("fine", "new")]) is not None


def test_what_does_not_get_on_holds_no_place() -> None:
    fine = deployment("fine", "new")
    assert held([fine, *rolling(AT_ONCE, stuck=True)]) is None


def test_one_that_was_stuck_before_the_upgrade_stops_nobody() -> None:
    assert held([deployment("bad", "old", ready=False, stuck=True)]) is None


def test_a_router_whose_pods_come_and_go_holds_no_place() -> None:
    others = [deployment(str(number), "new") for number in range(AT_ONCE)]
    for each in others:
        each["status"]["availableReplicas"] = 1
    assert held(others) is None


def test_a_release_is_what_decides_about_pods() -> None:
    assert release(OperatorSettings(image="example.com/signalbox:2")) != release(SETTINGS)
    one, other = (
        OperatorSettings(image="i", control=Control(url="https://leader:9443", ca=ca)) for ca in ("old", "old and new")
    )
    assert release(one) == release(other)  # authorities reach routers as a file


def test_options_tell_apart_what_users_write() -> None:
    assert options({"workers": 1}, 30) == options({"workers": 1}, 30)
    assert options({"workers": 1}, 30) != options({"workers": 2}, 30)


def test_rolled_out_means_that_all_pods_are_new_and_were_available_once() -> None:
    assert rolled_out(deployment())
    assert not rolled_out(deployment(ready=False))
    assert not rolled_out(deployment(ready=False, stuck=True))
    late = deployment()
    late["metadata"]["generation"] = 4
    assert not rolled_out(late)
    surplus = deployment()
    surplus["status"]["replicas"] = 3
    assert not rolled_out(surplus)
    none = {"metadata": {"generation": 1}, "spec": {"replicas": 0}, "status": {"observedGeneration": 1}}
    assert rolled_out(none)


def test_a_pod_that_is_evicted_or_added_is_no_rollout() -> None:
    evicted = deployment()
    evicted["status"]["availableReplicas"] = 1
    more = deployment()
    more["spec"]["replicas"] = 5
    more["status"] |= {"replicas": 5, "updatedReplicas": 5}
    for each in (evicted, more):
        assert rolled_out(each)
        assert serves(each)


def test_without_any_pod_nothing_serves() -> None:
    lost = deployment()
    lost["status"]["availableReplicas"] = 0
    assert rolled_out(lost)
    assert not serves(lost)
    assert serves({"metadata": {"generation": 1}, "spec": {"replicas": 0}})  # as somebody wants it
