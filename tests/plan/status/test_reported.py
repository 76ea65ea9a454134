"""Conditions with what routers report."""

from typing import Any

import pytest

from signalbox.plan.problems import Problem
from signalbox.plan.status import conditions
from signalbox.plan.status.conditions import Finding, Serving
from signalbox.plan.status.reported import Reported, merged, of_backend, of_policy

NORMAL = conditions.of_policy([], Serving(programmed=True, available=True))
ROLLING = conditions.of_policy([], Serving(programmed=True, rolling=True))
BLOCKED = conditions.of_policy([], Serving(blocked=("NameConflict", "taken")))
INVALID = conditions.of_policy(
    [Problem(kind="RoutingPolicy", name="p", reason="InvalidField", path="spec", message="bad")],
    Serving(programmed=True, available=True),
)
CONFIGS = (("h", 1),)


def short(findings: list[Finding]) -> dict[str, str]:
    return {each.type: "True" if each.status else each.reason for each in findings}


def entries(findings: list[Finding]) -> list[dict[str, Any]]:
    return [
        {"type": each.type, "status": str(each.status), "reason": each.reason, "message": each.message}
        for each in findings
    ]


@pytest.mark.parametrize("found", [NORMAL, ROLLING, BLOCKED, INVALID])
def test_without_reports_nothing_is_added(found: list[Finding]) -> None:
    assert of_policy(found, Reported(), {"a"}, []) == found
    assert of_policy(found, None, {"a"}, []) == found


@pytest.mark.parametrize(
    ("reported", "reason", "state", "named"),
    [
        (Reported(configs=CONFIGS, waiting=("k",)), "WaitingForSecret", "Reconciling", "Secret: k"),
        (Reported(configs=CONFIGS, rejected="why"), "ConfigRejected", "Stalled", "why"),
        (Reported(configs=CONFIGS, too_old=("pod-1",), waiting=("k",)), "ConfigRejected", "Reconciling", "pod-1"),
    ],
)
def test_what_the_newest_configuration_meets(reported: Reported, reason: str, state: str, named: str) -> None:
    wanted = {"Accepted": "True", "ResolvedRefs": "True", "Programmed": reason, "Ready": reason, state: "True"}
    after = of_policy(NORMAL, reported, {"a"}, [])
    assert short(after) == wanted
    assert short(of_policy(ROLLING, reported, {"a"}, [])) == wanted
    assert of_policy(BLOCKED, reported, {"a"}, []) == BLOCKED
    assert of_policy(INVALID, reported, {"a"}, []) == INVALID
    assert named in next(each.message for each in after if each.type == "Programmed")
    # A new leader leaves it as it is until it has heard the routers itself.
    assert of_policy(NORMAL, None, {"a"}, entries(after)) == after
    assert short(of_policy(NORMAL, Reported(configs=CONFIGS), {"a"}, entries(after))) == short(NORMAL)


def test_a_policy_is_reachable_as_long_as_a_target_is() -> None:
    def after(reported: Reported, *before: Finding) -> dict[str, str]:
        return short(of_policy(NORMAL, reported, {"a", "b"}, entries(list(before))))

    one = Reported(configs=CONFIGS, reachable=frozenset("a"), unreachable=frozenset("b"))
    none = Reported(configs=CONFIGS, unreachable=frozenset("ab"))
    unsure = Reported(configs=CONFIGS, unreachable=frozenset("b"))
    yes, no = Finding("Reachable", True, "Reachable", ""), Finding("Reachable", False, "NoUsableEndpoint", "")
    assert after(one)["Reachable"] == "True"
    assert after(none)["Reachable"] == "NoUsableEndpoint"
    assert after(none)["Ready"] == "True"
    assert "Reachable" not in after(unsure)
    assert after(unsure, yes)["Reachable"] == "True"
    assert after(unsure, no)["Reachable"] == "NoUsableEndpoint"
    assert "Reachable" not in after(Reported(), yes)  # nobody is there to say so


def test_a_backend_is_what_all_routers_say() -> None:
    found = conditions.of_backend([], 1)
    good = Reported(reachable=frozenset("a"))
    bad = Reported(unreachable=frozenset("a"))
    refused = Reported(unreachable=frozenset("a"), unauthorized=frozenset("a"))
    other = Reported(reachable=frozenset("b"))

    def after(*reports: Reported) -> dict[str, str]:
        extra = {"Reachable", "Authorized"}
        said = short(of_backend(found, "a", reports, []))
        assert short(of_backend(found, "a", merged(reports), [])) == said
        return {kind: text for kind, text in said.items() if kind in extra}

    assert after() == after(other) == {}
    assert after(good, bad) == after(other, good) == {"Reachable": "True", "Authorized": "True"}
    assert after(bad, other) == {"Reachable": "NoUsableEndpoint", "Authorized": "True"}
    assert after(refused) == {"Reachable": "NoUsableEndpoint", "Authorized": "CredentialsRefused"}
    assert after(refused, good) == {"Reachable": "True", "Authorized": "CredentialsRefused"}
    before = entries(of_backend(found, "a", [refused], []))
    assert short(of_backend(found, "a", None, before)) == short(of_backend(found, "a", [refused], []))
