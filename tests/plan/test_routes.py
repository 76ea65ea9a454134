"""Policies at the bounds of what the API server lets in: however large, none holds up the others."""

from collections.abc import Iterable

from signalbox.api import RoutingPolicy
from signalbox.plan.problems import Problem
from signalbox.plan.routes import MAX_PROBLEMS, compiled_routes


def policy(conditions: Iterable[str], tiers: Iterable[Iterable[str]] = (("a",),)) -> RoutingPolicy:
    """Routes with these conditions, and one for the rest; each with these tiers of targets."""
    shares = {"tiers": [{"targets": [{"name": name} for name in tier]} for tier in tiers]}
    routes = [{"name": f"r{index}", "when": when, "failover": shares} for index, when in enumerate(conditions)]
    return RoutingPolicy.model_validate(
        {
            "apiVersion": "signalbox.dev/v1alpha1",
            "kind": "RoutingPolicy",
            "metadata": {"name": "p", "namespace": "n"},
            "spec": {
                "models": ["m"],
                "targets": [{"name": "a", "backendRef": {"name": "a"}}],
                "routes": [*routes, {"name": "rest", "failover": shares}],
                "access": {"anonymous": {}},
            },
        }
    )


def wrong_with(given: RoutingPolicy) -> list[Problem]:
    return list(compiled_routes(given)[1])


def pairs(inner: str, outer: str, route: int) -> str:
    """Two comparisons each, none like any other."""
    numbers = range(route * 1000, route * 1000 + 65)
    return outer.join(f"(query.chars > {number} {inner} query.words < {number})" for number in numbers)


DEAR = [*(pairs("&&", "||", route) for route in range(8)), *(pairs("||", "&&", route) for route in range(8, 16))]
"""To compare the later ones with the earlier ones takes the product of their sizes."""


def test_of_routes_too_many_to_compare_it_is_said_that_not_all_were() -> None:
    (problem,) = wrong_with(policy(DEAR))
    assert (problem.reason, problem.severity, problem.path) == ("ReachNotChecked", "warning", "spec.routes")


def test_equal_conditions_are_found_however_many_there_are() -> None:
    found = wrong_with(policy([*DEAR, DEAR[0]]))
    assert {(problem.reason, problem.path) for problem in found} == {
        ("ReachNotChecked", "spec.routes"),
        ("UnreachableRoute", "spec.routes[16]"),
    }


def test_many_plain_routes_are_all_compared() -> None:
    conditions = [
        f'user.tier == "{tier}" && query.chars > {size} && (query.hasCode || request.stream)'
        for tier in ("gold", "silver", "bronze")
        for size in range(40)
    ]
    assert wrong_with(policy(conditions)) == []


def test_conditions_that_are_too_long_together_are_not_even_read() -> None:
    long = f'user.tier == "{"x" * 4000}"'
    (problem,) = wrong_with(policy([long, "not even CEL", *(f"{long} && query.chars > {n}" for n in range(16))]))
    assert (problem.reason, problem.path) == ("ConditionsTooLong", "spec.routes")
    assert problem.invalidates
    assert "68" in problem.message


def test_of_very_many_problems_the_first_are_said() -> None:
    unknown = [[f"t{number}" for number in range(64)]] * 8
    found = wrong_with(policy((f"query.chars > {n}" for n in range(20)), unknown))
    assert len(found) == MAX_PROBLEMS + 1
    assert {problem.reason for problem in found[:-1]} == {"UnknownTarget"}
    assert (found[-1].reason, found[-1].path) == ("TooManyProblems", "spec.routes")
