"""Configuration and secrets as mounted files."""

from pathlib import Path

import pytest
from configs import backend, config, policy

from signalbox.router.process.mounted import NotYet, read
from signalbox.router.wire.errors import ConfigRejectedError
from signalbox.routing.config import Access, Address, RouterConfig, Tenant, encode


class Engine:
    name = "engine"
    address = Address(host="10.0.0.1", port=80)


def keyed() -> RouterConfig:
    return config(
        policy(backend(Engine()), access=Access(tenants=(Tenant(name="team", keys=("keys",)),))), backend(Engine())
    )


def mount(directory: Path, **files: bytes) -> None:
    """As the kubelet does: a new directory, then the link swapped to it in one step."""
    directory.mkdir(exist_ok=True)
    version = directory / f"..{len(list(directory.iterdir()))}"
    version.mkdir()
    for name, content in files.items():
        (version / name.replace("_", ".")).write_bytes(content)
        if not (directory / name.replace("_", ".")).is_symlink():
            (directory / name.replace("_", ".")).symlink_to(Path("..data") / name.replace("_", "."))
    (directory / "..new").symlink_to(version.name)
    (directory / "..new").rename(directory / "..data")


def test_a_configuration_counts_when_all_its_entries_are_there(tmp_path: Path) -> None:
    configs, secrets = tmp_path / "config", tmp_path / "secrets"
    with pytest.raises(NotYet, match=r"config\.json is not there"):
        read(configs, secrets)
    mount(configs, config_json=encode(keyed()))
    with pytest.raises(NotYet, match=r"waits for: keys"):
        read(configs, secrets)
    mount(secrets, other=b"x")
    with pytest.raises(NotYet, match=r"waits for: keys"):
        read(configs, secrets)
    mount(secrets, keys=b"digest", other=b"x")
    found = read(configs, secrets)
    assert found.config == encode(keyed())
    assert found.secrets == {"keys": b"digest", "other": b"x"}


def test_an_entry_that_went_is_gone(tmp_path: Path) -> None:
    mount(tmp_path / "config", config_json=encode(keyed()))
    mount(tmp_path / "secrets", keys=b"digest", old=b"x")
    mount(tmp_path / "secrets", keys=b"new")
    assert read(tmp_path / "config", tmp_path / "secrets").secrets == {"keys": b"new"}


def test_plain_files_do_as_well(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(encode(keyed()))
    (tmp_path / "keys").write_bytes(b"digest")
    (tmp_path / ".hidden").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    assert read(tmp_path, tmp_path).secrets.keys() == {"config.json", "keys"}


@pytest.mark.parametrize("content", [b"", b"{", b'{"formatVersion": 99, "name": "x", "policies": [], "backends": []}'])
def test_what_can_never_serve_is_rejected(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ConfigRejectedError):
        read(tmp_path, tmp_path)
