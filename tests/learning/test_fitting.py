"""Training as a whole."""

import os
import random
import subprocess
import sys
from random import Random

import msgspec
import pytest
from queries import labelled, lines, queries, scored

from signalbox.api.classifiers import Classifier
from signalbox.learning.examples import Example, ExamplesError
from signalbox.learning.fitting import train
from signalbox.learning.settings import Settings, StrongShare, Threshold
from signalbox.routing.classifiers.artefact import MAX_BYTES, MAX_LABELS, decode
from signalbox.routing.classifiers.trained import TrainedModel

HARD = "solve the polynomial equation of the matrix, prove what is the root of the integral"
EASY = "bake the onion with butter, what is the recipe of the soup with salt and garlic"
PAIR = Settings(("weak", "strong"))


def test_what_is_hard_for_the_weak_target_is_learned() -> None:
    data, report = train(scored(400), PAIR)
    model = TrainedModel.of(data)
    assert len(data) == report.bytes <= MAX_BYTES
    hard, easy = (model.predict(text) for text in (HARD, EASY))
    assert hard.gain > 0.3 > easy.gain
    assert hard.expected["weak"] < 0.5 < easy.expected["weak"]
    assert report.apgr is not None
    assert report.length_only is not None
    assert report.apgr.low > 0.6 > report.length_only.high
    assert report.over_length_only is not None
    assert report.over_length_only.low > 0.0
    assert report.cpt50 is not None
    assert report.cpt50 < 45


