"""What is kept of a lesson, and what a status says of it."""

import base64
from typing import Any

import msgspec
import pytest

from signalbox.api.deployment import Deployment
from signalbox.plan.children.lessons import kept_lesson, lesson_manifest
from signalbox.plan.learned import (
    Estimate,
    Figures,
    Kept,
    Record,
    Standing,
    Threshold,
    after_failure,
    after_success,
    classifier_entries,
    finished,
    lessons_told,
    problems,
    standing_of,
    step_entries,
    steps_of,
    steps_told,
    with_steps,
    without_steps,
)
from signalbox.plan.lessons import Lesson, Source
from signalbox.plan.outlines import PolicyOutline
from signalbox.plan.references import References
from signalbox.routing.classifiers.artefact import Artefact, Output, Standard, encode
from signalbox.routing.classifiers.features import HAND

SOURCE = Source("ConfigMap", "past", "a")
LESSON = Lesson(key="p/classifier/hard", kind="classifier", path="spec.x", sources=(SOURCE,), labels=("a", "b"))
FIGURES = Figures(
    examples=200,
    apgr=Estimate(0.62, 0.6, 0.64),
    cpt50=33.333,
    thresholds=(Threshold(10, 12.345, 70.0),),
    warnings=("there are few",),
)
MODEL = b"model"
OUTLINE = PolicyOutline(
    name="p",
    namespace="n",
    uid="u",
    created=None,
    models=("m",),
    router="p-router",
    deployment=Deployment(),
    sidecar=None,
    targets=("a", "b"),
    references=References(),
)


def standing(content: str, record: Record | None = None, model: bytes = b"") -> Standing:
    return standing_of(LESSON, {SOURCE: content}, Kept(record or Record(), model))


def digest(content: str) -> str:
    found = LESSON.digest({SOURCE: content})
    assert found is not None
    return found


GOOD = after_success(LESSON, digest("1"), MODEL, FIGURES)


def entry(one: Standing) -> dict[str, Any]:
    (found,) = classifier_entries([one])
    return found


def test_what_was_never_learned_is_due_and_the_default_holds() -> None:
    one = standing("1")
    assert (one.due, one.model, entry(one)) == (True, b"", {"name": "hard", "state": "Training"})


def test_what_was_learned_is_not_due() -> None:
    one = standing("1", GOOD, MODEL)
    assert (one.due, one.model) == (False, MODEL)
    assert entry(one) == {
        "name": "hard",
        "state": "Ready",
        "examples": 200,
        "apgr": {"value": "0.620", "low": "0.600", "high": "0.640"},
        "cpt50": "33.3",
        "thresholds": [{"strongSharePercent": 10, "threshold": "12.35", "quality": "70.00"}],
        "message": "there are few",
    }
    assert problems([one]) == []


@pytest.mark.parametrize(
    ("learnt", "words"),
    [("Labels", "learned from labels"), ("Nothing", "has too few examples to learn from"), ("Scores", "")],
)
def test_who_learned_from_no_scores_expects_nothing_of_targets(learnt: str, words: str) -> None:
    lesson = msgspec.structs.replace(LESSON, expected_by=("spec.routes[0].objective.quality.classifier",))
    record = after_success(LESSON, digest("1"), MODEL, msgspec.structs.replace(FIGURES, learnt=learnt))
    one = standing_of(lesson, {SOURCE: "1"}, Kept(record, MODEL))
    found = [(each.reason, each.severity, each.path) for each in problems([one])]
    assert found == [("NothingExpected", "warning", lesson.expected_by[0])] * bool(words)
    assert entry(one)["message"].startswith(f'the classifier "hard" {words}, ') is bool(words)
    assert one.wanted == digest("1"), "nothing has to be learned anew for it"


def test_other_contents_are_due_and_the_last_model_serves_meanwhile() -> None:
    one = standing("2", GOOD, MODEL)
    assert (one.due, one.model, entry(one)["state"], entry(one)["examples"]) == (True, MODEL, "Training", 200)


def test_a_failure_keeps_the_last_model_and_is_not_tried_again() -> None:
    one = standing("2", after_failure(GOOD, digest("2"), "line 3 is bad"), MODEL)
    assert (one.due, one.model) == (False, MODEL)
    assert entry(one)["state"] == "Failed"
    assert entry(one)["message"] == "line 3 is bad; the model that was learned last goes on serving"
    (problem,) = problems([one])
    assert (problem.reason, problem.path, problem.condition) == ("LearningFailed", "spec.x", "ResolvedRefs")
    assert not problem.invalidates
    assert standing("3", one.record, MODEL).due
    assert standing("1", one.record, MODEL).state == "Ready"  # what was there before is there again


