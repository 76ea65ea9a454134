"""Conditions by the table of the design: one row, one test."""

from datetime import UTC, datetime

from signalbox.plan.problems import Problem
from signalbox.plan.status.conditions import Finding, Serving, dated, describe, of_backend, of_policy

INVALID = Problem(kind="RoutingPolicy", name="p", reason="InvalidExpression", message="wrong", path="spec.x", fix="do")
MISSING = Problem(kind="RoutingPolicy", name="p", reason="BackendNotFound", message="no a", condition="ResolvedRefs")
NOTHING = Problem(kind="RoutingPolicy", name="p", reason="NoResolvedTarget", message="none", condition="ResolvedRefs")
WARNING = Problem(kind="RoutingPolicy", name="p", reason="UnusedTarget", message="unused", severity="warning")
SERVES = Serving(programmed=True, available=True)


def row(findings: list[Finding]) -> dict[str, bool]:
    return {finding.type: finding.status for finding in findings}


def test_normal() -> None:
    expected = {"Accepted": True, "ResolvedRefs": True, "Programmed": True, "Ready": True}
    assert row(of_policy([], SERVES)) == expected
    assert row(of_policy([WARNING], SERVES)) == expected


def test_invalid_with_and_without_a_last_good_form() -> None:
    assert row(of_policy([INVALID], SERVES)) == {
        "Accepted": False,
        "Programmed": True,
        "Ready": False,
        "Stalled": True,
    }
    assert row(of_policy([INVALID], Serving()))["Programmed"] is False


def test_some_references_are_missing() -> None:
    assert row(of_policy([MISSING], SERVES)) == {
        "Accepted": True,
        "ResolvedRefs": False,
        "Programmed": True,
        "Ready": True,
    }


def test_no_target_resolves() -> None:
    assert row(of_policy([MISSING, NOTHING], SERVES)) == {
        "Accepted": True,
        "ResolvedRefs": False,
        "Programmed": False,
        "Ready": False,
        "Reconciling": True,
    }


def test_rollout() -> None:
    for serving in (Serving(programmed=True, rolling=True), Serving()):
        assert row(of_policy([], serving)) == {
            "Accepted": True,
            "ResolvedRefs": True,
            "Programmed": False,
            "Ready": False,
            "Reconciling": True,
        }


def test_all_pods_are_lost() -> None:
    assert row(of_policy([], Serving(programmed=True))) == {
        "Accepted": True,
        "ResolvedRefs": True,
        "Programmed": True,
        "Ready": False,
        "Reconciling": True,
    }


def test_a_router_that_waits_for_a_new_release_serves_and_says_so() -> None:
    found = of_policy([], Serving(programmed=True, available=True, waiting="others first"))
    assert row(found) == row(of_policy([], SERVES))
    assert next(f for f in found if f.type == "Programmed").message.endswith("keeps its release for now: others first")


def test_a_taken_name_does_not_pass_by_itself() -> None:
    found = of_policy([], Serving(blocked=("NameConflict", "Service x is not ours")))
    assert row(found)["Stalled"] is True
    assert "Reconciling" not in row(found)
    assert next(f for f in found if f.type == "Programmed").reason == "NameConflict"


def test_backends() -> None:
    assert row(of_backend([], None)) == {"Accepted": True, "ResolvedRefs": True, "Ready": True}
    assert row(of_backend([], 2))["Ready"] is True
    assert row(of_backend([], 0))["Ready"] is False
    assert row(of_backend([MISSING], 1)) == {"Accepted": True, "ResolvedRefs": False, "Ready": False}
    assert row(of_backend([INVALID], 1)) == {"Accepted": False, "Ready": False, "Stalled": True}


def test_messages_name_the_place_and_the_fix() -> None:
    placed = Problem(kind="k", name="n", reason="r", message="wrong", path="spec.x", fix="do", line=2, column=7)
    assert describe([placed, MISSING]) == "spec.x: wrong (line 2, column 7); fix: do\nno a"
    assert len(describe([Problem(kind="k", name="n", reason="r", message="x" * 9000)])) == 4096


def test_a_transition_is_a_flip_of_the_status_and_nothing_else() -> None:
    first, later = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    before = dated([Finding("Ready", True, "Ready", "x"), Finding("Accepted", True, "A", "x")], (), 1, first)
    after = dated([Finding("Ready", False, "No", "y"), Finding("Accepted", True, "B", "z")], before, 2, later)
    assert [(c["status"], c["lastTransitionTime"], c["observedGeneration"]) for c in after] == [
        ("False", "2026-01-02T00:00:00Z", 2),
        ("True", "2026-01-01T00:00:00Z", 2),
    ]
