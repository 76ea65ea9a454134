"""What a policy has learned for it, and when that is to be learned anew."""

from typing import Any

import pytest

from signalbox.api import ModelBackend, RoutingPolicy
from signalbox.plan.compile import plan
from signalbox.plan.lessons import Cut, Lesson, Source, classifier_key, confidence_key, lessons_of
from signalbox.plan.observed import Observed
from signalbox.plan.references import of_policy
from signalbox.routing import config

EXAMPLES = [{"configMapKeyRef": {"name": "past", "key": "a"}}, {"secretKeyRef": {"name": "private", "key": "b"}}]
SOURCES = (Source("ConfigMap", "past", "a"), Source("Secret", "private", "b"))


def policy(trained: dict[str, Any], accept: dict[str, Any] | None = None, name: str = "p") -> RoutingPolicy:
    steps: list[dict[str, Any]] = [{"target": "a", "accept": accept or {"expression": "true"}}, {"target": "b"}]
    return RoutingPolicy.model_validate(
        {
            "apiVersion": "signalbox.dev/v1alpha1",
            "kind": "RoutingPolicy",
            "metadata": {"name": name, "namespace": "n"},
            "spec": {
                "models": [name],
                "access": {"anonymous": {}},
                "targets": [{"name": name, "backendRef": {"name": name}} for name in "ab"],
                "classifiers": [{"name": "hard", "labels": ["a", "b"], "default": "a", "trained": trained}],
                "routes": [
                    {"name": "steps", "when": "query.chars > 9", "cascade": {"steps": steps}},
                    {"name": "rest", "weighted": {"targets": [{"name": "a"}]}},
                ],
            },
        }
    )


def lesson(**changes: Any) -> Lesson:
    return lessons_of(policy({"examplesFrom": EXAMPLES, **changes}))[0]


def test_a_classifier_is_learned_from_all_its_sources() -> None:
    found = lesson(targets=[{"label": "a", "target": "small"}, {"label": "b", "target": "strong"}])
    assert (found.key, found.kind, found.sources) == (classifier_key("p", "hard"), "classifier", SOURCES)
    assert found.path == "spec.classifiers[0].trained.examplesFrom"
    assert found.targets == (("a", "small"), ("b", "strong"))


STAND_FOR_TARGETS = [{"label": "easy", "target": "a"}, {"label": "hard", "target": "b"}]


@pytest.mark.parametrize(
    ("labels", "targets", "wanted"),
    [
        (["a", "b"], {}, True),
        (["easy", "hard"], {"targets": STAND_FOR_TARGETS}, True),
        (["code", "chat"], {}, False),
    ],
)
def test_an_objective_wants_expected_scores_of_labels_that_are_targets(
    labels: list[str], targets: dict[str, Any], wanted: bool
) -> None:
    one = policy({"examplesFrom": EXAMPLES} | targets).model_dump(by_alias=True, exclude_none=True)
    one["spec"]["classifiers"][0] |= {"labels": labels, "default": labels[0]}
    objective = {"maximize": "Quality", "targets": [{"name": "a"}, {"name": "b"}], "quality": {"classifier": "hard"}}
    one["spec"]["routes"][1] = {"name": "rest", "objective": objective}
    (found, *_), plain = lessons_of(RoutingPolicy.model_validate(one)), lesson()
    assert found.expected_by == ("spec.routes[1].objective.quality.classifier",) * wanted
    assert plain.expected_by == ()


def test_a_finished_model_is_one_source() -> None:
    (found,) = lessons_of(policy({"modelFrom": EXAMPLES[0]}))
    assert (found.kind, found.sources, found.path) == (
        "finished",
        SOURCES[:1],
        "spec.classifiers[0].trained.modelFrom",
    )


@pytest.mark.parametrize(
    ("field", "cut"), [("strongSharePercent", Cut("StrongShare", 30)), ("thresholdPercent", Cut("Threshold", 30))]
)
def test_a_finished_model_may_have_another_cut(field: str, cut: Cut) -> None:
    (plain,), (found,) = (lessons_of(policy({"modelFrom": EXAMPLES[0], **more})) for more in ({}, {field: 30}))
    assert (plain.cut, found.kind, found.cut) == (None, "finished", cut)
    assert plain.digest({SOURCES[0]: "1"}) != found.digest({SOURCES[0]: "1"})


