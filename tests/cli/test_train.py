"""signalbox train, as a user sees it."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result
from queries import labelled, lines, scored

from signalbox.cli.main import main
from signalbox.routing.classifiers.trained import TrainedModel


def run(path: Path, *arguments: str, lines: str | None = None) -> Result:
    if lines is not None:
        (path / "d.jsonl").write_text(lines)
    given = ["train", "--data", str(path / "d.jsonl"), "--out", str(path / "m"), *arguments]
    return CliRunner().invoke(main, given)


@pytest.fixture(scope="module")
def scores() -> str:
    return lines(scored(200))


def test_a_model_is_made_and_told_of(tmp_path: Path, scores: str) -> None:
    result = run(tmp_path, "--report", str(tmp_path / "r.svg"), "--threshold", "20", lines=scores)
    assert result.exit_code == 0, result.output
    assert "learned from 200 examples; labels weak, strong" in result.stdout
    assert "APGR 0." in result.stdout
    assert "warning: 200 examples are few" in result.stdout
    assert (
        TrainedModel.of((tmp_path / "m").read_bytes())
        .predict("solve the equation of the matrix, prove the root of the integral")
        .label
        == "strong"
    )
    drawn = ElementTree.parse(tmp_path / "r.svg")
    names = {each.text for each in drawn.iter("{http://www.w3.org/2000/svg}text")}
    assert {"classifier", "length only", "random", "oracle", "gain expected"} <= names


def test_machines_get_json(tmp_path: Path, scores: str) -> None:
    result = run(tmp_path, "-o", "json", "--labels", "a=weak,b=strong", lines=scores)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["labels"] == ["a", "b"]
    assert found["apgr"]["low"] < found["apgr"]["value"] < found["apgr"]["high"]
    assert [each["strongSharePercent"] for each in found["thresholds"]][:3] == [5, 10, 20]


def test_labels_are_learned(tmp_path: Path) -> None:
    result = run(tmp_path, "--labels", "chat,cooking,travel,law,algebra", lines=lines(labelled(200)))
    assert result.exit_code == 0, result.output
    assert "accuracy 0." in result.stdout


@pytest.mark.parametrize(
    ("arguments", "text", "code", "message"),
    [
        ([], '{"prompt": 1}', 1, "d.jsonl line 1: prompt: expected `str`, got `int`"),
        ([], '{"prompt": "a", "label": "x"}', 1, "--labels is missing: say in which order the labels are"),
        ([], '{"prompt": "a"}', 1, "--labels is missing: no example has scores of two targets"),
        (["--labels", "a"], "", 2, "a classifier has at least two labels"),
        (["--labels", "a,a"], "", 2, "write different names with commas between them"),
        (["--labels", ",".join(map(str, range(33)))], "", 2, "a classifier has at most 32 labels, not 33"),
        (["--labels", "a=x,b=x"], "", 2, "a and b have the same target x: give each label its own"),
        (["--labels", "a=b,b"], "", 2, "a and b have the same target b: give each label its own"),
        (
            [],
            json.dumps({"prompt": "a", "scores": {str(n): 1 for n in range(33)}}),
            1,
            "--labels is missing: examples have scores of 33 targets, and a classifier has at most 32 labels",
        ),
        (["--threshold", "1", "--strong-share", "1"], "", 2, "--strong-share and --threshold are both a cut"),
        (["--labels", "a,b", "--out", "/no/such/place"], "", 2, "--out /no/such/place: No such file or directory"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, arguments: list[str], text: str, code: int, message: str) -> None:
    result = run(tmp_path, *arguments, lines=text)
    assert result.exit_code == code
    assert message in result.stderr


def test_a_file_that_is_missing_is_wrong_usage(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert result.exit_code == 2
    assert "No such file or directory" in result.stderr


@pytest.mark.parametrize("option", ["--out", "--report"])
def test_the_examples_are_not_overwritten(tmp_path: Path, scores: str, option: str) -> None:
    result = run(tmp_path, option, str(tmp_path / "d.jsonl"), lines=scores)
    assert (result.exit_code, "is the file of the examples; name another one" in result.stderr) == (2, True)
    assert (tmp_path / "d.jsonl").read_text() == scores
