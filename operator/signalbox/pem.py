"""Certificates and keys as PEM texts, given to OpenSSL without a file that stays; and when one ends."""

import calendar
import os
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_END = "-----END CERTIFICATE-----"
# DER: a version is explicitly tagged; dates until 2049 have two digits for the year.
_VERSION, _TWO_DIGITS, _FOUR_DIGITS = 0xA0, 0x17, 0x18
_DATES = {_TWO_DIGITS, _FOUR_DIGITS}


def server_context() -> ssl.SSLContext:
    """For a port of ours, its certificate still to come."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION  # OpenSSL 1.1.1 would begin anew as often as a client likes
    return context


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


def ends(certificate: bytes) -> float | None:
    """When the first of these certificates ends, in seconds since the epoch; None where it cannot be told.

    OpenSSL would say it only of a certificate that a peer has shown.
    """
    try:
        first, mark, _ = certificate.decode("ascii").partition(_END)
        der = ssl.PEM_cert_to_DER_cert(first[first.index("-----BEGIN") :] + mark)
        (_, whole), *_ = _values(der)
        (_, signed), *_ = _values(whole)
        fields = [value for tag, value in _values(signed) if tag != _VERSION]
        _, (tag, date) = _values(fields[3])  # after number, algorithm and issuer: from when, and until when
        text = date.decode("ascii")
        if tag == _TWO_DIGITS:
            text = ("20" if int(text[:2]) < 50 else "19") + text
        return float(calendar.timegm(time.strptime(text, "%Y%m%d%H%M%SZ"))) if tag in _DATES else None
    except (ValueError, IndexError):
        return None


def _values(der: bytes) -> list[tuple[int, bytes]]:
    """Tags and contents of what is in a sequence. Raises ``ValueError`` or ``IndexError``."""
    found = []
    at = 0
    while at < len(der):
        tag, length, at = der[at], der[at + 1], at + 2
        if length & 0x80:
            more = length & 0x7F
            length, at = int.from_bytes(der[at : at + more], "big"), at + more
        if at + length > len(der):
            raise ValueError("cut off")
        found.append((tag, der[at : at + length]))
        at += length
    return found


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
        import tempfile  # noqa: PLC0415 - macOS alone needs it, and what it imports is a tenth of a router's start

        descriptor, path = tempfile.mkstemp(prefix="signalbox-")
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(content)
        yield path
    finally:
        os.close(descriptor)
        if not path.startswith("/proc/"):
            Path(path).unlink()
