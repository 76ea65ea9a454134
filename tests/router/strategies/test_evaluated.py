"""What evaluation says that a router would do is what one does: the same policy, engines and queries, both ways."""

import json
from pathlib import Path

import pytest
from stage import Stage

from signalbox.evaluation.lines import read
from signalbox.evaluation.run import run
from signalbox.recording.places import of_backend
from signalbox.recording.recorder import Manner, Recorder
from signalbox.recording.store import Store

QUESTIONS = ["What is 6 times 7?", "Who wrote it?", "Why is the sky blue", "Fix `x = 1 +`", "One of many"]
ENGINES = {
    "small": [
        {"when": {"user": "6 times 7"}, "answer": "It is 42.", "confidence": 0.95},
        {"when": {"user": "Who"}, "answer": "Ada", "confidence": 0.3},
        {"when": {"user": "sky"}, "answer": "Because.", "confidence": 0.85},
        {"answer": "1", "confidence": 0.6},
    ],
    "middle": [
        {"when": {"user": "6 times 7"}, "answer": "42", "confidence": 0.9},
        {"when": {"user": "Who"}, "answer": "ada.", "confidence": 0.9},
        {"answer": "2", "confidence": 0.9},
    ],
    "strong": [{"when": {"user": "6 times 7"}, "answer": "43"}, {"answer": "Rayleigh scattering"}],
}
ROUTES = {
    "conditions": """
- {name: code, when: query.text.contains("`"), weighted: {targets: [{name: middle}]}}
- {name: short, when: query.chars < 15, failover: {tiers: [{targets: [{name: strong}]}, {targets: [{name: small}]}]}}
- {name: rest, objective: {maximize: Quality, targets: [{name: small}, {name: middle}]}}
""",
    "cascade": """
- name: all
  cascade:
    steps:
    - {target: small, accept: {logProbs: {}, minPercent: 80}}
    - {target: middle, accept: {expression: answer.chars < 3 || answer.text.contains("ada")}}
    - {target: strong}
""",
    "majority": """
- {name: all, bestOf: {targets: [{name: strong}, {name: small}, {name: middle}], majority: {}}}
""",
    "consensus": """
- name: all
  consensus: {targets: [{name: small}, {name: middle}], escalateTo: strong, minPercent: 100}
""",
    "numeric": """
- name: all
  consensus: {targets: [{name: small}, {name: middle}], escalateTo: strong, minPercent: 100, equality: Numeric}
""",
}


@pytest.mark.parametrize("kind", ROUTES)
async def test_a_router_does_what_was_foreseen(kind: str, stage: Stage, tmp_path: Path) -> None:
    for number, (name, rules) in enumerate(ENGINES.items()):
        await stage.engine(name, *rules, quality={"quality": 50 + number})
    spec = "routes:" + ROUTES[kind]
    [router] = stage.workspace(spec).plan.routers
    [policy] = router.config.policies
    backends = {backend.name: backend for backend in router.config.backends}
    written = [{"prompt": question} for question in QUESTIONS]
    lines = read("\n".join(map(json.dumps, written)).encode(), "questions")
    store = Store(tmp_path / "recorded.jsonl", written)
    places = [of_backend(target.name, backends[target.backend], {}, None) for target in policy.targets]
    await Recorder(places, Manner()).run(list(zip(lines, written, strict=True)), store, lambda _: None)
    store.close()
    recorded = read((tmp_path / "recorded.jsonl").read_bytes(), "recorded")
    outcomes = run([(policy, backends)], recorded, lambda _: None)[0].outcomes

    await stage.open(spec)
    for question, outcome in zip(QUESTIONS, outcomes, strict=True):
        assert not outcome.lacks, outcome.lacks
        seen = await stage.ask(question)
        assert (outcome.route, outcome.shares) == (seen.route, {seen.target: 1.0}), question
