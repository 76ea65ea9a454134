"""Configuration and secrets as files, the way Kubernetes mounts a ConfigMap and a Secret.

The two arrive up to a minute and a half apart. A configuration counts only when every entry that it names is readable;
until then the one before it goes on serving.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from signalbox.router.process.supervisor import Supervisor
from signalbox.router.wire.errors import ConfigRejectedError
from signalbox.routing.config import content_hash, decode

CONFIG_FILE = "config.json"
LOOK_SECONDS = 0.5
# Kubernetes swaps this link for a new directory, and with it all files at once.
_DATA = "..data"

Say = Callable[[str], None]


class NotYet(Exception):  # noqa: N818 - a state, not a fault
    """What must still appear before the files can serve."""


class Mounted(NamedTuple):
    """What the files say."""

    config: bytes
    secrets: dict[str, bytes]


def read(config_directory: Path, secrets_directory: Path) -> Mounted:
    """Read both directories. Raises ``NotYet``, and ``ConfigRejectedError`` for what can never serve."""
    try:
        config = (_at_once(config_directory) / CONFIG_FILE).read_bytes()
    except OSError:
        raise NotYet(f"{config_directory / CONFIG_FILE} is not there") from None
    try:
        named = decode(config).secret_entries()
    except (msgspec.DecodeError, ValueError) as error:
        raise ConfigRejectedError(str(error)) from error
    secrets = _secrets(secrets_directory)
    if missing := sorted(named - secrets.keys()):
        raise NotYet(f"configuration {content_hash(config)} waits for: {', '.join(missing)}")
    return Mounted(config, secrets)


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


class Follower:
    """Keeps a supervisor on what the files say. ``say`` is told, once each, what waits and what was put in force."""

    def __init__(self, config_directory: Path, secrets_directory: Path, say: Say) -> None:
        self._directories = config_directory, secrets_directory
        self._say = say
        self._said = ""
        self._seen: Mounted | None = None

    async def next(self) -> Mounted:
        """Wait for files that can serve and say something new."""
        while True:
            found = await self._look()
            if found is not None and found != self._seen:
                self._seen = found
                return found
            await asyncio.sleep(LOOK_SECONDS)

    async def follow(self, supervisor: Supervisor) -> None:
        """Put every change in force, for ever."""
        while True:
            found = await self.next()
            try:
                await supervisor.apply(found.config, found.secrets)
            except ConfigRejectedError as error:
                self._tell(f"rejected, the one before goes on serving: {error}")
            else:
                self._tell(f"configuration {content_hash(found.config)} is in force")

    async def _look(self) -> Mounted | None:
        try:
            return await asyncio.to_thread(read, *self._directories)
        except NotYet as missing:
            self._tell(f"waiting: {missing}")
        except ConfigRejectedError as error:
            self._tell(f"cannot serve: {error}")
        return None

    def _tell(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self._say(text)
