"""signalbox evaluate, as a user sees it."""

import base64
import json
import re
import signal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from signalbox.cli.main import main
from signalbox.learning.examples import read
from signalbox.learning.fitting import train
from signalbox.learning.settings import Settings, StrongShare
from signalbox.local.learning.learned import Learned

EXAMPLE = Path(__file__).parents[2] / "manifests" / "examples" / "evaluate"
DATA = str(EXAMPLE / "sample.jsonl")
PAST = [
    line.strip()
    for line in (EXAMPLE / "trained" / "examples.yaml").read_text().partition("past.jsonl: |\n")[2].splitlines()
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The policy of the example with a finished model: what learns by itself does so at the lowest priority, for which
    a test on a busy machine would wait long."""
    directory = tmp_path_factory.mktemp("trained")
    policy = (EXAMPLE / "trained" / "policy.yaml").read_text()
    reference = "examplesFrom: [{configMapKeyRef: {name: past, key: past.jsonl}}]"
    cut = "strongSharePercent: 40"
    assert reference in policy and cut in policy
    policy = policy.replace(reference, "modelFrom: {configMapKeyRef: {name: models, key: difficulty}}").replace(cut, "")
    (directory / "policy.yaml").write_text(policy)
    examples = read("\n".join(PAST).encode(), "past")
    artefact, _ = train(examples, Settings(("small", "strong"), cut=StrongShare(40)))
    models = {"difficulty": base64.b64encode(artefact).decode()}
    resource = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "models"}, "binaryData": models}
    (directory / "models.json.yaml").write_text(json.dumps(resource))
    return directory


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["evaluate", *arguments])


def test_a_policy_is_replayed_on_real_data() -> None:
    result = run("-f", str(EXAMPLE / "length"), "--data", DATA)
    assert result.exit_code == 0, result.output
    assert "policy tutor: 200 of 200 queries evaluable" in result.stdout
    assert "small 53.5 %, strong 46.5 %" in result.stdout
    assert "cost of 200 queries; tokens estimated" in result.stdout


def test_two_policies_are_compared(trained: Path) -> None:
    arguments = ["-f", str(EXAMPLE / "length"), "--against", str(trained), "--data", DATA]
    few, all_of_them, found = run(*arguments), run(*arguments, "--all"), run(*arguments, "-o", "json")
    assert few.exit_code == all_of_them.exit_code == found.exit_code == 0, few.output
    one = json.loads(found.stdout)["comparisons"][0]
    changed = one["changed"]
    assert f"{len(changed)} queries change; better {one['better']}, worse {one['worse']}" in few.stdout
    assert f"and {len(changed) - 20} more: --all, or -o json" in few.stdout
    assert "more: --all" not in all_of_them.stdout
    assert one["quality"]["value"] == pytest.approx((one["better"] - one["worse"]) / 200)
    assert all(each["before"]["shares"] != each["after"]["shares"] for each in changed)


def test_machines_get_everything() -> None:
    policy = json.loads(run("-f", str(EXAMPLE / "length"), "--data", DATA, "-o", "json").stdout)["policies"][0]
    quality = policy["figures"]["quality"]
    assert quality["low"] < quality["value"] < quality["high"]
    assert {each["route"] for each in policy["routes"]} == {"long", "rest"}
    assert policy["gap"]["recovery"]["apgr"]["value"] > 0.5


def test_queries_that_were_learned_from_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Learned, "learn_now", lambda *_: None)  # what comes of it is nothing to this
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    seen = tmp_path / "seen.jsonl"
    seen.write_text("\n".join([*PAST[:5], '{"prompt": "Who?"}\n']))
    result = run("-f", str(EXAMPLE / "trained"), "--data", str(seen))
    assert "note: 5 of the queries are among the examples that policies learn from" in result.stdout
    assert "note: classifier difficulty has learned nothing yet: its default holds" in result.stdout
    assert "are among the examples" not in run("-f", str(EXAMPLE / "trained"), "--data", DATA).stdout


def test_exit_codes(tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text('{"prompt": "?", "model": "nobody"}\n')
    nothing = run("-f", str(EXAMPLE / "length"), "--data", str(other))
    assert (nothing.exit_code, "no policy has the model nobody" in nothing.stdout) == (1, True)
    other.write_text("{}\n")
    wrong = run("-f", str(EXAMPLE / "length"), "--data", str(other))
    assert (wrong.exit_code, "line 1: the query" in wrong.stderr) == (1, True)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "policy.yaml").write_text("kind: RoutingPolicy\napiVersion: signalbox.dev/v1alpha1\n")
    assert run("-f", str(tmp_path / "empty"), "--data", DATA).exit_code in {1, 2}
    assert run("-f", str(EXAMPLE / "length"), "--data", str(tmp_path / "none")).exit_code == 2
    assert run("-f", str(tmp_path / "nowhere"), "--data", DATA).exit_code == 2


def test_who_interrupts_it_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("signalbox.cli.evaluate.run", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # who was started in the background ignores it
    try:
        result = run("-f", str(EXAMPLE / "length"), "--data", DATA)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")


def test_the_page_shows_what_is_printed() -> None:
    page = (EXAMPLE.parents[2] / "docs" / "evaluate.md").read_text()
    assert run("-f", str(EXAMPLE / "length"), "--data", DATA).stdout in page


def test_the_page_shows_what_a_comparison_prints() -> None:
    """But for digits: processors differ in the last of them, and what is learned with it."""
    page = (EXAMPLE.parents[2] / "docs" / "evaluate.md").read_text()
    shown = page.split("```console\n")[2].split("```")[0].splitlines()[1:]
    told = run("-f", str(EXAMPLE / "length"), "--against", str(EXAMPLE / "trained"), "--data", DATA).stdout.splitlines()
    assert [_without_digits(line) for line in shown[:6]] == [_without_digits(line) for line in told[:6]]
    assert [_without_digits(line) for line in shown[-3:]] == [_without_digits(line) for line in told[-3:]]


def _without_digits(line: str) -> str:
    return " ".join(re.sub(r"[+−-]?\d[\d.,]*", "0", line).split())
