"""What was valid last goes on serving while its file is being edited."""

from typing import Any

from signalbox.local.lastgood import LastGood
from signalbox.local.resources import Options
from signalbox.local.workspace import Workspace


def serving(workspace: Workspace) -> dict[str, str]:
    """The condition of the first route, by policy in force."""
    policies = [policy for router in workspace.plan.routers for policy in router.config.policies]
    return {p.name: p.routes[0].when.source for p in policies if p.routes[0].when}


def test_an_invalid_policy_keeps_its_last_good_form_and_others_move_on(directory: Any) -> None:
    last_good = LastGood(Options(directory.path))
    seen, served = last_good.read()
    assert seen is served
    directory.policy("one", when="request.strem")
    directory.policy("two", when="query.hasCode")
    seen, served = last_good.read()
    assert serving(served) == {"one": "request.stream", "two": "query.hasCode"}
    assert [p.problem.reason for p in seen.errors] == ["InvalidExpression"]
    seen, served = last_good.read()
    assert serving(served)["one"] == "request.stream", "it keeps as long as the file is wrong"
    directory.policy("one", when="query.hasUrl")
    seen, served = last_good.read()
    assert not seen.errors
    assert serving(served) == {"one": "query.hasUrl", "two": "query.hasCode"}


def test_the_same_for_a_wrong_shape_and_for_no_yaml(directory: Any) -> None:
    last_good = LastGood(Options(directory.path))
    last_good.read()
    for text in (
        "spec: [",
        "apiVersion: signalbox.dev/v1alpha1\nkind: RoutingPolicy\nmetadata: {name: one}\nspec: 3\n",
    ):
        directory.write("policy-one", text)
        seen, served = last_good.read()
        assert serving(served) == {"one": "request.stream", "two": "request.stream"}
        assert len(seen.errors) == 1


def test_an_empty_file_still_holds_what_it_held(directory: Any) -> None:
    last_good = LastGood(Options(directory.path))
    last_good.read()
    directory.write("policy-one", "")
    seen, served = last_good.read()
    assert "one" in serving(served)
    assert any("is empty" in note for note in seen.resources.source.notes)
    assert not seen.errors


def test_what_is_deleted_is_gone(directory: Any) -> None:
    last_good = LastGood(Options(directory.path))
    last_good.read()
    directory.remove("policy-one")
    seen, served = last_good.read()
    assert serving(served) == {"two": "request.stream"}
    assert not seen.errors


def test_an_invalid_backend_keeps_its_last_good_form(directory: Any) -> None:
    last_good = LastGood(Options(directory.path))
    last_good.read()
    path = directory.path / "backend-a.yaml"
    path.write_text(path.read_text().replace("model: m-a", "model: m-b\n  modle: x"))
    seen, served = last_good.read()
    assert "did you mean model?" in seen.errors[0].problem.message
    assert served.plan.routers[0].config.backends[0].model == "m-a"


def test_invalid_from_the_start_serves_nothing(directory: Any) -> None:
    directory.policy("one", when="request.strem")
    seen, served = LastGood(Options(directory.path)).read()
    assert serving(served) == {"two": "request.stream"}
    assert len(seen.errors) == 1
