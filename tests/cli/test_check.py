"""signalbox check, as a user sees it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from signalbox.cli.main import main

GOOD = """apiVersion: signalbox.dev/v1alpha1
kind: ModelBackend
metadata: {name: a}
spec: {model: m, url: "http://a.example.com/v1"}
---
apiVersion: signalbox.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: chat}
spec:
  models: [auto]
  access: {anonymous: {}}
  targets: [{name: a, backendRef: {name: a}}]
  routes:
  - name: long
    when: query.chars > 50
    weighted: {targets: [{name: a}]}
  - name: all
    weighted: {targets: [{name: a}]}
"""


def run(path: Path, text: str, *arguments: str) -> Result:
    (path / "p.yaml").write_text(text)
    return CliRunner().invoke(main, ["check", "-f", str(path), *arguments])


def test_nothing_wrong(tmp_path: Path) -> None:
    result = run(tmp_path, GOOD)
    assert (result.exit_code, result.stdout) == (
        0,
        "1 policy and 1 backend in namespace default: nothing wrong\n",
    )


def test_a_typo_in_an_expression_as_a_compiler_would_show_it(tmp_path: Path) -> None:
    result = run(tmp_path, GOOD.replace("query.chars", "query.char"))
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"{tmp_path}/p.yaml:15: spec.routes[0].when: query has no field 'char'",
        "    query.char > 50",
        "          ^",
        "  fix: did you mean query.chars?",
        "1 policy and 1 backend in namespace default: 1 error",
    ]


def test_json_has_the_same(tmp_path: Path) -> None:
    result = run(tmp_path, GOOD.replace("query.chars", "query.char"), "-o", "json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    [problem] = report.pop("problems")
    lists = {"policies": ["chat"], "backends": ["a"], "routers": [], "notes": []}
    assert report == {"namespace": "default", "classifiers": {}, **lists}
    assert (problem["fileLine"], problem["path"], problem["line"], problem["column"]) == (
        15,
        "spec.routes[0].when",
        1,
        7,
    )


def test_what_a_cluster_may_have_is_a_warning_unless_strict(tmp_path: Path) -> None:
    text = GOOD.replace('url: "http://a.example.com/v1"', "serviceRef: {name: s, port: http}")
    result = run(tmp_path, text)
    assert result.exit_code == 0
    assert "p.yaml:4: warning: spec.serviceRef.name: Service s has no endpoints here" in result.stdout
    assert run(tmp_path, text, "--strict").exit_code == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [\n", "p.yaml:2: "),
        ("kind: X\nkind: X\n", 'p.yaml:2: File {path}: not YAML: the key "kind" occurs twice'),
        (GOOD.replace("models", "model"), "p.yaml:10: spec.model: unknown field: did you mean models?"),
        (GOOD.replace("backendRef: {name: a}", "backendRef: {name: b}"), "ModelBackend b does not exist"),
    ],
)
def test_problems_name_file_line_and_field(tmp_path: Path, text: str, said: str) -> None:
    result = run(tmp_path, text)
    assert result.exit_code == 1
    assert said.format(path=tmp_path / "p.yaml") in result.stdout


def test_usage_errors_are_2(tmp_path: Path) -> None:
    runner = CliRunner()
    assert runner.invoke(main, ["check"]).exit_code == 2
    assert runner.invoke(main, ["check", "-f", str(tmp_path)]).exit_code == 2
    result = run(tmp_path, GOOD.replace("{name: a}\nspec", "{name: a, namespace: x}\nspec", 1) + GOOD_IN_Y)
    assert result.exit_code == 2
    assert "several namespaces (x, y): choose one with -n" in result.stderr


GOOD_IN_Y = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: y}\n"


def test_values_of_secrets_are_never_shown(tmp_path: Path) -> None:
    text = GOOD + "---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {k: 'hunter2!', n: 987654}\n"
    for arguments in ([], ["-o", "json"]):
        result = run(tmp_path, text, *arguments)
        assert result.exit_code == 1
        assert "hunter2" not in result.output
        assert "987654" not in result.output


@pytest.mark.parametrize("example", ["demo", "failover", "canary", "tiers", "providers"])
def test_the_examples_have_nothing_wrong(example: str) -> None:
    path = Path(__file__).parents[2] / "manifests" / "examples" / example
    result = CliRunner().invoke(main, ["check", "-f", str(path)])
    assert result.exit_code == 0, result.output


def test_a_metadata_address_is_a_warning(tmp_path: Path) -> None:
    result = run(tmp_path, GOOD.replace("a.example.com", "169.254.169.254"))
    assert result.exit_code == 0
    assert "warning: spec.url: 169.254.169.254 is a metadata address of a cloud" in result.stdout + result.stderr


STRATEGIES = GOOD.replace(
    """  routes:
""",
    """  classifiers:
  - name: kind
    labels: [code, prose]
    default: prose
    llm: {target: b}
  routes:
  - name: labelled
    when: label.kind == "cod"
    select: {by: kind, targets: [{label: code, target: a}]}
  - name: cheap
    when: query.chars > 90
    objective: {minimize: Cost, targets: [{name: a}], filter: 'target.qualty > 3'}
  - name: steps
    when: query.chars > 80
    cascade:
      steps:
      - target: a
        accept:
          judge: {target: a}
      - target: a
    limits: {maxCalls: 2}
""",
)


def test_what_is_wrong_with_strategies_is_located(tmp_path: Path) -> None:
    result = run(tmp_path, STRATEGIES)
    assert result.exit_code == 1
    file = f"{tmp_path}/p.yaml"
    assert result.stdout.splitlines() == [
        f'{file}:17: spec.classifiers[0].llm.target: there is no target "b" in spec.targets',
        "  fix: add it to spec.targets, or name one of: a",
        f"{file}:20: spec.routes[0].when: the classifier kind has no label 'cod'",
        '    label.kind == "cod"',
        "                  ^",
        '  fix: did you mean "code"?',
        f'{file}:21: spec.routes[0].select.targets: no target for prose of the classifier "kind"',
        "  fix: add the target of each label, or otherwise for the rest",
        f"{file}:24: warning: spec.routes[1].objective.minimize: the price of ModelBackend a is not known: it counts "
        "as the dearest",
        "  fix: add pricing there",
        f"{file}:24: spec.routes[1].objective.filter: target has no field 'qualty'",
        "    target.qualty > 3",
        "           ^",
        "  fix: did you mean target.quality?",
        f'{file}:31: warning: spec.routes[2].cascade.steps[0].accept.judge.target: "a" judges its own answers: models '
        "prefer what they wrote themselves",
        "  fix: name another target",
        f"{file}:33: spec.routes[2].limits.maxCalls: 2 calls can never suffice to come to the last step: 3 are needed",
        "  fix: write 3 or more, or ask for less",
        "1 policy and 1 backend in namespace default: 5 errors, 2 warnings",
    ]
