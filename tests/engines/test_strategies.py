"""Classifiers and chains on a real vLLM: its log-probabilities, its structured output, its streams."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from cluster.build import Say
from engines import install, serving
from engines.routing import Router, up

pytestmark = pytest.mark.engines

BACKEND = """
apiVersion: signalbox.dev/v1alpha1
kind: ModelBackend
metadata: {{name: {name}}}
spec:
  model: smollm2
  url: http://{address}/v1
  profile: {{quality: {quality}, features: [LogProbs, JSONSchema]}}
  pricing: {{inputPerMillion: "1", outputPerMillion: "2"}}
"""
POLICY = """
apiVersion: signalbox.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: chat}
spec:
  models: [sure, unsure, judged, agreed, picked, chosen, voted]
  access: {anonymous: {}}
  debug: Allowed
  targets:
    - {name: small, backendRef: {name: small}}
    - {name: other, backendRef: {name: other}}
    - {name: strong, backendRef: {name: strong}}
  classifiers:
    - name: kind
      labels: [sums, stories]
      default: sums
      timeout: 60s
      llm:
        target: strong
        descriptions: [{label: sums, text: "numbers"}, {label: stories, text: "tales of people and animals"}]
  routes:
    - name: sure
      when: request.model == "sure"
      cascade: {steps: [{target: small, accept: {logProbs: {}, minPercent: 1}}, {target: strong}]}
    - name: unsure
      when: request.model == "unsure"
      cascade: {steps: [{target: small, accept: {logProbs: {}, minPercent: 100}}, {target: strong}]}
    - name: judged
      when: request.model == "judged"
      cascade: {steps: [{target: small, accept: {judge: {target: other}, minPercent: 50}}, {target: strong}]}
    - name: agreed
      when: request.model == "agreed"
      cascade: {steps: [{target: small, accept: {agreement: {samples: 2}, minPercent: 100}}, {target: strong}]}
    - name: picked
      when: request.model == "picked"
      select: {by: kind, targets: [{label: sums, target: small}, {label: stories, target: other}], otherwise: strong}
    - name: chosen
      when: request.model == "chosen"
      bestOf: {targets: [{name: small, samples: 2}], judge: {target: other}}
    - name: voted
      consensus: {targets: [{name: small}, {name: other}], escalateTo: strong, minPercent: 60}
"""


@pytest.fixture(scope="module")
def router(say: Say, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    with serving.engine(install.vllm(say), "only", 4, 2, tmp_path_factory.mktemp("engines")) as engine:
        serving.wait([engine], say)
        qualities = {"small": 40, "other": 40, "strong": 80}
        backends = (BACKEND.format(name=name, address=engine.address, quality=each) for name, each in qualities.items())
        with up(tmp_path_factory.mktemp("policies"), "---".join([*backends, POLICY])) as found:
            yield found


def ask(router: Router, model: str, prompt: str = "Name the capital of France.", **more: Any) -> httpx.Response:
    """One chat; greedy where nobody asks for samples."""
    body = {"model": model, "messages": [{"role": "user", "content": prompt}], "max_tokens": 12, "temperature": 0}
    found = httpx.post(router.chat, json=body | more, headers={"x-signalbox-debug": "true"}, timeout=120)
    assert found.status_code == 200, found.text
    return found


def trail(response: httpx.Response) -> list[dict[str, Any]]:
    """Who said what."""
    found: list[dict[str, Any]] = json.loads(response.headers["x-signalbox-trail"])
    return found


def scores(response: httpx.Response) -> list[float]:
    return [each["score"] for each in trail(response) if "score" in each]


@pytest.mark.parametrize(("model", "target"), [("sure", "small"), ("unsure", "strong")])
def test_log_probabilities_decide(router: Router, model: str, target: str) -> None:
    found = ask(router, model)
    (score,) = scores(found)
    assert 1.0 < score < 100.0
    assert found.headers["x-signalbox-target"] == target
    (choice,) = found.json()["choices"]
    assert choice["message"]["content"]
    assert choice.get("logprobs") is None, "nobody asked for them"


def test_log_probabilities_are_kept_where_the_client_asks(router: Router) -> None:
    (choice,) = ask(router, "sure", logprobs=True).json()["choices"]
    assert choice["logprobs"]["content"]


@pytest.mark.parametrize("model", ["sure", "unsure"])
def test_a_stream_says_what_the_whole_answer_says(router: Router, model: str) -> None:
    events = [line[6:] for line in ask(router, model, stream=True).text.split("\n") if line.startswith("data: ")]
    assert events.pop() == "[DONE]"
    deltas = [choice["delta"].get("content") or "" for each in events for choice in json.loads(each)["choices"]]
    assert "".join(deltas) == ask(router, model).json()["choices"][0]["message"]["content"]


def test_a_judge_gives_a_score(router: Router) -> None:
    found = ask(router, "judged")
    (score,) = scores(found)
    assert 0.0 <= score <= 100.0
    assert found.headers["x-signalbox-target"] == ("small" if score >= 50.0 else "strong")


def test_samples_agree_or_the_stronger_is_asked(router: Router) -> None:
    found = ask(router, "agreed")
    (score,) = scores(found)
    assert score in {50.0, 100.0}
    assert found.headers["x-signalbox-target"] == ("small" if score == 100.0 else "strong")


def test_a_model_picks_the_label_in_structured_output(router: Router, say: Say) -> None:
    prompts = ["What is 17 times 23?", "Tell a story about a fox and a crow.", "1 + 1 =", "Once upon a time"]
    targets = [ask(router, "picked", prompt).headers["x-signalbox-target"] for prompt in prompts]
    say(f"  labels picked: {targets}")
    assert set(targets) <= {"small", "other"}
    with httpx.Client() as client:
        text = client.get(f"{router.admin}/metrics").text
    outcomes = [line for line in text.splitlines() if line.startswith("signalbox_router_classifications_total{")]
    assert outcomes
    assert all('outcome="answered"' in line for line in outcomes if not line.endswith(" 0.0")), outcomes


def test_a_judge_chooses_among_samples(router: Router) -> None:
    found = ask(router, "chosen")
    assert found.headers["x-signalbox-target"] == "small"
    assert not any("fail" in each.get("why", "") for each in trail(found)), trail(found)


def test_equal_answers_are_an_agreement(router: Router) -> None:
    """One model twice, greedily: it agrees with itself."""
    found = ask(router, "voted", temperature=0)
    assert found.headers["x-signalbox-target"] in {"small", "other"}
    assert json.loads(found.headers["x-signalbox-usage"])["calls"] == 2


def test_a_client_of_anthropic_is_answered(router: Router) -> None:
    body = {"model": "sure", "max_tokens": 12, "messages": [{"role": "user", "content": "Name a river."}]}
    found = httpx.post(f"{router.url}/v1/messages", json=body, timeout=120)
    assert found.status_code == 200, found.text
    answer = found.json()
    assert (answer["type"], answer["content"][0]["type"]) == ("message", "text")
    assert answer["usage"]["output_tokens"] == 12
