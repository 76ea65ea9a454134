"""Decisions of one policy over recorded queries, by strategies that ask one target."""

import random
from pathlib import Path

import pytest
from replaying import answer, line, replayed

from signalbox.evaluation.shares import expected_shares
from signalbox.routing import config
from signalbox.routing.shares import Draws

WEIGHTED = """
  routes:
  - name: short
    when: query.chars < 10
    weighted: {targets: [{name: small}]}
  - name: rest
    weighted: {targets: [{name: middle, weight: 3}, {name: strong, weight: 1}]}
"""
KIND = """
  classifiers:
  - name: kind
    labels: [easy, hard]
    default: hard
    llm: {target: middle}
"""
SCORES = {"small": 0.2, "middle": 0.5, "strong": 0.9}


def test_conditions_and_expected_shares(tmp_path: Path) -> None:
    short, long = replayed(tmp_path, WEIGHTED, line("Why?"), line("Why is that so?", scores=SCORES)).outcomes
    assert (short.route, short.shares, short.quality) == ("short", {"small": 1.0}, None)
    assert short.ways[0].why == "no score of target small"
    assert (long.route, long.shares) == ("rest", {"middle": 0.75, "strong": 0.25})
    assert long.quality == pytest.approx(0.75 * 0.5 + 0.25 * 0.9)


def test_costs_are_of_recorded_tokens_where_there_are_any(tmp_path: Path) -> None:
    recorded, estimated = replayed(
        tmp_path, WEIGHTED, line("Why?", answers={"small": answer(correct=True)}), line("Where?")
    ).outcomes
    assert recorded.cost == pytest.approx(20 * 1 / 1e6)
    assert (recorded.estimated, recorded.latency_ms, recorded.quality) == (False, 100, 1.0)
    # Two tokens by bytes; ten answers' weight of 300 tokens and one of ten.
    assert estimated.cost == pytest.approx((2 + (300 * 10 + 10) / 11) / 1e6)
    assert (estimated.estimated, estimated.latency_ms) == (True, None)


def test_who_cannot_serve_a_request_is_left_out(tmp_path: Path) -> None:
    only = "\n  routes: [{name: all, weighted: {targets: [{name: small}]}}]"
    tiers = "\n  routes: [{name: all, failover: {tiers: [{targets: [{name: small}]}, {targets: [{name: strong}]}]}}]"
    long = line("word " * 200)
    assert replayed(tmp_path, only, long).outcomes[0].refused == "400: no target of the route can serve it"
    first, second = replayed(tmp_path, tiers, line(), long).outcomes
    assert (first.shares, second.shares) == ({"small": 1.0}, {"strong": 1.0})


def test_labels_of_others_are_recorded_or_the_query_is_not_evaluable(tmp_path: Path) -> None:
    policy = (
        KIND
        + """
  routes:
  - name: sure
    when: confidence.kind > 0.9
    weighted: {targets: [{name: strong}]}
  - name: by_kind
    select: {by: kind, targets: [{label: easy, target: small}], otherwise: middle}
"""
    )
    sure, unsure, half, nothing = replayed(
        tmp_path,
        policy,
        line(labels={"kind": {"label": "easy", "confidence": 0.95}}),
        line(labels={"kind": {"label": "easy", "confidence": 0.5}}),
        line(labels={"kind": "easy"}),
        line(),
    ).outcomes
    assert (sure.route, unsure.route, unsure.shares) == ("sure", "by_kind", {"small": 1.0})
    assert half.lacks == nothing.lacks == "what the llm classifier kind says was not recorded (labels.kind)"
    assert not half.evaluable
    assert unsure.calls == 2  # the model that picked, and the one that answered


def test_a_label_chooses_and_is_counted(tmp_path: Path) -> None:
    policy = (
        KIND
        + "\n  routes: [{name: all, select: {by: kind, targets: [{label: easy, target: small}], otherwise: strong}}]"
    )
    run = replayed(
        tmp_path,
        policy,
        line(labels={"kind": "easy"}, label="easy", scores=SCORES),
        line(labels={"kind": "hard"}, label="easy", scores=SCORES),
    )
    assert [outcome.shares for outcome in run.outcomes] == [{"small": 1.0}, {"strong": 1.0}]
    labelling = run.report().classifiers[0]
    assert labelling.labels == {"easy": 1, "hard": 1}
    assert labelling.accuracy is not None
    assert labelling.accuracy.value == 0.5


def test_objectives_rank_by_what_is_said_of_targets(tmp_path: Path) -> None:
    policy = """
  routes:
  - name: all
    objective: {minimize: Cost, targets: [{name: strong}, {name: middle}, {name: small}], bounds: {minQuality: 50}}
"""
    assert replayed(tmp_path, policy, line()).outcomes[0].shares == {"middle": 1.0}


def test_tenants_are_those_of_the_policy(tmp_path: Path) -> None:
    policy = """
  routes:
  - {name: acme, when: user.tenant == "acme", weighted: {targets: [{name: strong}]}}
  - {name: anonymous, weighted: {targets: [{name: small}]}}
"""
    run = replayed(tmp_path, policy, line(tenant="acme"), line(tenant="x"), line())
    known, stranger, nobody = run.outcomes
    assert run.report().notes == ["1 queries name no tenant, which the policy demands: replayed as if that was allowed"]
    assert (known.route, nobody.route) == ("acme", "anonymous")
    assert stranger.refused == "401: the policy does not know the tenant"


def test_a_model_that_nobody_serves_is_for_no_policy(tmp_path: Path) -> None:
    assert replayed(tmp_path, WEIGHTED, line(model="other"), line(model="auto")).lines[0].model == "auto"


def test_what_is_left_open_is_noted(tmp_path: Path) -> None:
    policy = """
  routes:
  - {name: broken, when: 1 / (query.chars - 4) > 0, weighted: {targets: [{name: strong}]}}
  - {name: free, weighted: {targets: [{name: small}, {name: middle}]}}
"""
    run = replayed(tmp_path, policy, line("Why?", scores=SCORES))
    assert run.outcomes[0].shares == {"small": 0.5, "middle": 0.5}
    assert run.report().notes == [
        "the condition of route broken had no value for 1 queries and counted as not matching",
        "shares of free follow load, which is not replayed: equal ones are assumed",
    ]


def test_expected_shares_are_what_draws_hold() -> None:
    shares = tuple(config.Share(name, weight) for name, weight in (("a", 5), ("b", 0), ("c", 3), ("d", 2)))
    expected = dict(expected_shares(shares, frozenset({"a", "b", "c"})))
    draws = Draws([5, 0, 3, 2], random.Random(1))
    drawn = [draws.pick(0b0111) for _ in range(8000)]
    assert expected == {"a": 5 / 8, "c": 3 / 8}
    assert drawn.count(0) / 8000 == pytest.approx(expected["a"], abs=0.001)
    assert expected_shares(shares, frozenset({"b"})) == []


def test_a_service_says_what_it_expects_of_targets(tmp_path: Path) -> None:
    policy = """
  classifiers:
  - {name: fit, labels: [small, strong], default: strong, http: {url: 'http://classify.example.com/'}}
  routes:
  - {name: all, objective: {maximize: Quality, targets: [{name: small}, {name: strong}], quality: {classifier: fit}}}
"""
    said, silent = replayed(
        tmp_path, policy, line(labels={"fit": {"label": "small", "scores": {"small": 0.9, "strong": 0.7}}}), line()
    ).outcomes
    assert said.shares == {"small": 1.0}
    assert "what the http classifier fit says was not recorded" in silent.lacks
