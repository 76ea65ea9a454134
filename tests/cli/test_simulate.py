"""signalbox simulate, as a user sees it."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from signalbox.cli.main import main
from signalbox.cli.simulated import STORIES

BACKEND = """apiVersion: signalbox.dev/v1alpha1
kind: ModelBackend
metadata: {{name: {name}}}
spec: {{model: m, serviceRef: {{name: {name}, port: 80}}, signals: {{engine: VLLM}}, capacity: {capacity}}}
---
"""
POLICY = """apiVersion: signalbox.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: chat}
spec:
  models: [auto]
  access: {anonymous: {}}
  targets: [{name: big, backendRef: {name: a}}, {name: little, backendRef: {name: b}}]
  feedback: {mode: MODE}
  routes:
  - name: all
    weighted: {targets: [{name: big}, {name: little}]}
"""
TWO_ENDPOINTS = """apiVersion: v1
kind: Service
metadata: {name: a}
spec: {ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: a, labels: {kubernetes.io/service-name: a}}
addressType: IPv4
ports: [{port: 8000}]
endpoints: [{addresses: [10.0.0.1]}, {addresses: [10.0.0.2]}]
---
"""
BACKENDS = BACKEND.format(name="a", capacity="{concurrency: 16, tokensPerSecond: 800}") + BACKEND.format(
    name="b", capacity="{concurrency: 8, tokensPerSecond: 400}"
)


def run(path: Path, *arguments: str, mode: str = "Active", backends: str = BACKENDS) -> Result:
    (path / "p.yaml").write_text(backends + POLICY.replace("MODE", mode))
    given = ["simulate", "-f", str(path), "--duration", "10m", "--picture", str(path / "found.svg"), *arguments]
    return CliRunner().invoke(main, given)


def figures(result: Result) -> dict[str, dict[str, float]]:
    assert result.exit_code == 0, result.output
    found: dict[str, dict[str, float]] = json.loads(result.stdout)["outcomes"]
    return found


def test_it_shows_what_the_loop_would_do(tmp_path: Path) -> None:
    result = run(tmp_path, "--scenario", "slow", "--backend", "b")
    assert result.exit_code == 0, result.output
    assert [line.split("  ")[0] for line in result.stdout.splitlines()[3:6]] == [
        "feedback",
        "static weights",
        "least in flight",
    ]
    assert "chat/all  big" in result.stdout
    assert "note:" not in result.stdout


def test_a_slow_backend_costs_less_with_feedback(tmp_path: Path) -> None:
    found = figures(run(tmp_path, "--scenario", "slow", "--backend", "b", "-o", "json"))
    assert 2 * found["feedback"]["p99"] < found["static weights"]["p99"]


@pytest.mark.parametrize("story", list(STORIES))
def test_every_scenario_serves_all_of_its_requests(tmp_path: Path, story: str) -> None:
    for each in figures(run(tmp_path, "--scenario", story, "--duration", "2m", "-o", "json")).values():
        assert each["served"] > 100
        assert each["refused"] == 0


@pytest.mark.parametrize("story", ["bursts", "day"])
def test_requests_that_come_unevenly_wait_for_longer(tmp_path: Path, story: str) -> None:
    even, uneven = (figures(run(tmp_path, "--scenario", each, "-o", "json")) for each in ("steady", story))
    for name, each in uneven.items():
        assert each["served"] == even[name]["served"]
        assert each["p50"] > 1.2 * even[name]["p50"]


def test_capacities_that_nobody_declared_are_learned(tmp_path: Path) -> None:
    known, unknown = (
        json.loads(run(tmp_path, "--scenario", each, "-o", "json").stdout) for each in ("steady", "unknown")
    )
    assert unknown["outcomes"]["static weights"] == known["outcomes"]["static weights"]  # they are of the same requests
    assert unknown["outcomes"]["feedback"] != known["outcomes"]["feedback"]
    assert {each["target"]: each["base"] for each in unknown["weights"]} == {
        "big": pytest.approx(2 / 3, abs=0.05),
        "little": pytest.approx(1 / 3, abs=0.05),
    }


def test_the_same_seed_says_the_same(tmp_path: Path) -> None:
    one, same, other = (run(tmp_path, "--seed", seed, "-o", "json").stdout for seed in ("1", "1", "2"))
    assert one == same != other


@pytest.mark.parametrize("mode", ["Observe", "Disabled"])
def test_who_only_observes_moves_nothing(tmp_path: Path, mode: str) -> None:
    found = json.loads(run(tmp_path, "-o", "json", mode=mode).stdout)
    shares = found["outcomes"]["feedback"]["shares"]
    assert shares["a"] == pytest.approx(0.5, abs=0.01)
    assert bool(found["weights"]) is (mode == "Observe")


def test_what_is_not_declared_is_assumed_and_said(tmp_path: Path) -> None:
    backends = BACKEND.format(name="a", capacity="{}") + BACKEND.format(name="b", capacity="{concurrency: 8}")
    result = run(tmp_path, backends=backends)
    notes = [line for line in result.stdout.splitlines() if line.startswith("note: ")]
    assert [note.split(":")[1].strip() for note in notes] == ["a", "a", "b"]


def test_a_policy_that_is_not_valid_is_left_out_and_named(tmp_path: Path) -> None:
    bad = POLICY.replace("MODE", "Active").replace("name: chat", "name: bad").replace("[auto]", "[other]")
    condition = "- name: odd\n    when: nonsense(\n    weighted: {targets: [{name: big}]}\n  - name: all\n"
    result = run(tmp_path, backends=BACKENDS + bad.replace("- name: all\n", condition) + "---\n")
    assert "note: policy bad is not valid, so it is not simulated; signalbox check says why" in result.stdout
    assert "policy chat" not in result.stdout


def test_a_limit_of_all_endpoints_is_no_batch_of_one(tmp_path: Path) -> None:
    limited = BACKENDS.replace(
        "capacity: {concurrency: 16, tokensPerSecond: 800}", "limits: {maxInFlight: 256, tokensPerMinute: 60000}"
    )
    result = run(tmp_path, backends=TWO_ENDPOINTS + limited)
    assert "note: a: capacity.concurrency is not declared; simulated as 32" in result.stdout
    measured = "signals: {engine: VLLM}, limits"
    result = run(tmp_path, backends=TWO_ENDPOINTS + limited.replace(measured, "limits"))
    assert "a: capacity.concurrency" not in result.stdout
    assert "note: a: capacity.tokensPerSecond is not declared; simulated as 500" in result.stdout


def test_affinity_finds_prompts_that_engines_keep(tmp_path: Path) -> None:
    chats = ("--scenario", "chats", "-o", "json")
    drawn = figures(run(tmp_path, *chats, backends=TWO_ENDPOINTS + BACKENDS))
    kept = figures(run(tmp_path, *chats, backends=TWO_ENDPOINTS + BACKENDS, mode="Active}\n  affinity: {key: Prefix"))
    assert kept["feedback"]["cached"] > 1.2 * drawn["feedback"]["cached"] > 0.0
    assert figures(run(tmp_path, "-o", "json"))["feedback"]["cached"] == 0.0
    assert " cached" in run(tmp_path, "--scenario", "chats").stdout


def test_the_picture_is_one(tmp_path: Path) -> None:
    run(tmp_path, "--scenario", "dead")
    root = ElementTree.parse(tmp_path / "found.svg").getroot()
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"Weights of chat/all", "Requests in each backend, with feedback", "p99 latency, seconds", "big"} <= texts
    assert len(list(root.iter("{http://www.w3.org/2000/svg}polyline"))) == 2 + 2 + 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--backend", "x"), "--backend x: no policy uses it; there is a, b"),
        (("--duration", "soon"), "'soon' is no duration such as 90s, 20m or 1h30m"),
        (("--duration", "1s"), "must be from 10s to 168h"),
        (("--picture", "/nowhere/at/all.svg"), "--picture /nowhere/at/all.svg: No such file or directory"),
    ],
)
def test_wrong_usage_says_what_is_right(tmp_path: Path, arguments: tuple[str, str], says: str) -> None:
    result = run(tmp_path, *arguments)
    assert result.exit_code == 2
    assert says in result.output


def test_without_a_policy_there_is_nothing_to_simulate(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(BACKENDS)
    result = CliRunner().invoke(main, ["simulate", "-f", str(tmp_path)])
    assert result.exit_code == 1
    assert "there is no valid policy with targets to simulate" in result.output
