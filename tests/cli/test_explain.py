"""signalbox explain: the decision without the request."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from signalbox.cli.main import main

RESOURCES = """apiVersion: signalbox.dev/v1alpha1
kind: ModelBackend
metadata: {name: small}
spec:
  model: m-small
  url: http://small.example.com/v1
  profile: {contextWindow: 1000, features: []}
---
apiVersion: signalbox.dev/v1alpha1
kind: ModelBackend
metadata: {name: strong}
spec: {model: m-strong, url: "http://strong.example.com/v1"}
---
apiVersion: signalbox.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: chat}
spec:
  models: [auto]
  access:
    tenants: [{name: team, tier: gold, keysFrom: [{secretRef: {name: keys}}]}]
  targets: [{name: small, backendRef: {name: small}}, {name: strong, backendRef: {name: strong}}]
  routes:
  - name: broken
    when: 10 / query.chars > 20 || request.header("x-team") == "red"
    weighted: {targets: [{name: small}]}
  - name: busy
    when: targets.small.inFlight > 10 || targets.small.overloaded || targets.small.utilization > 1.5
    weighted: {targets: [{name: strong}]}
  - name: stream
    when: request.stream
    failover: {tiers: [{targets: [{name: small}]}, {targets: [{name: strong}]}]}
  - name: all
    weighted: {targets: [{name: small, weight: 9}, {name: strong, weight: 1}]}
