"""What policies of a directory have learned for them, and what is kept of it."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from queries import lines, scored

from signalbox.learning.fitting import train
from signalbox.learning.settings import Settings
from signalbox.local.learning.cache import Cache
from signalbox.local.learning.learned import Learned, outcome
from signalbox.local.resources import Options
from signalbox.local.workspace import Workspace, read
from signalbox.routing import config
from signalbox.routing.classifiers.artefact import decode, recut

RESOURCES = """
apiVersion: signalbox.dev/v1alpha1
kind: ModelBackend
metadata: {name: weak}
spec: {model: m, url: http://127.0.0.1:9/v1}
---
apiVersion: signalbox.dev/v1alpha1
kind: ModelBackend
metadata: {name: strong}
spec: {model: m, url: http://127.0.0.1:9/v1}
---
apiVersion: signalbox.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: chat}
spec:
  models: [auto]
  access: {anonymous: {}}
  targets: [{name: weak, backendRef: {name: weak}}, {name: strong, backendRef: {name: strong}}]
  classifiers:
  - name: hard
    labels: [weak, strong]
    default: strong
    trained: %s
  routes: [{name: all, select: {best: {by: hard}}}]
"""
EXAMPLES = "{examplesFrom: [{configMapKeyRef: {name: past, key: lines}}]}"


class Directory:
    """With one classifier."""

    def __init__(self, path: Path) -> None:
        self.path, self.cache = path / "policies", Cache(path / "cache")
        self.path.mkdir()
        (self.path / "resources.yaml").write_text(RESOURCES % EXAMPLES)
        self.told: list[str] = []

    def trained(self, text: str) -> None:
        (self.path / "resources.yaml").write_text(RESOURCES % text)

    def put(self, **data: Any) -> None:
        (self.path / "past.json").write_text(
            json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "past"}, **data})
        )

    def examples(self, text: str) -> None:
        self.put(data={"lines": text})

    def read(self, learned: Learned | None = None) -> Workspace:
        return read(Options(self.path, learned=learned or Learned(self.cache)), self.told.append)


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    return Directory(tmp_path)


def model(found: Workspace) -> bytes:
    """What the router gets."""
    (router,) = found.plan.routers
    source = router.config.policies[0].classifiers[0].source
    assert isinstance(source, config.Trained)
    return source.model


def test_what_is_learned_is_in_the_plan_and_kept(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    directory.examples(lines(scored(120)))
    found = directory.read()
    assert (found.errors, decode(model(found)).labels) == ([], ("weak", "strong"))
    assert "classifier hard of policy chat: learned from 120 examples, APGR" in outcome(found.standings[0])

    def never(*_: Any) -> None:
        raise AssertionError("it is kept")

    monkeypatch.setattr(Learned, "learn_now", never)
    assert model(directory.read()) == model(found)


def test_bad_examples_are_told_with_their_place_and_the_last_model_serves(directory: Directory) -> None:
    directory.examples(lines(scored(120)))
    learned = Learned(directory.cache)
    first = model(directory.read(learned))
    directory.examples('{"prompt": "x", "label": "neither"}\n')
    found = directory.read(learned)
    (problem,) = found.errors
    assert problem.problem.reason == "LearningFailed"
    assert "'neither' is none of weak, strong" in problem.problem.message
    assert problem.location is not None
    assert (problem.location.file.rpartition("/")[2], problem.location.line) == ("resources.yaml", 23)
    assert model(found) == first
    assert model(directory.read()) == b""  # who has just started has no last one


def test_without_examples_the_default_serves(directory: Directory) -> None:
    found = directory.read()
    assert [one.problem.reason for one in found.errors] == ["ConfigMapNotFound"]
    assert model(found) == b""


def test_a_finished_model_is_taken_from_a_file_or_secret(directory: Directory) -> None:
    directory.examples(lines(scored(120)))
    made = model(directory.read())
    directory.put(binaryData={"hard": base64.b64encode(made).decode()})
    directory.trained("{modelFrom: {configMapKeyRef: {name: past, key: hard}}}")
    found = directory.read(Learned(Cache(directory.path / "other")))
    assert (found.errors, model(found)) == ([], made)


@pytest.mark.parametrize(("field", "cut"), [("strongSharePercent", "strong_share"), ("thresholdPercent", "threshold")])
def test_a_finished_model_gets_the_cut_that_the_policy_says(directory: Directory, field: str, cut: str) -> None:
    made, _ = train(scored(120), Settings(("weak", "strong")))
    directory.put(binaryData={"hard": base64.b64encode(made).decode()})
    directory.trained(f"{{modelFrom: {{configMapKeyRef: {{name: past, key: hard}}}}, {field}: 20}}")
    found = directory.read()
    assert found.errors == []
    assert decode(model(found)) == recut(decode(made), **{cut: 20})
    assert decode(model(found)).cut != decode(made).cut


def test_a_cache_that_cannot_be_written_or_read_is_no_matter(directory: Directory) -> None:
    directory.examples(lines(scored(40)))
    (directory.path / "file").write_text("")
    assert model(directory.read(Learned(Cache(directory.path / "file" / "below"))))
    cache = directory.path / "cache"
    cache.mkdir()
    first = model(directory.read(Learned(Cache(cache))))
    for file in cache.iterdir():
        file.write_bytes(b"spoilt")
    assert model(directory.read(Learned(Cache(cache)))) == first
