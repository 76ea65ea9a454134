"""Figures are of queries that nobody learned from."""

import numpy as np
import pytest

from benchmarks.routing_quality import heldout
from benchmarks.routing_quality.heldout import Set
from signalbox.learning import metrics
from signalbox.learning.examples import Example


@pytest.mark.parametrize(("name", "lines", "length"), [("mmlu", 4606, 0.560), ("gsm8k", 659, 0.598)])
def test_the_data_are_those_of_the_figures(name: str, lines: int, length: float) -> None:
    data = Set.load(name)
    assert len(data.lines) == lines
    assert metrics.apgr(data.length, data.gain, data.gain) == pytest.approx(length, abs=0.001)


def test_no_subject_is_in_two_folds_and_no_example_has_one() -> None:
    data = Set.load("mmlu")
    fold = data.over_subjects(7)
    for subject in {line.subject for line in data.lines}:
        assert len({int(one) for one, line in zip(fold, data.lines, strict=True) if line.subject == subject}) == 1
    assert min(np.bincount(fold)) > 700
    assert all(line.example.group is None for line in data.lines)


@pytest.mark.parametrize("name", ["mmlu", "gsm8k"])
def test_no_prompt_is_in_two_folds(name: str) -> None:
    data = Set.load(name)
    for fold in (data.over_rows(7), data.over_rows(8), data.over_subjects(7)):
        folds = dict[str, set[int]]()
        for one, line in zip(fold, data.lines, strict=True):
            folds.setdefault(line.prompt, set()).add(int(one))
        assert all(len(each) == 1 for each in folds.values())


def test_nobody_is_judged_by_a_model_that_has_seen_it(monkeypatch: pytest.MonkeyPatch) -> None:
    data = Set("few", Set.load("gsm8k").lines[:100])
    learned: list[set[str]] = []
    train = heldout.train

    def noting(examples: list[Example], settings: heldout.Settings) -> tuple[bytes, object]:
        learned.append({each.prompt for each in examples})
        return train(examples, settings)

    monkeypatch.setattr(heldout, "train", noting)
    fold = data.over_rows(7)
    found = heldout.judged(data, fold, 50, draw=0)
    for number, prompts in enumerate(learned):
        assert len(prompts) == 50
        assert not prompts & {data.lines[i].prompt for i in np.nonzero(fold == number)[0]}
    assert len(learned) == 5
    assert (found.gain == data.gain).all()