---
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {k: key-of-the-team-0001}
"""


def run(path: Path, body: Any, *arguments: str) -> Result:
    (path / "p.yaml").write_text(RESOURCES)
    text = body if isinstance(body, str) else json.dumps({"model": "auto", **body})
    return CliRunner().invoke(main, ["explain", "-f", str(path), "--request", "-", *arguments], input=text)


def explained(path: Path, body: Any, *arguments: str) -> Any:
    result = run(path, body, "-o", "json", *arguments)
    assert result.exit_code in {0, 1}, result.output
    return json.loads(result.stdout)


HELLO = {"messages": [{"role": "user", "content": "Hello"}]}


def results(found: Any) -> dict[str, str]:
    return {route["name"]: route["result"] for route in found["routes"]}


def test_conditions_show_the_values_they_saw(tmp_path: Path) -> None:
    found = explained(tmp_path, HELLO, "--tenant", "team")
    assert found["routes"][0]["values"] == {"query.chars": 5, 'request.header("x-team")': ""}
    assert (found["route"], found["tenant"], found["tier"]) == ("all", "team", "gold")
    assert [(c["target"], c["share"]) for c in found["candidates"]] == [("small", 90.0), ("strong", 10.0)]


def test_where_no_share_is_declared_it_says_that_load_decides(tmp_path: Path) -> None:
    for body, by_load in (({**HELLO, "stream": True}, True), (HELLO, False)):
        assert explained(tmp_path, body).get("byLoad", False) is by_load
        text = run(tmp_path, body).stdout
        assert ("failover by capacity and load: equal shares until" in text) is by_load


def test_a_condition_that_errors_is_shown_and_counts_as_not_matching(tmp_path: Path) -> None:
    empty = {"messages": [{"role": "user", "content": ""}]}
    found = explained(tmp_path, empty, "--tenant", "team")
    assert results(found)["broken"] == "error"
    assert "zero" in found["routes"][0]["error"]
    assert found["route"] == "all"
    text = run(tmp_path, empty, "--tenant", "team").stdout
    assert "ERROR" in text
    assert "the condition counts as not matching" in text


def test_headers_and_live_signals_can_be_given(tmp_path: Path) -> None:
    assert explained(tmp_path, HELLO, "--header", "X-Team: red")["route"] == "broken"
    found = explained(tmp_path, HELLO, "--assume", "targets.small.inFlight=11")
    assert found["route"] == "busy"
    for field in ("overloaded=true", "utilization=1.75"):
        assert explained(tmp_path, HELLO, "--assume", f"targets.small.{field}")["route"] == "busy"
    assert results(found) == {"broken": "did not hold", "busy": "held", "stream": "not asked", "all": "not asked"}


def test_targets_that_cannot_serve_drop_out_with_the_reason(tmp_path: Path) -> None:
    found = explained(tmp_path, {**HELLO, "tools": [{"type": "function", "function": {"name": "f"}}]})
    small, strong = found["candidates"]
    assert small["dropped"] == "no Tools"
    assert strong["share"] == 100.0
    found = explained(tmp_path, {**HELLO, "max_tokens": 2000})
    assert found["candidates"][0]["dropped"].startswith("context window 1000 <")


def test_what_an_api_cannot_say_is_a_reason_to_drop_out(tmp_path: Path) -> None:
    document = {"type": "document", "source": {"type": "url", "url": "https://a/b"}}
    body = {"messages": [{"role": "user", "content": [document]}], "system": "Be brief."}
    found = explained(tmp_path, body, "--tenant", "team", "--operation", "messages")
    assert (found["operation"], found["route"]) == ("chat", "all")
    assert found["refusal"] == "400: no target of the route can serve it"
    for candidate in found["candidates"]:
        assert candidate["dropped"].startswith("messages[0].content[0]: blocks of type document are not translated")


def test_failover_goes_to_the_first_tier_with_a_usable_target(tmp_path: Path) -> None:
    body = {**HELLO, "stream": True}
    shares = [c.get("share", 0) for c in explained(tmp_path, body)["candidates"]]
    assert shares == [100.0, 0]
    found = explained(tmp_path, body, "--assume", "targets.small.healthy=false")
    assert [c.get("share", 0) for c in found["candidates"]] == [0, 100.0]


def test_a_request_that_would_be_refused_exits_1(tmp_path: Path) -> None:
    result = run(tmp_path, HELLO)
    assert result.exit_code == 1
    assert "refused  401" in result.stdout
    result = run(tmp_path, HELLO, "--key", "key-of-the-team-0001")
    assert result.exit_code == 0
    assert "tenant team (tier gold)" in result.stdout
    assert "key-of-the-team-0001" not in result.output
    out = [f"--assume=targets.{name}.healthy=false" for name in ("small", "strong")]
    assert "refused  503" in run(tmp_path, HELLO, "--tenant", "team", *out).stdout


@pytest.mark.parametrize(
    ("body", "operation"),
    [
        (HELLO, "chat"),
        ({"prompt": "Hi"}, "completions"),
        ({"input": "Hi"}, "responses"),
        ({"input": "Hi", "dimensions": 3}, "embeddings"),
    ],
)
def test_the_operation_follows_from_the_fields(tmp_path: Path, body: Any, operation: str) -> None:
    assert explained(tmp_path, body)["operation"] == operation
    assert explained(tmp_path, body, "--operation", "completions")["operation"] == "completions"


@pytest.mark.parametrize(
    ("body", "arguments", "message"),
    [
        ("{", [], "not JSON"),
        ("[]", [], "must be a JSON object"),
        ('{"messages": []}', [], 'has no "model"'),
        (HELLO, ["--tenant", "nobody"], "no tenant of policy chat: there is team"),
        (HELLO, ["--tenant", "team", "--key", "x"], "exclude each other"),
        (HELLO, ["--assume", "targets.small.inFlight=many"], "targets.NAME.FIELD=VALUE"),
        (HELLO, ["--assume", "targets.other.healthy=true"], "targets are small, strong"),
        (HELLO, ["--header", "no colon"], "is not NAME: VALUE"),
    ],
)
def test_usage_errors_are_2(tmp_path: Path, body: Any, arguments: list[str], message: str) -> None:
    result = run(tmp_path, body, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_an_unknown_model_names_the_known_ones(tmp_path: Path) -> None:
    result = run(tmp_path, HELLO, "--model", "gpt-5")
    assert result.exit_code == 1
    assert 'no valid policy serves the model "gpt-5"; there is auto' in result.stderr
