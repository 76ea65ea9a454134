"""Whether certificates and keys can serve at all: found out here, before they reach a router."""

import os
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from signalbox.kube.resources import SECRETS, Resource

CERTIFICATE, KEY = "tls.crt", "tls.key"


def faults(resource: Resource, values: Mapping[str, bytes]) -> dict[str, str]:
    """What is wrong, by key. Secrets hold pairs, no half of which is good by itself; ConfigMaps hold authorities."""
    if resource is not SECRETS:
        return {key: fault for key, value in values.items() if (fault := authorities_fault(value))}
    if CERTIFICATE not in values or KEY not in values:
        return {}
    fault = pair_fault(values[CERTIFICATE], values[KEY])
    return {CERTIFICATE: fault, KEY: fault} if fault else {}


def authorities_fault(pem: bytes) -> str:
    """Why a text is no list of certificates; empty where it is one."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        return f"holds no PEM certificates ({_reason(error)})"
    return ""


def pair_fault(certificate: bytes, key: bytes) -> str:
    """Why a certificate and its key cannot be used together; empty where they can."""
    if fault := authorities_fault(certificate):
        return f"{CERTIFICATE} {fault}"
    try:
        with _file(certificate) as certificate_path, _file(key) as key_path:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate_path, key_path, _refuse)
    except (ssl.SSLError, ValueError) as error:
        return f"{KEY} is not the usable PEM key of {CERTIFICATE} ({_reason(error)})"
    return ""


def _refuse() -> str:
    """Else OpenSSL would ask on the terminal."""
    raise ValueError("it is encrypted")


def _reason(error: Exception) -> str:
    """In words of OpenSSL, which never quote the text."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason
    return "it is encrypted" if "encrypted" in str(error) else "no PEM text"


@contextmanager
def _file(content: bytes) -> Iterator[str]:
    """A path to these bytes, which OpenSSL insists on; in memory where the system can."""
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