def test_a_step_learns_when_its_target_is_right() -> None:
    _, found = lessons_of(policy({"modelFrom": EXAMPLES[0]}, {"logProbs": {"examplesFrom": EXAMPLES}}))
    assert (found.key, found.kind, found.labels) == (confidence_key("p", "steps", 0), "confidence", ("a",))
    assert found.path == "spec.routes[0].cascade.steps[0].accept.logProbs.examplesFrom"
    _, plain = lessons_of(policy({"modelFrom": EXAMPLES[0]}, {"logProbs": {}}))
    assert plain.sources == ()


def test_what_is_learned_from_is_referred_to() -> None:
    references = of_policy(policy({"examplesFrom": EXAMPLES}))
    assert (references.secrets, references.config_maps) == ({"private"}, {"past"})


CONTENTS = {SOURCES[0]: "1", SOURCES[1]: "2"}


@pytest.mark.parametrize(
    "other",
    [
        lesson(strongSharePercent=30),
        lesson(thresholdPercent=30),
        lesson(targets=[{"label": "a", "target": "small"}]),
        lesson(examplesFrom=EXAMPLES[::-1]),
        lesson(examplesFrom=EXAMPLES[:1]),
    ],
)
def test_other_settings_or_sources_have_it_learned_anew(other: Lesson) -> None:
    assert other.digest(CONTENTS) != lesson().digest(CONTENTS)


def test_other_contents_have_it_learned_anew_and_equal_ones_do_not() -> None:
    assert lesson().digest(CONTENTS) == lesson().digest(dict(CONTENTS))
    assert lesson().digest(CONTENTS) != lesson().digest(CONTENTS | {SOURCES[1]: "3"})


def test_as_long_as_a_source_is_missing_there_is_nothing_to_learn() -> None:
    assert lesson().digest({SOURCES[0]: "1"}) is None


def test_a_router_gets_the_model_of_its_own_classifier() -> None:
    one, two = policy({"examplesFrom": EXAMPLES}), policy({"examplesFrom": EXAMPLES}, name="q")
    backends = [_backend(name) for name in "ab"]
    observed = Observed(
        secrets={"private": ["b"]},
        config_maps={"past": ["a"]},
        artefacts={classifier_key("p", "hard"): b"model of p", classifier_key("q", "soft"): b"of nobody"},
    )
    found = {router.config.policies[0].name: router.config for router in plan([one, two], backends, observed).routers}
    assert {name: each.policies[0].classifiers[0].source for name, each in found.items()} == {
        "p": config.Trained(model=b"model of p"),
        "q": config.Trained(),
    }


def test_what_is_missing_is_named_and_the_policy_serves_all_the_same() -> None:
    given = policy({"examplesFrom": EXAMPLES}, {"logProbs": {"examplesFrom": EXAMPLES[:1]}})
    observed = Observed(secrets={"private": ["other"]}, faults={"ConfigMap/past/": "cannot be read"})
    found = plan([given], [_backend(name) for name in "ab"], observed)
    unresolved = [problem for problem in found.problems if problem.condition == "ResolvedRefs"]
    assert [(problem.reason, problem.path) for problem in unresolved] == [
        ("SourceUnreadable", "spec.classifiers[0].trained.examplesFrom[0].configMapKeyRef.name"),
        ("SecretKeyNotFound", "spec.classifiers[0].trained.examplesFrom[1].secretKeyRef.key"),
        ("SourceUnreadable", "spec.routes[0].cascade.steps[0].accept.logProbs.examplesFrom[0].configMapKeyRef.name"),
    ]
    assert unresolved[1].fix == "it has: other"
    assert [router.config.name for router in found.routers] == ["p-router"]


def _backend(name: str) -> ModelBackend:
    return ModelBackend.model_validate(
        {
            "apiVersion": "signalbox.dev/v1alpha1",
            "kind": "ModelBackend",
            "metadata": {"name": name, "namespace": "n"},
            "spec": {"model": "m", "url": "https://api.example.com/v1"},
        }
    )
