"""Events: real transitions, and nothing else."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from signalbox.plan.problems import Problem
from signalbox.plan.status.conditions import Entry, Serving, dated, of_backend, of_policy
from signalbox.plan.status.transitions import transitions

INVALID = Problem(kind="RoutingPolicy", name="p", reason="InvalidExpression", message="wrong")
MISSING = Problem(kind="RoutingPolicy", name="p", reason="BackendNotFound", message="no a", condition="ResolvedRefs")
NOTHING = Problem(kind="RoutingPolicy", name="p", reason="NoResolvedTarget", message="none", condition="ResolvedRefs")
ROLLS, SERVES = Serving(programmed=True, rolling=True), Serving(programmed=True, available=True)
BLOCKED = Serving(blocked=("NameConflict", "taken"))
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def entries(problems: list[Problem], serving: Serving = SERVES, generation: int = 1) -> list[Entry]:
    return dated(of_policy(problems, serving), (), generation, NOW)


def seen(before: list[Entry], after: list[Entry]) -> list[tuple[str, str]]:
    return [(each.type, each.reason) for each in transitions(before, after)]


def test_of_a_new_resource_only_what_is_wrong() -> None:
    assert seen([], entries([])) == []
    assert seen([], entries([], ROLLS)) == [("Normal", "Rollout")]
    assert seen([], entries([INVALID])) == [("Warning", "InvalidExpression"), ("Warning", "Invalid")]
    assert seen([], dated(of_backend([], 3), (), 1, NOW)) == []
    assert seen([], dated(of_backend([], 0), (), 1, NOW)) == [("Warning", "NoReadyEndpoint")]


def test_flips() -> None:
    assert seen(entries([], ROLLS), entries([])) == [
        ("Normal", "Programmed"),
        ("Normal", "Ready"),
    ]
    assert seen(entries([]), entries([MISSING])) == [("Warning", "BackendNotFound")]
    assert seen(entries([MISSING]), entries([])) == [("Normal", "ResolvedRefs")]
    assert seen(entries([]), entries([], BLOCKED)) == [("Warning", "NameConflict")]


cases = st.builds(
    entries,
    st.sampled_from([[], [INVALID], [MISSING], [MISSING, NOTHING]]),
    st.sampled_from([ROLLS, SERVES, BLOCKED, Serving()]),
)


@given(cases)
def test_what_stays_is_no_event(same: list[Entry]) -> None:
    later = [entry | {"observedGeneration": 2, "reason": "Other", "message": "other"} for entry in same]
    assert transitions(same, later) == []
