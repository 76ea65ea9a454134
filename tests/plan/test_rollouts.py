"""After an upgrade of the operator a few routers roll at a time."""

from typing import Any

import pytest

from signalbox.plan.children import Control, OperatorSettings
from signalbox.plan.children.release import OPTIONS, RELEASE, options, release
from signalbox.plan.rollouts import AT_ONCE, rolled_out, waits_for

SETTINGS = OperatorSettings(image="example.com/signalbox:1")


def deployment(
    name: str = "a", release: str = "old", *, options: str = "same", ready: bool = True, stuck: bool = False
) -> dict[str, Any]:
    conditions = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}] if stuck else []
    count = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2 if ready else 1}
    return {
        "metadata": {
            "name": name,
            "namespace": "n",
            "generation": 3,
            "annotations": {RELEASE: release, OPTIONS: options},
        },
        "spec": {"replicas": 2},
        "status": {"observedGeneration": 3, **count, "conditions": conditions},
    }


def test_a_new_one_never_waits() -> None:
    rolling = [deployment(str(number), "new", ready=False) for number in range(9)]
    assert waits_for(deployment(release="new"), None, rolling) is None


def test_what_a_user_changes_never_waits() -> None:
    rolling = [deployment(str(number), "new", ready=False, stuck=True) for number in range(9)]
    assert waits_for(deployment(release="new", options="other"), deployment(), rolling) is None
    assert waits_for(deployment(release="new"), deployment(release="new", ready=False), rolling) is None


@pytest.mark.parametrize("rolling", range(AT_ONCE + 2))
def test_a_few_roll_at_a_time(rolling: int) -> None:
    others = [deployment(str(number), "new", ready=False) for number in range(rolling)]
    others += [deployment("done", "new"), deployment("later"), deployment("broken for long", ready=False)]
    reason = waits_for(deployment(release="new"), deployment(), others)
    assert (reason is not None) == (rolling >= AT_ONCE)


def test_the_first_that_does_not_become_ready_stops_the_others() -> None:
    others = [deployment("bad", "new", ready=False, stuck=True)]
    reason = waits_for(deployment(release="new"), deployment(), others)
    assert reason is not None
    assert "n/bad" in reason


def test_one_that_was_stuck_before_the_upgrade_stops_nobody() -> None:
    others = [deployment("bad", "old", ready=False, stuck=True)]
    assert waits_for(deployment(release="new"), deployment(), others) is None


def test_a_release_is_what_decides_about_pods() -> None:
    assert release(OperatorSettings(image="example.com/signalbox:2")) != release(SETTINGS)
    one, other = (
        OperatorSettings(image="i", control=Control(url="https://leader:9443", ca=ca)) for ca in ("old", "old and new")
    )
    assert release(one) == release(other)  # authorities reach routers as a file


def test_options_tell_apart_what_users_write() -> None:
    assert options({"workers": 1}, 30) == options({"workers": 1}, 30)
    assert options({"workers": 1}, 30) != options({"workers": 2}, 30)


def test_rolled_out_means_all_replicas_and_none_of_the_old() -> None:
    assert rolled_out(deployment())
    assert not rolled_out(deployment(ready=False))
    late = deployment()
    late["metadata"]["generation"] = 4
    assert not rolled_out(late)
    surplus = deployment()
    surplus["status"]["replicas"] = 3
    assert not rolled_out(surplus)
    none = {"metadata": {"generation": 1}, "spec": {"replicas": 0}, "status": {"observedGeneration": 1}}
    assert rolled_out(none)
