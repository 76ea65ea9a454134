"""Which changes of a policy's weights are told."""

from typing import Any

import pytest

from signalbox.plan.status.transitions import Transition
from signalbox.plan.status.weights import routes_moved, routes_turned, turns, worth_telling

EARLIER, LATER = "2030-01-01T00:00:00Z", "2030-01-01T00:01:00Z"


def routes(at: str | None = EARLIER, **reasons: str) -> list[dict[str, Any]]:
    seen = {} if at is None else {"observedAt": at}
    weights = [{"target": name, "effectivePermille": 500, "reason": reason, **seen} for name, reason in reasons.items()]
    return [{"name": "all", "weights": weights}, {"name": "rest", "weights": weights}]


def test_a_target_is_ejected_and_returns_once_for_all_routes() -> None:
    up, down = routes(small="Load", strong="Base"), routes(small="NoEndpoint", strong="Base")
    (ejected,) = turns(up, down)
    assert (ejected.type, ejected.reason) == ("Warning", "TargetEjected")
    assert "target small has no usable endpoint" in ejected.note
    (returned,) = turns(down, up)
    assert (returned.type, returned.reason) == ("Normal", "TargetReturned")


def test_the_loop_falls_back_and_follows_again() -> None:
    known, stale = routes(small="Load"), routes(small="Stale")
    assert [each.reason for each in turns(known, stale)] == ["FellBack"]
    assert [each.reason for each in turns(stale, routes(LATER, small="Load"))] == ["FollowsLoad"]
    assert turns(stale, routes(None, small="Base")) == [], "a new leader has heard nothing either"
    assert turns(stale, known) == []
    assert [each.reason for each in turns(stale, routes(small="NoEndpoint"))] == ["TargetEjected"]
    assert turns(stale, routes(small="Held")) == [], "a new leader has not looked yet"


@pytest.mark.parametrize("reason", ["Base", "Load", "Held", "Declared", "Overloaded", "Spilled", "Idle"])
def test_other_reasons_come_and_go_quietly(reason: str) -> None:
    assert turns(routes(small="Load"), routes(small=reason)) == []
    assert not routes_turned(routes(small="Load"), routes(small=reason))


def test_of_what_was_not_there_before_nothing_is_told() -> None:
    told: list[Transition] = turns([], routes(small="NoEndpoint"))
    assert told == []
    assert turns(routes(small="NoEndpoint"), []) == []


def test_other_routes_or_targets_are_no_mere_figure() -> None:
    assert routes_turned(routes(small="Load"), routes(small="Load", strong="Load"))
    assert routes_turned(routes(small="Load"), routes(small="Load")[:1])
    assert not routes_moved(routes(small="Load"), routes(small="Load", strong="Load"))


@pytest.mark.parametrize(("reason", "worth"), [("Base", False), ("Declared", False), ("Idle", False), ("Load", True)])
def test_what_the_policy_says_itself_needs_no_telling(reason: str, worth: bool) -> None:
    weights = [{"target": "small", "basePermille": 500, "effectivePermille": 500, "reason": reason}]
    assert worth_telling([{"name": "all", "weights": weights}]) is worth
    assert worth_telling([{"name": "all", "weights": [weights[0] | {"effectivePermille": 400}]}])
