"""Paths of fields, and the order of problems."""

import pytest

from signalbox.plan.problems import Problem, join, order, parent, path_of


@pytest.mark.parametrize(
    ("steps", "path"),
    [
        (["spec", "routes", 2, "when"], "spec.routes[2].when"),
        (["metadata", "labels", "a.b/c"], 'metadata.labels["a.b/c"]'),
        (["items", 0], "items[0]"),
        ([], ""),
    ],
)
def test_paths_read_like_yaml(steps: list[str | int], path: str) -> None:
    assert path_of(steps) == path
    if steps:
        assert join(path_of(steps[:-1]), steps[-1]) == path
        assert parent(path) == path_of(steps[:-1])


def test_problems_come_in_the_order_of_the_fields() -> None:
    paths = ["spec.routes[10]", "spec.routes[2].when", "spec.models[0]", "spec.routes[2]"]
    problems = [Problem(kind="K", name="n", reason="R", message="m", path=path) for path in paths]
    assert [p.path for p in sorted(problems, key=order)] == [
        "spec.models[0]",
        "spec.routes[2]",
        "spec.routes[2].when",
        "spec.routes[10]",
    ]


def test_only_errors_of_acceptance_invalidate() -> None:
    problem = Problem(kind="K", name="n", reason="R", message="m")
    assert problem.invalidates
    assert not Problem(kind="K", name="n", reason="R", message="m", severity="warning").invalidates
    assert not Problem(kind="K", name="n", reason="R", message="m", condition="ResolvedRefs").invalidates
