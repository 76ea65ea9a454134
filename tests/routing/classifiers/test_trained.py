"""What a trained classifier says of a query."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalbox.learning import prior
from signalbox.routing.classifiers.artefact import TABLE, VERSION, ZERO, Artefact, Learnt, Output, Standard
from signalbox.routing.classifiers.features import HAND, read
from signalbox.routing.classifiers.trained import TrainedModel


def model(*outputs: Output, learnt: Learnt = "Scores", cut: float | None = 0.0) -> TrainedModel:
    labels = ("small", "medium", "strong")[: len(outputs)]
    return TrainedModel(
        Artefact(
            version=VERSION,
            learnt=learnt,
            labels=labels,
            targets=labels,
            length=Standard(3.0, 1.0),
            hand=(Standard(0.0, 1.0),) * len(HAND),
            outputs=outputs,
            cut=cut,
            rarity_step=1.0,
            rarity=bytes([1]) * TABLE,
        )
    )


def weights(word: str, steps: int) -> bytes:
    table = bytearray([ZERO]) * TABLE
    for gram in read(word).grams:
        table[gram] = ZERO + steps
    return bytes(table)


def test_a_word_that_gains_leads_to_the_stronger_label() -> None:
    found = model(Output(0.6), Output(-0.1, scale=0.01, weights=weights("theorem", 90)))
    hard, easy = found.predict("theorem"), found.predict("soup")
    assert (hard.label, easy.label) == ("medium", "small")
    assert hard.score == hard.gain == pytest.approx(0.8)
    assert hard.expected == hard.qualities == {"small": pytest.approx(0.6), "medium": 1.0}
    assert hard.confidence == 1.0
    assert (easy.score, easy.gain) == (0.0, pytest.approx(-0.1))
    assert easy.confidence == pytest.approx(0.6)


def test_the_cut_must_be_exceeded() -> None:
    outputs = Output(0.5), Output(0.25)
    assert model(*outputs, cut=0.25).predict("x").label == "small"
    assert model(*outputs, cut=0.24).predict("x").label == "medium"


def test_the_largest_gain_of_several_wins() -> None:
    found = model(Output(0.5), Output(0.1), Output(0.0, scale=0.01, weights=weights("theorem", 50)))
    assert found.predict("theorem").label == "strong"
    assert found.predict("soup").label == "medium"


def test_labels_get_probabilities() -> None:
    found = model(
        Output(1.0), Output(0.0), Output(0.0, scale=0.1, weights=weights("theorem", 60)), learnt="Labels", cut=None
    )
    hard, easy = found.predict("theorem"), found.predict("soup")
    assert (hard.label, easy.label) == ("strong", "small")
    assert sum(hard.expected.values()) == pytest.approx(1.0)
    assert hard.qualities == {}, "how likely a label is says nothing of how well its target answers"
    assert hard.confidence == hard.score == hard.expected["strong"]
    assert easy.confidence == easy.expected["small"]
    assert easy.score == easy.expected["strong"]


def test_a_cut_of_labels_is_of_the_probability_that_the_first_is_wrong() -> None:
    outputs = Output(0.0), Output(0.0), Output(-1.0)
    assert model(*outputs, learnt="Labels", cut=None).predict("x").label == "small"
    assert model(*outputs, learnt="Labels", cut=0.5).predict("x").label == "medium"
    assert model(*outputs, learnt="Labels", cut=0.9).predict("x").label == "small"


@given(st.text(), st.sampled_from(["Scores", "Labels"]))
def test_anything_gets_a_label(text: str, learnt: Learnt) -> None:
    found = model(Output(0.5), Output(9.0, 5.0, (1.0,) * len(HAND), 1.0, weights("a b", 90)), learnt=learnt).predict(
        text
    )
    assert found.label in found.expected
    assert 0.0 <= found.score <= 1.0
    assert 0.0 <= found.confidence <= 1.0
    assert all(0.0 <= value <= 1.0 for value in found.expected.values())


def test_without_any_example_longer_queries_get_the_stronger_labels() -> None:
    bare = model(Output(0.5), Output(0.5), Output(0.5)).artefact
    untaught = TrainedModel(
        msgspec.structs.replace(
            bare, learnt="Nothing", length=prior.DEFAULT_LENGTH, outputs=prior.outputs(3), rarity=b""
        )
    )
    labels = [untaught.predict("x" * size).label for size in (20, 100, 240, 1000, 5000)]
    assert labels == ["small", "small", "medium", "strong", "strong"]
