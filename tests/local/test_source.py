"""A directory as the API server would hold it."""

from pathlib import Path

import pytest

from signalbox.local.source import Source, SourceError, choose_namespace, load

BACKEND = "apiVersion: signalbox.dev/v1alpha1\nkind: ModelBackend\nmetadata: {name: %s}\nspec: {}\n"


def write(path: Path, **files: str) -> Path:
    for name, text in files.items():
        (path / f"{name}.yaml").write_text(text)
    return path


def messages(source: Source) -> list[str]:
    return [
        f"{Path(p.location.file).name}:{p.location.line} {p.problem.message}" for p in source.problems if p.location
    ]


def test_objects_know_their_places(tmp_path: Path) -> None:
    source = load(write(tmp_path, a=BACKEND % "one" + "---\n" + BACKEND % "two"))
    two = source.find("ModelBackend", "two")
    assert two is not None
    assert two.location("spec.model").line == 9
    assert str(two.location("metadata.name")) == f"{tmp_path}/a.yaml:8"


def test_items_of_a_list_are_objects(tmp_path: Path) -> None:
    text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n  metadata:\n    name: s\n"
    [found] = load(write(tmp_path, a=text)).objects
    assert found.kind == "Secret"
    assert found.location("metadata.name").line == 7


def test_other_kinds_are_ignored_with_a_note(tmp_path: Path) -> None:
    text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n"
    source = load(write(tmp_path, a=text, b=BACKEND % "one"))
    assert [o.name for o in source.objects] == ["one"]
    assert source.notes == [f"{tmp_path}/a.yaml:1: Deployment is ignored: not a kind that routers are made from"]
    assert not source.problems


def test_a_wrong_version_of_ours_is_a_problem(tmp_path: Path) -> None:
    text = "apiVersion: signalbox.dev/v1\nkind: ModelBackend\nmetadata: {name: x}\n"
    source = load(write(tmp_path, a=text, b=text.replace("ModelBackend", "ModelBackends")))
    assert messages(source) == [
        "a.yaml:1 there is no ModelBackend in signalbox.dev/v1",
        "b.yaml:1 there is no ModelBackends in signalbox.dev/v1",
    ]


def test_a_foreign_kind_of_the_same_name_is_ignored(tmp_path: Path) -> None:
    text = "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: x}\n"
    source = load(write(tmp_path, a=text))
    assert not source.objects
    assert not source.problems
    assert len(source.notes) == 1


def test_a_broken_file_does_not_spoil_the_others(tmp_path: Path) -> None:
    source = load(write(tmp_path, a="a: [\n", b=BACKEND % "one"))
    assert [o.name for o in source.objects] == ["one"]
    assert source.broken == {f"{tmp_path}/a.yaml"}
    assert source.problems[0].problem.reason == "InvalidYAML"


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00")
    assert messages(load(tmp_path)) == ["a.yaml:1 cannot be read: not UTF-8"]


@pytest.mark.parametrize("text", ["- a\n", "just text\n", "metadata: {name: x}\n"])
def test_documents_without_kind(tmp_path: Path, text: str) -> None:
    assert messages(load(write(tmp_path, a=text))) == ["a.yaml:1 not a Kubernetes resource: it has no kind"]


@pytest.mark.parametrize("metadata", ["{}", "{name: 3}", "{name: A_b}", "[]"])
def test_a_resource_needs_a_name(tmp_path: Path, metadata: str) -> None:
    source = load(write(tmp_path, a=BACKEND.replace("{name: %s}", metadata)))
    assert [p.problem.reason for p in source.problems] == ["InvalidName"]
    assert not source.objects


def test_declared_twice(tmp_path: Path) -> None:
    source = load(write(tmp_path, a=BACKEND % "one", b=BACKEND % "one"))
    choose_namespace(source, None)
    assert messages(source) == [f"b.yaml:3 ModelBackend one is declared twice: also at {tmp_path}/a.yaml:2"]
    assert len(source.objects) == 1


class TestNamespaces:
    def several(self, path: Path) -> Source:
        text = BACKEND.replace("{name: %s}", "{name: x, namespace: %s}")
        return load(write(path, a=text % "red", b=text % "blue", c=BACKEND % "bare"))

    def test_the_only_one_is_chosen_and_bare_objects_join_it(self, tmp_path: Path) -> None:
        source = load(write(tmp_path, a=BACKEND % "x, namespace: red", b=BACKEND % "bare"))
        assert choose_namespace(source, None) == "red"
        assert len(source.objects) == 2

    def test_none_is_default(self, tmp_path: Path) -> None:
        assert choose_namespace(load(write(tmp_path, a=BACKEND % "x")), None) == "default"

    def test_several_need_a_choice(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match=r"several namespaces \(blue, red\): choose one with -n"):
            choose_namespace(self.several(tmp_path), None)

    def test_the_choice_drops_the_others(self, tmp_path: Path) -> None:
        source = self.several(tmp_path)
        assert choose_namespace(source, "blue") == "blue"
        assert [(o.name, o.namespace) for o in source.objects] == [("x", "blue"), ("bare", None)]


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no file or directory"):
        load(tmp_path / "missing")
    with pytest.raises(SourceError, match="sub-directories are not read"):
        load(tmp_path)


def test_hidden_files_and_other_suffixes_are_not_read(tmp_path: Path) -> None:
    (tmp_path / ".a.yaml.swp").write_text("x")
    (tmp_path / ".b.yaml").write_text("x")
    (tmp_path / "README.md").write_text("x")
    write(tmp_path, c=BACKEND % "one")
    assert [o.name for o in load(tmp_path).objects] == ["one"]


def test_a_single_file(tmp_path: Path) -> None:
    write(tmp_path, a=BACKEND % "one", b=BACKEND % "two")
    assert [o.name for o in load(tmp_path / "a.yaml").objects] == ["one"]
