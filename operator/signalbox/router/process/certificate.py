"""The certificate that clients see: read from mounted files, and read again when they change.

Connections that are open keep what they began with; whoever connects later gets the new one. Files that are no good
change nothing.
"""

import ssl
from pathlib import Path

from signalbox.pem import ends, load_pair, server_context

CERTIFICATE_FILE = "tls.crt"
KEY_FILE = "tls.key"
LOOK_SECONDS = 1.0


class Certificate:
    """``context`` serves for ever; what it shows follows the files. Raises ``ValueError`` for bad ones."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.context = _context()
        self._seen: tuple[bytes, bytes] | None = None
        self.renew()

    def renew(self) -> bool:
        """Look at the files; whether they had changed. Raises ``ValueError``, once for the same content."""
        found = _read(self._directory)
        if found == self._seen:
            return False
        self._seen = found
        load_pair(_context(), *found)  # on trial: half of a bad pair must not come into force
        load_pair(self.context, *found)
        return True


def end_of(directory: str | None) -> float | None:
    """When the certificate in the files ends, in seconds since the epoch; None where there is none, or a bad one."""
    try:
        return ends(_read(Path(directory))[0]) if directory is not None else None
    except ValueError:
        return None


def _read(directory: Path) -> tuple[bytes, bytes]:
    """Both of one directory, so that no swap can mix an old one with a new one."""
    data = directory / "..data"
    directory = data.resolve() if data.is_symlink() else directory
    try:
        return (directory / CERTIFICATE_FILE).read_bytes(), (directory / KEY_FILE).read_bytes()
    except OSError as error:
        raise ValueError(f"{error.filename}: {error.strerror}") from None


def _context() -> ssl.SSLContext:
    context = server_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
