"""signalbox explain: classifiers, the choice among targets, and the calls of chains."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from signalbox.cli.main import main
from signalbox.routing.classifiers.artefact import VERSION, Artefact, Output, Standard, encode
from signalbox.routing.classifiers.features import HAND

RESOURCES = """apiVersion: signalbox.dev/v1alpha1
kind: ModelBackend
metadata: {name: small}
spec:
  model: m-small
  url: http://small.example.com/v1
  profile: {quality: 55, latency: 200ms}
  pricing: {inputPerMillion: "1", outputPerMillion: "2"}
---
apiVersion: signalbox.dev/v1alpha1
kind: ModelBackend
metadata: {name: strong}
spec:
  model: m-strong
  url: http://strong.example.com/v1
  profile: {quality: 90, latency: 900ms, skills: {code: 97}}
  pricing: {inputPerMillion: "10", outputPerMillion: "20"}
---
apiVersion: signalbox.dev/v1alpha1
kind: ModelBackend
metadata: {name: free}
spec: {model: m-free, url: "http://free.example.com/v1"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: models}
binaryData: {difficulty: MODEL}
---
apiVersion: signalbox.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: chat}
spec:
  models: [auto]
  access: {anonymous: {}}
  targets:
  - {name: small, backendRef: {name: small}}
  - {name: strong, backendRef: {name: strong}}
  - {name: free, backendRef: {name: free}}
  classifiers:
  - {name: kind, labels: [code, prose, other], default: prose, llm: {target: small}}
  - name: difficulty
    labels: [small, strong]
    default: strong
    trained: {modelFrom: {configMapKeyRef: {name: models, key: difficulty}}}
  routes:
  - name: only
    ROUTE
