"""Configuration and secrets as mounted files."""

from pathlib import Path

from signalbox.router.process.mounted import read


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


def test_what_is_there_is_read(tmp_path: Path) -> None:
    configs, secrets = tmp_path / "config", tmp_path / "secrets"
    assert read(configs, secrets) == (None, {})
    mount(configs, config_json=b"{}")
    assert read(configs, secrets) == (b"{}", {})
    mount(secrets, keys=b"digest", other=b"x")
    assert read(configs, secrets) == (b"{}", {"keys": b"digest", "other": b"x"})


def test_an_entry_that_went_is_gone(tmp_path: Path) -> None:
    mount(tmp_path, keys=b"digest", old=b"x")
    mount(tmp_path, keys=b"new")
    assert read(tmp_path, tmp_path).secrets == {"keys": b"new"}


def test_plain_files_do_as_well(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(b"{}")
    (tmp_path / "keys").write_bytes(b"digest")
    (tmp_path / ".hidden").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    assert read(tmp_path, tmp_path).secrets.keys() == {"config.json", "keys"}