@pytest.mark.parametrize(
    ("labels", "meanwhile"),
    [
        (("b", "a"), "the model that was learned last goes on serving"),
        (("a", "c"), "learned last goes on serving, and where it says b, which the policy does not have, the default"),
        (("c", "d"), "the labels of the model that was learned last are others: until then the default holds"),
    ],
)
def test_what_a_model_of_other_labels_is_good_for_is_said(labels: tuple[str, ...], meanwhile: str) -> None:
    lesson = msgspec.structs.replace(LESSON, labels=labels)
    wanted = lesson.digest({SOURCE: "1"})
    assert wanted is not None
    one = standing_of(lesson, {SOURCE: "1"}, Kept(after_failure(GOOD, wanted, "bad"), MODEL))
    assert meanwhile in entry(one)["message"]


@pytest.mark.parametrize("length", [1000, 1024, 5000])
def test_what_holds_meanwhile_is_said_however_long_the_cause_is(length: int) -> None:
    one = standing("2", after_failure(GOOD, digest("2"), "x" * length), MODEL)
    (problem,) = problems([one])
    for message in (entry(one)["message"], problem.message):
        assert len(message) <= 1024
        assert message.endswith("x…; the model that was learned last goes on serving")


def test_without_its_sources_the_last_model_serves() -> None:
    one = standing_of(LESSON, {}, Kept(GOOD, MODEL))
    assert (one.due, one.model, one.state) == (False, MODEL, "Failed")
    assert "ConfigMap past, key a: cannot be read" in entry(one)["message"]
    assert problems([one]) == []  # the plan says so


def test_a_model_that_is_not_what_its_record_says_counts_for_nothing() -> None:
    failed = after_failure(GOOD, "x", "y")
    assert Kept(GOOD, MODEL).sound == Kept(GOOD, MODEL)
    assert Kept(failed, b"other").sound == Kept(Record(failed=failed.failed))
    assert standing_of(LESSON, {SOURCE: "1"}, Kept(GOOD, b"other").sound).due


def test_a_trouble_that_may_pass_is_said_and_stays_due() -> None:
    one = msgspec.structs.replace(standing("2", GOOD, MODEL), trouble="no memory")
    assert (one.due, one.state) == (True, "Failed")
    assert entry(one)["message"].startswith("no memory; the model")


def test_what_is_kept_is_read_again() -> None:
    made = lesson_manifest(OUTLINE, LESSON.key, GOOD, MODEL)
    assert kept_lesson(made) == Kept(GOOD, MODEL)
    failed = lesson_manifest(OUTLINE, LESSON.key, after_failure(Record(), "x", "y"), b"")
    assert "binaryData" not in failed
    assert kept_lesson(failed) == Kept(after_failure(Record(), "x", "y"))


@pytest.mark.parametrize(
    "change",
    [{"metadata": {}}, {"metadata": {"annotations": {"signalbox.dev/learned": "{"}}}, {"binaryData": {"model": "?"}}],
)
def test_what_nobody_can_read_keeps_nothing(change: dict[str, Any]) -> None:
    made = lesson_manifest(OUTLINE, LESSON.key, GOOD, MODEL)
    assert kept_lesson(made | change) == Kept()


def test_a_finished_model_has_the_labels_of_its_classifier() -> None:
    artefact = Artefact(
        version=1,
        learnt="Scores",
        labels=("a", "b"),
        targets=("a", "b"),
        length=Standard(0.0, 1.0),
        hand=(Standard(0.0, 1.0),) * len(HAND),
        outputs=(Output(0.5), Output(0.1)),
        examples=77,
    )
    assert finished(LESSON, encode(artefact)).examples == 77
    with pytest.raises(ValueError, match="write these"):
        finished(LESSON, encode(msgspec.structs.replace(artefact, labels=("b", "a"))))
    with pytest.raises(ValueError, match="no classifier"):
        finished(LESSON, base64.b64encode(encode(artefact)))


