"""Secrets from YAML and from the environment."""

from pathlib import Path

import pytest

from signalbox.local.secrets import Secrets, config_maps, variable
from signalbox.local.source import Source, choose_namespace, load


def source_of(path: Path, text: str) -> Source:
    (path / "s.yaml").write_text(text)
    source = load(path)
    choose_namespace(source, None)
    return source


SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: key}\ndata: {token: c2VjcmV0}\nstringData: {other: plain}\n"


def test_both_forms_of_yaml(tmp_path: Path) -> None:
    secrets = Secrets(source_of(tmp_path, SECRET), {}, {})
    assert secrets.value("key", "token") == b"secret"
    assert sorted(secrets.values("key")) == [b"plain", b"secret"]
    assert secrets.keys() == {"key": {"token", "other"}}


def test_the_environment_overrides(tmp_path: Path) -> None:
    secrets = Secrets(source_of(tmp_path, SECRET), {"SIGNALBOX_SECRET_KEY_TOKEN": "new"}, {})
    assert secrets.value("key", "token") == b"new"


def test_the_environment_alone_is_enough(tmp_path: Path) -> None:
    environment = {variable("my-key", "api.token"): "x", variable("team", "anything"): "y"}
    assert sorted(environment) == ["SIGNALBOX_SECRET_MY_KEY_API_TOKEN", "SIGNALBOX_SECRET_TEAM_ANYTHING"]
    secrets = Secrets(source_of(tmp_path, SECRET), environment, {"my-key": ["api.token"], "team": []})
    assert secrets.value("my-key", "api.token") == b"x"
    assert secrets.values("team") == [b"y"]


def test_variables_of_secrets_that_nobody_names_are_not_read(tmp_path: Path) -> None:
    secrets = Secrets(source_of(tmp_path, SECRET), {variable("other", "k"): "x"}, {})
    assert set(secrets.keys()) == {"key"}


def test_keys_of_a_longer_name_never_count_for_a_shorter(tmp_path: Path) -> None:
    environment = {variable("team-a", "k"): "a-key", variable("team", "k"): "key"}
    secrets = Secrets(source_of(tmp_path, SECRET), environment, {"team": [], "team-a": []})
    assert secrets.values("team") == [b"key"]
    assert secrets.values("team-a") == [b"a-key"]


def test_bad_values_are_problems_that_do_not_show_them(tmp_path: Path) -> None:
    text = (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: key}\ndata:\n  a: 'hunter2!'\n  b: 42424242\nstringData: []\n"
    )
    source = source_of(tmp_path, text)
    secrets = Secrets(source, {}, {})
    found = [(p.location.line if p.location else 0, p.problem.path, p.problem.reason) for p in source.problems]
    assert found == [(6, "data.b", "InvalidValue"), (5, "data.a", "InvalidBase64"), (7, "stringData", "InvalidValue")]
    assert "hunter2" not in repr(source.problems)
    assert "42424242" not in repr(source.problems)
    with pytest.raises(KeyError):
        secrets.value("key", "a")


def test_config_maps(tmp_path: Path) -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ca}\ndata:\n  ca.crt: |\n    PEM\n"
    assert config_maps(source_of(tmp_path, text)) == {"ca": {"ca.crt": "PEM\n"}}
