"""Configuration and secrets as files, the way Kubernetes mounts a ConfigMap and a Secret."""

from pathlib import Path
from typing import NamedTuple

CONFIG_FILE = "config.json"
# Kubernetes swaps this link for a new directory, and with it all files at once.
_DATA = "..data"


class Files(NamedTuple):
    """What is there now: the configuration, None where there is none, and every secret entry."""

    config: bytes | None
    secrets: dict[str, bytes]


def read(config_directory: Path, secrets_directory: Path) -> Files:
    """Read both directories."""
    try:
        config = (_at_once(config_directory) / CONFIG_FILE).read_bytes()
    except OSError:
        config = None
    return Files(config, _secrets(secrets_directory))


def _secrets(directory: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    try:
        for file in _at_once(directory).iterdir():
            if file.is_file() and not file.name.startswith("."):
                found[file.name] = file.read_bytes()
    except OSError:
        return {}  # swapped while it was read, or not mounted yet: the next look sees it whole
    return found


def _at_once(directory: Path) -> Path:
    """The directory that all files come from, so that no swap can mix old ones with new ones."""
    data = directory / _DATA
    return data.resolve() if data.is_symlink() else directory
