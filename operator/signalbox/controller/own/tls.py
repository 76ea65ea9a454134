"""The operator's certificate at work: the leader makes it, every replica reads it, and whoever listens serves it."""

import asyncio
import base64
import logging
import os
import ssl
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from signalbox.controller.own.certificates import BUNDLE, CERTIFICATE, KEY, read, renewed, written
from signalbox.controller.own.owner import Owner
from signalbox.controller.own.watched import Own
from signalbox.controller.watching.listings import Listings
from signalbox.kube.client import Client, Object
from signalbox.kube.errors import ApiError
from signalbox.kube.resources import SECRETS
from signalbox.pem import server_context

CHECK_SECONDS = 3600.0
AGAIN_SECONDS = 2.0
MANAGER = "signalbox"
LABELS = {"app.kubernetes.io/part-of": "signalbox", "app.kubernetes.io/managed-by": "signalbox-operator"}

_log = logging.getLogger(__name__)


class Tls:
    """``context`` serves the newest certificate that was read; ``bundle`` is who signs for it, "" before the first, and
    ``expires`` is when it ends, in seconds since the epoch.

    The Secret goes with its ``owner``. ``changed`` is called when the bundle does.
    """

    def __init__(
        self,
        client: Client,
        namespace: str,
        name: str,
        names: Sequence[str],
        owner: Owner,
        changed: Callable[[], None],
        listings: Listings,
    ) -> None:
        self._client, self._names, self._owner, self._changed = client, tuple(names), owner, changed
        self._secret = Own(client, SECRETS, namespace, name, listings)
        self._loaded: tuple[bytes, bytes] | None = None
        self.context = server_context()
        self.bundle = ""
        self.expires: float | None = None
        self.ready = asyncio.Event()

    async def follow(self) -> None:
        """Read it for ever: on every replica."""
        watching = asyncio.create_task(self._secret.follow())
        try:
            await self._secret.known.wait()
            while True:
                seen = self._secret.changes
                self._load()
                await self._secret.news(seen)
        finally:
            watching.cancel()

    async def keep(self) -> None:
        """Make it, and renew it, for ever: on the leader."""
        await self._secret.known.wait()
        while True:
            seen, wait = self._secret.changes, CHECK_SECONDS
            try:
                await self._renew()
            except ApiError as error:
                if not (error.conflict or error.already_exists):
                    _log.warning("Secret %s/%s: %s", self._secret.namespace, self._secret.name, error)
                wait = AGAIN_SECONDS
            await self._secret.news(seen, wait)

    async def _renew(self) -> None:
        live = self._secret.live
        before = read(_data(live))
        after = renewed(before, self._names, datetime.now(UTC))
        if after is before:
            return
        data = {key: base64.b64encode(value).decode() for key, value in written(after).items()}
        if live is None:
            metadata = {
                "namespace": self._secret.namespace,
                "name": self._secret.name,
                "labels": LABELS,
                "ownerReferences": await self._owner.references(),
            }
            secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data}
            await self._client.create(secret, MANAGER)
        else:
            await self._client.replace(SECRETS, live | {"data": data})
        _log.info("Secret %s/%s: a new certificate", self._secret.namespace, self._secret.name)

    def _load(self) -> None:
        data = _data(self._secret.live)
        held = read(data)
        if held is None:
            return  # the leader makes another; what is served meanwhile is the one before
        pair = data[CERTIFICATE], data[KEY]
        if pair != self._loaded:
            _use(self.context, *pair)
            self._loaded = pair
            self.expires = held.certificate.not_valid_after_utc.timestamp()
        bundle = data[BUNDLE].decode()
        if bundle != self.bundle:
            self.bundle = bundle
            self._changed()
        self.ready.set()


def _data(secret: Object | None) -> dict[str, bytes]:
    found = (secret or {}).get("data") or {}
    return {key: base64.b64decode(value) for key, value in found.items()}


def _use(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """The ssl module reads certificates from files only. Connections that are open notice nothing."""
    descriptor, name = tempfile.mkstemp()
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(certificate + b"\n" + key)
        context.load_cert_chain(name)
    finally:
        Path(name).unlink()
