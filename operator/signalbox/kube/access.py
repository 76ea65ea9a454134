"""Where the API server is, and who we are there.

kopf's own login is used, so that its watches and our requests always agree. A token of a pod's ServiceAccount rotates
about once an hour: it is read again before it grows old.
"""

import base64
import os
import ssl
import tempfile
import time
from pathlib import Path

import kopf

TOKEN_SECONDS = 60.0


class NoAccess(Exception):  # noqa: N818 - what to do is in the message
    """There is neither a ServiceAccount nor a kubeconfig."""


class Access:
    """``server`` is the base URL, ``context`` for TLS; ``headers`` are made anew for each request."""

    def __init__(self) -> None:
        """Log in. Raises ``NoAccess``."""
        self._read_at = 0.0
        self._info = self._login()
        self.server = self._info.server.rstrip("/")
        self.context = _context(self._info)

    def headers(self) -> dict[str, str]:
        """Who we are."""
        if time.monotonic() - self._read_at > TOKEN_SECONDS:
            self._info = self._login()
        return self._info.as_http_headers()

    def renew(self) -> None:
        """Read the token again before the next request."""
        self._read_at = -TOKEN_SECONDS

    def _login(self) -> kopf.ConnectionInfo:
        self._read_at = time.monotonic()
        settings = kopf.OperatorSettings()
        try:
            found = kopf.login_with_kubeconfig(settings=settings) or kopf.login_with_service_account(settings=settings)
        except (OSError, kopf.LoginError, ValueError) as error:
            raise NoAccess(f"the kubeconfig cannot be used: {error}") from error
        if found is None:
            raise NoAccess("no ServiceAccount token is mounted here and no kubeconfig is found: set KUBECONFIG")
        return found


def _context(info: kopf.ConnectionInfo) -> ssl.SSLContext:
    context = ssl.create_default_context(
        cafile=str(info.ca_path) if info.ca_path else None, cadata=_text(info.ca_data) if info.ca_data else None
    )
    if info.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if info.certificate_path and info.private_key_path:
        context.load_cert_chain(str(info.certificate_path), str(info.private_key_path))
    elif info.certificate_data and info.private_key_data:
        # The ssl module reads certificates from files only.
        descriptor, name = tempfile.mkstemp()
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(_text(info.certificate_data) + "\n" + _text(info.private_key_data))
            context.load_cert_chain(name)
        finally:
            Path(name).unlink()
    return context


def _text(data: str | bytes) -> str:
    """PEM, which a kubeconfig holds in base64."""
    raw = data.encode() if isinstance(data, str) else data
    return (raw if b"-----BEGIN" in raw else base64.b64decode(raw)).decode()