def test_the_same_examples_give_the_same_bytes_in_every_process() -> None:
    job = {"sources": [{"name": "f", "text": lines(scored(120))}], "settings": {"labels": ["weak", "strong"]}}
    found = {
        subprocess.run(
            [sys.executable, "-m", "signalbox.learning"],
            input=msgspec.json.encode(job),
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
    result = msgspec.json.decode(found.pop())
    data, report = train(scored(120), PAIR)
    assert result["type"] == "done"
    assert msgspec.convert(result["artefact"], bytes) == data
    assert result["report"] == msgspec.json.decode(msgspec.json.encode(report))


@pytest.mark.parametrize("percent", [10, 30, 70])
def test_a_share_holds_for_queries_that_were_not_learned_from(percent: int) -> None:
    model = TrainedModel.of(train(scored(500), Settings(PAIR.labels, cut=StrongShare(percent)))[0])
    fresh = [model.predict(text).label for _, text, _ in queries(1000, seed=7)]
    assert abs(100 * fresh.count("strong") / len(fresh) - percent) < 8


def test_a_threshold_is_an_expected_gain() -> None:
    model = TrainedModel.of(train(scored(300), Settings(PAIR.labels, cut=Threshold(25)))[0])
    for _, text, _ in queries(200, seed=7):
        found = model.predict(text)
        assert (found.label == "strong") == (found.gain > 0.25)


def test_labels_are_learned_with_probabilities_that_mean_something() -> None:
    names = ("chat", "cooking", "travel", "law", "algebra")
    data, report = train(labelled(500), Settings(names))
    model = TrainedModel.of(data)
    fresh = [(model.predict(text), kind) for kind, text, _ in queries(300, seed=7)]
    assert sum(found.label == kind for found, kind in fresh) > 270
    assert report.accuracy is not None
    assert 0.8 < report.accuracy.value < 0.95  # one label in ten is wrong
    assert report.ece is not None
    assert report.ece < 0.05


def test_queries_that_are_there_many_times_do_not_judge_themselves() -> None:
    draw = random.Random(1)
    words = ["".join(draw.choices("abcdefghij", k=6)) for _ in range(3000)]
    noise = [
        Example(" ".join(draw.choices(words, k=12)), scores={"weak": float(draw.random() < 0.5), "strong": 1.0})
        for _ in range(150)
    ]
    many = noise * 6
    draw.shuffle(many)
    apgr = train(many, PAIR)[1].apgr
    assert apgr is not None
    assert abs(apgr.value - 0.5) < 0.1  # nothing can be learned of it


def test_the_accuracy_is_that_of_the_cut() -> None:
    words = {"chat": "hello friend nice weather", "code": "function returns a list"}
    alike = [Example(f"{words[kind]} {number}", label=kind) for number in range(150) for kind in words]
    sure = train(alike, Settings(("chat", "code")))[1].accuracy
    few = train(alike, Settings(("chat", "code"), cut=StrongShare(5)))[1].accuracy
    assert sure is not None
    assert few is not None
    assert sure.value > 0.95
    assert few.value == pytest.approx(0.55, abs=0.02)  # all of one half, and a tenth of the other


def test_equal_queries_leave_as_many_as_the_share_says_not_those_that_come_first() -> None:
    same = [Example("the same", label="code" if number < 20 else "chat") for number in range(40)]
    table = train(same, Settings(("chat", "code")))[1].thresholds
    assert [each.quality_percent for each in table if each.strong_share_percent in {10, 50}] == [55.0, 75.0]


def test_three_targets_get_the_queries_that_gain_by_them() -> None:
    made = [
        Example(text, scores={"a": 0.8, "b": float(kind in ("law", "chat")), "c": 0.9 * (kind == "algebra")})
        for kind, text, _ in queries(400)
    ]
    data, report = train(made, Settings(("one", "two", "three"), {"one": "a", "two": "b", "three": "c"}))
    model = TrainedModel.of(data)
    assert model.predict("court statute appeal ruling contract liability clause tort plaintiff").label == "two"
    assert model.predict(EASY).label == "one"
    assert report.labels == ("one", "two", "three")


def test_with_too_few_examples_the_length_decides_and_the_report_says_so() -> None:
    data, report = train(scored(10), PAIR)
    assert report.learnt == "Nothing"
    assert report.warnings == (
        "10 examples with a label or scores are too few to learn from: the length alone decides",
    )
    model = TrainedModel.of(data)
    assert model.predict("why?").label == "weak"
    assert model.predict("why? " * 300).label == "strong"
    assert len(data) < 2000


def test_prompts_alone_say_how_long_queries_are() -> None:
    prompts = [Example("x" * (number + 1)) for number in range(200)]
    model = TrainedModel.of(train(prompts, Settings(PAIR.labels, cut=StrongShare(25)))[0])
    labels = [model.predict(each.prompt).label for each in prompts]
    assert labels == ["weak"] * 150 + ["strong"] * 50


def test_words_that_mislead_on_other_kinds_leave_the_length() -> None:
    # Each group has a word of its own that says how its queries fare; what all share is that long ones are hard.
    made = [
        Example(
            f"g{number % 6} " + "word " * size, scores={"weak": float(size < 20), "strong": 1.0}, group=str(number % 6)
        )
        for number, size in enumerate([5, 10, 15, 25, 30, 35] * 20)
    ]
    _, report = train(made, PAIR)
    assert report.kinds is not None
    assert report.kinds.named
    assert report.kinds.apgr >= report.kinds.length_only > 0.6


def test_a_last_target_that_is_no_better_is_said() -> None:
    made = [Example(text, scores={"weak": 1.0, "strong": 0.5}) for _, text, _ in queries(60)]
    _, report = train(made, PAIR)
    assert report.apgr is None
    assert any("no better than the first's" in warning for warning in report.warnings)


def test_examples_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ExamplesError, match="example 1: scores: has none for mid"):
        train(scored(40), Settings(("weak", "mid", "strong")))


def test_a_job_that_is_none_says_so() -> None:
    found = subprocess.run([sys.executable, "-m", "signalbox.learning"], input=b"{}", capture_output=True, check=False)
    assert found.returncode == 2
    assert msgspec.json.decode(found.stdout)["errors"][0].startswith("this is no job: ")


def test_a_job_with_bad_lines_is_refused_with_their_numbers() -> None:
    job = {
        "sources": [{"name": "key a", "text": "{}"}, {"name": "key b", "text": "1"}],
        "settings": {"labels": ["a", "b"]},
    }
    found = subprocess.run(
        [sys.executable, "-m", "signalbox.learning"], input=msgspec.json.encode(job), capture_output=True, check=True
    )
    errors = msgspec.json.decode(found.stdout)["errors"]
    assert [error.partition(":")[0] for error in errors] == ["key a line 1", "key b line 1"]


def test_as_many_labels_as_a_policy_may_have_are_learned_from_a_large_vocabulary() -> None:
    assert Classifier.model_json_schema()["properties"]["labels"]["maxItems"] == MAX_LABELS
    random = Random(1)
    words = ["".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=6)) for _ in range(3000)]
    labels = tuple(f"l{number}" for number in range(MAX_LABELS))
    examples = [
        Example(prompt=" ".join([f"about {label}", *random.choices(words, k=40)]), label=label)
        for label in labels
        for _ in range(30)
    ]
    model, report = train(examples, Settings(labels))
    assert len(model) <= MAX_BYTES
    assert report.accuracy is not None
    assert report.accuracy.value > 3 / MAX_LABELS
    assert decode(model).labels == labels
