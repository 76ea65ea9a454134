"""Certificates and keys as PEM texts, given to OpenSSL without a file that stays."""

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def load_authorities(context: ssl.SSLContext, pem: bytes) -> None:
    """Trust these. Raises ``ValueError`` in words that never quote the text."""
    try:
        context.load_verify_locations(cadata=pem.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise ValueError(_reason(error)) from None


def load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Give a context its own certificate. Raises ``ValueError`` likewise; the context may then hold half."""
    try:
        with _file(certificate) as certificate_path, _file(key) as key_path:
            context.load_cert_chain(certificate_path, key_path, password=_refuse_password)
    except (ssl.SSLError, ValueError) as error:
        raise ValueError(_reason(error)) from None


def _refuse_password() -> str:
    """Without this OpenSSL would ask on the terminal."""
    raise ValueError("the key is encrypted; store it without a passphrase")


def _reason(error: Exception) -> str:
    """In words of OpenSSL or ours."""
    if isinstance(error, ssl.SSLError):
        return error.reason or str(error)
    return str(error) if "encrypted" in str(error) else "no PEM text"


@contextmanager
def _file(content: bytes) -> Iterator[str]:
    """A path to these bytes, which OpenSSL insists on; memory only where the system can, else removed at once."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("pem")
        path = f"/proc/self/fd/{descriptor}"
    else:
        descriptor, path = tempfile.mkstemp(prefix="signalbox-")
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(content)
        yield path
    finally:
        os.close(descriptor)
        if not path.startswith("/proc/"):
            Path(path).unlink()