def test_events_tell_when_one_is_ready_and_when_one_fails() -> None:
    ready, failed = (
        entry(standing("1", GOOD, MODEL)),
        entry(standing("2", after_failure(GOOD, digest("2"), "bad"), MODEL)),
    )
    training = entry(standing("2", GOOD, MODEL))
    (told,) = lessons_told([training], [ready])
    assert (told.type, told.reason) == ("Normal", "ClassifierReady")
    assert told.note == "classifier hard: learned from 200 examples, APGR 0.620 (0.600 to 0.640)"
    (told,) = lessons_told([ready], [failed])
    assert (told.type, told.reason) == ("Warning", "ClassifierFailed")
    assert lessons_told([ready], [training]) == lessons_told([ready], [ready]) == lessons_told([failed], [failed]) == []


STEP = Lesson(key="p/confidence/steps/0", kind="confidence", path="spec.y", sources=(SOURCE,), labels=("a",))


def step(content: str, record: Record | None = None, model: bytes = b"", lesson: Lesson = STEP) -> Standing:
    return standing_of(lesson, {SOURCE: content}, Kept(record or Record(), model))


def step_entry(one: Standing) -> dict[str, Any]:
    found = step_entries([one, standing("1")])  # of classifiers nothing is said here
    return found["steps"][0]


def test_a_step_without_examples_is_uncalibrated_and_nothing_is_due() -> None:
    one = step("1", lesson=msgspec.structs.replace(STEP, sources=()))
    assert (one.due, problems([one]), classifier_entries([one])) == (False, [], [])
    assert (step_entry(one)["target"], step_entry(one)["state"]) == ("a", "Uncalibrated")


def test_a_step_with_too_few_examples_is_uncalibrated_and_nothing_is_wrong() -> None:
    wanted = STEP.digest({SOURCE: "1"})
    assert wanted is not None
    one = step("1", after_failure(Record(), wanted, "7 and 100 are needed", few=True))
    assert (one.due, problems([one])) == (False, [])
    assert step_entry(one) == {"target": "a", "state": "Uncalibrated", "message": "7 and 100 are needed"}
    bad = step("1", after_failure(Record(), wanted, "line 3 is bad"))
    assert step_entry(bad)["message"] == "line 3 is bad; until then it is the mean probability of a token"
    assert [problem.path for problem in problems([bad])] == ["spec.y"]


def test_a_step_is_calibrated_when_it_was_learned() -> None:
    wanted = STEP.digest({SOURCE: "1"})
    assert wanted is not None
    assert step_entry(step("1")) == {"target": "a", "state": "Training"}
    calibrated = step_entry(step("1", after_success(STEP, wanted, MODEL, Figures(examples=120)), MODEL))
    assert calibrated == {"target": "a", "state": "Calibrated", "examples": 120}
    (told,) = steps_told({"steps": [step_entry(step("1"))]}, {"steps": [calibrated]})
    assert (told.reason, told.note) == ("ConfidenceReady", "route steps, confidence of a: learned from 120 examples")
    assert steps_told({"steps": [calibrated]}, {"steps": [calibrated]}) == []


def test_an_event_has_room_for_what_holds_meanwhile() -> None:
    """It has at most 1,024 bytes, with the names of whose it is."""
    name = "n" * 63
    for lesson in (
        msgspec.structs.replace(LESSON, key=f"p/classifier/{name}"),
        msgspec.structs.replace(STEP, key=f"p/confidence/{name}/0", labels=("t" * 63,)),
    ):
        one = standing_of(lesson, {SOURCE: "2"}, Kept(Record(), b""))
        assert one.wanted is not None
        one = standing_of(lesson, {SOURCE: "2"}, Kept(after_failure(GOOD, one.wanted, "x" * 5000), MODEL))
        (told,) = [*lessons_told([], classifier_entries([one])), *steps_told({}, step_entries([one]))]
        assert told.note.endswith("x…; the model that was learned last goes on serving")
        assert len(told.note.encode()) <= 1024


def test_steps_are_told_beside_what_the_loop_says_of_routes() -> None:
    weights, steps = [{"name": "all", "weights": [1]}, {"name": "steps", "weights": [2]}], {"steps": [{"target": "a"}]}
    both = with_steps(weights, steps)
    assert both == [weights[0], {"name": "steps", "weights": [2], "steps": steps["steps"]}]
    assert (without_steps(both), steps_of(both)) == (weights, steps)
    alone = with_steps(None, steps)
    assert (alone, without_steps(alone)) == ([{"name": "steps", "steps": steps["steps"]}], None)
    assert with_steps(weights, {}) == weights
    assert with_steps(None, {}) is None