"""

CHOSEN = "select: {by: kind, targets: [{label: code, target: strong}, {label: prose, target: free}], otherwise: small}"
CHEAP = """objective:
      minimize: Cost
      targets: [{name: small}, {name: strong}, {name: free}]
      bounds: {minQuality: 60}
      filter: target.name != 'free'"""
STEPS = """cascade:
      steps:
      - {target: small, accept: {judge: {target: strong, rubric: short}}}
      - {target: free, accept: {agreement: {samples: 4}, minPercent: 50}}
      - {target: small, accept: {logProbs: {}, minPercent: 90}}
      - {target: small, accept: {expression: '!answer.refusal'}}
      - {weighted: {targets: [{name: strong}, {name: free}]}}
    limits: {maxCalls: 9, maxCost: "0.05", timeout: 30s}
    onFailure: BestSoFar"""


def difficulty() -> str:
    """Whose gain is .25 whatever is asked, over an expected score of .5."""
    artefact = Artefact(
        version=VERSION,
        learnt="Scores",
        labels=("small", "strong"),
        targets=("small", "strong"),
        length=Standard(0.0, 1.0),
        hand=(Standard(0.0, 1.0),) * len(HAND),
        outputs=(Output(0.5), Output(0.25)),
    )
    return base64.b64encode(encode(artefact)).decode()


def run(path: Path, route: str, *arguments: str, **body: Any) -> Result:
    (path / "p.yaml").write_text(RESOURCES.replace("ROUTE", route).replace("MODEL", difficulty()))
    body = {"model": "auto", "messages": [{"role": "user", "content": "Hello"}]} | body
    return CliRunner().invoke(main, ["explain", "-f", str(path), "--request", "-", *arguments], input=json.dumps(body))


def explained(path: Path, route: str, *arguments: str, **body: Any) -> Any:
    result = run(path, route, "-o", "json", *arguments, **body)
    assert result.exit_code in {0, 1}, result.output
    return json.loads(result.stdout)


def classifier(found: Any, name: str) -> Any:
    return next(each for each in found["classifiers"] if each["name"] == name)


def test_a_label_that_is_not_known_leaves_the_choice_open(tmp_path: Path) -> None:
    result = run(tmp_path, CHOSEN)
    assert result.exit_code == 1
    assert "open     it depends on the classifier kind: --assume label.kind=LABEL" in result.stdout
    assert "kind        llm      must be asked, which is not done here" in result.stdout
    assert "difficulty  trained  not asked" in result.stdout
    found = explained(tmp_path, CHOSEN)
    assert found["awaits"] == "kind"
    assert "refusal" not in found
    assert {c["target"]: c.get("labels") for c in found["candidates"]} == {
        "small": None,
        "strong": ["code"],
        "free": ["prose"],
    }
    assert not any("share" in c for c in found["candidates"])


@pytest.mark.parametrize(
    ("label", "order"),
    [
        ("code", ["strong", "small", "free"]),
        ("prose", ["free", "small", "strong"]),
        ("other", ["small", "strong", "free"]),
    ],
)
def test_an_assumed_label_chooses(tmp_path: Path, label: str, order: list[str]) -> None:
    found = explained(tmp_path, CHOSEN, "--assume", f"label.kind={label}")
    assert (found["strategy"], found["by"]) == ("select", "kind")
    assert [c["target"] for c in found["candidates"]] == order
    assert [c.get("share", 0) for c in found["candidates"]] == [100.0, 0, 0]
    assert classifier(found, "kind")["outcome"] == "assumed"
    lost = f"targets.{order[0]}.healthy=false"
    found = explained(tmp_path, CHOSEN, "--assume", f"label.kind={label}", "--assume", lost)
    assert [c.get("share", 0) for c in found["candidates"]] == [0, 100.0, 0]


def test_a_trained_classifier_judges_in_place(tmp_path: Path) -> None:
    route = 'when: label.difficulty == "strong" && score.difficulty > 0.2\n    weighted: {targets: [{name: strong}]}'
    route += "\n  - name: rest\n    weighted: {targets: [{name: small}, {name: free}]}"
    found = explained(tmp_path, route)
    assert found["route"] == "only"
    assert found["routes"][0]["values"] == {"label.difficulty": "strong", "score.difficulty": 0.25}
    said = classifier(found, "difficulty")
    assert (said["outcome"], said["label"], said["score"], said["confidence"]) == ("answered", "strong", 0.25, 0.75)
    assert said["expected"] == {"small": 0.5, "strong": 0.75}
    text = run(tmp_path, route).stdout
    assert "strong, score 0.25, confidence 0.75; expects small 50.0, strong 75.0" in text
    found = explained(tmp_path, route, "--assume", "score.difficulty=0.1")
    assert (found["route"], found["routes"][0]["result"]) == ("rest", "did not hold")


def test_a_condition_that_is_open_decides_nothing_further(tmp_path: Path) -> None:
    route = 'when: label.kind == "code"\n    weighted: {targets: [{name: strong}]}'
    route += "\n  - name: rest\n    weighted: {targets: [{name: small}]}"
    found = explained(tmp_path, route)
    assert [each["result"] for each in found["routes"]] == ["unknown", "not asked"]
    assert found["awaits"] == "kind"
    assert "route" not in found
    assert "label.kind = (not asked)" in run(tmp_path, route).stdout
    assert explained(tmp_path, route, "--assume", "label.kind=prose")["route"] == "rest"


def test_an_objective_shows_what_it_weighs_and_why_targets_are_out(tmp_path: Path) -> None:
    found = explained(tmp_path, CHEAP, max_tokens=1000)
    strong, small, free = found["candidates"]
    assert (strong["target"], strong["share"]) == ("strong", 100.0)
    # Two prompt tokens at 10, the prior of an answer at 20, per million.
    assert strong["cost"] == pytest.approx((2 * 10 + 300 * 20) / 1e6)
    assert (strong["firstTokenMs"], strong["load"], strong["quality"]) == (900, 0.0, 90)
    assert (small["target"], small["misses"]) == ("small", ["minQuality"])
    assert (free["dropped"], free["misses"]) == ("the filter does not hold", ["minQuality"])
    text = run(tmp_path, CHEAP).stdout
    assert "target   route only, objective by Cost" in text
    assert "misses minQuality; if those before it cannot" in text
    assert "quality ?    cost ?" in text
    found = explained(tmp_path, CHEAP, "--assume", "targets.strong.healthy=false")
    assert [c.get("share", 0) for c in found["candidates"]] == [100.0, 0, 0]


def test_an_objective_takes_quality_from_a_classifier(tmp_path: Path) -> None:
    route = (
        "objective: {maximize: Quality, targets: [{name: small}, {name: strong}], quality: {classifier: difficulty}}"
    )
    found = explained(tmp_path, route)
    assert [(c["target"], c["quality"]) for c in found["candidates"]] == [("strong", 75.0), ("small", 50.0)]
    by_skill = route.replace("classifier: difficulty", "classifier: kind")
    assert explained(tmp_path, by_skill)["awaits"] == "kind"
    found = explained(tmp_path, by_skill, "--assume", "label.kind=code")
    assert [(c["target"], c["quality"]) for c in found["candidates"]] == [("strong", 97), ("small", 55)]


def test_a_cascade_shows_its_calls_and_their_cost(tmp_path: Path) -> None:
    chain = explained(tmp_path, STEPS, max_tokens=100)["chain"]
    assert [(c["step"], c["purpose"], c["targets"], c.get("times", 1)) for c in chain["calls"]] == [
        (1, "answer", ["small"], 1),
        (1, "judge", ["strong"], 1),
        (2, "sample", ["free"], 4),
        (3, "answer", ["small"], 1),
        (4, "answer", ["small"], 1),
        (5, "answer", ["strong", "free"], 1),
    ]
    assert (chain["leastCalls"], chain["mostCalls"], chain["maxCalls"]) == (2, 9, 9)
    assert (chain["maxCost"], chain["timeoutMs"], chain["onFailure"]) == (0.05, 30_000, "BestSoFar")
    assert chain["unpriced"] == ["free"]
    answer = (2 * 1 + 100 * 2) / 1e6
    judge = ((2 + 100 + 150) * 10 + 512 * 20) / 1e6
    assert chain["calls"][0]["cost"] == pytest.approx(answer)
    assert chain["calls"][1]["cost"] == pytest.approx(judge)
    assert "cost" not in chain["calls"][2]
    assert chain["mostCost"] == pytest.approx(3 * answer + judge + (2 * 10 + 100 * 20) / 1e6)
    text = run(tmp_path, STEPS).stdout
    for line in (
        "accepted if the judge gives 70 % or more",
        "by: short",
        "sample free × 4",
        "50 % of 4 answers agree, case and punctuation aside",
        "accepted if log-probabilities give 90 % or more (uncalibrated)",
        "accepted if !answer.refusal",
        "accepted always",
        "2 to 9 calls, at most",
        "without free, whose price is not known",
        "maxCalls 9, maxCost 0.05, timeout 30 s, onFailure BestSoFar",
    ):
        assert line in text


def test_several_choices_go_to_one_target(tmp_path: Path) -> None:
    chain = explained(tmp_path, STEPS, n=2, max_tokens=100)["chain"]
    assert [call["targets"] for call in chain["calls"]] == [["strong", "free"]]
    assert chain["mostCost"] == pytest.approx((2 * 10 + 2 * 100 * 20) / 1e6), "each of both may be so long"
    assert "asks for several answers, or for none to compare: one target serves it" in run(tmp_path, STEPS, n=2).stdout


def test_samples_and_votes(tmp_path: Path) -> None:
    best = "bestOf: {targets: [{name: small, samples: 3}, {name: free}], majority: {equality: Numeric}}"
    chain = explained(tmp_path, best)["chain"]
    assert [(c["purpose"], c.get("times", 1)) for c in chain["calls"]] == [("sample", 3), ("sample", 1)]
    assert (chain["leastCalls"], chain["mostCalls"]) == (4, 4)
    assert chain["calls"][0]["accept"] == "the most frequent, by their last number"
    agreed = """consensus:
      {targets: [{name: small}, {name: free}], equality: Judged, judge: {target: free}, minPercent: 80,
       escalateTo: strong}"""
    found = explained(tmp_path, agreed)
    assert [c["purpose"] for c in found["chain"]["calls"]] == ["vote", "vote", "judge", "escalation"]
    assert (found["chain"]["leastCalls"], found["chain"]["mostCalls"]) == (2, 4)
    assert found["chain"]["calls"][0]["accept"] == "52 % of the votes, 80 % must agree, by the judge's word"
    assert [(c["target"], c.get("share", 0)) for c in found["candidates"]] == [
        ("small", 100.0),
        ("free", 100.0),
        ("strong", 0),
    ]
    out = "--assume=targets.free.healthy=false"
    assert "out: free in step 1: no usable endpoint" in run(tmp_path, agreed, out).stdout


@pytest.mark.parametrize(
    ("assumption", "message"),
    [
        ("label.kind=cod", "the labels of kind are code, prose, other"),
        ("label.mood=calm", "the policy has the classifiers kind, difficulty"),
        ("score.kind=2", "write a number from 0 to 1"),
        ("confidence.kind=high", "write a number from 0 to 1"),
        ("targets.small.healthy=1", "targets.NAME.FIELD=VALUE"),
    ],
)
def test_wrong_assumptions_are_named(tmp_path: Path, assumption: str, message: str) -> None:
    result = run(tmp_path, CHOSEN, "--assume", assumption)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
