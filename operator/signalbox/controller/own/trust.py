"""Letting the API server trust the webhook: its configuration says who signs for it.

The chart never writes that field, so that no upgrade and no GitOps tool takes it away; if somebody does, it comes back.
"""

import asyncio
import base64
import logging
from collections.abc import Callable

from signalbox.controller.applying.difference import MANAGER
from signalbox.controller.own.watched import Own
from signalbox.controller.watching.listings import Listings
from signalbox.kube.client import Client, Object
from signalbox.kube.errors import ApiError
from signalbox.kube.resources import MUTATING_WEBHOOKS

AGAIN_SECONDS = 2.0
LOOK_SECONDS = 60.0

_log = logging.getLogger(__name__)


class WebhookTrust:
    """Keeps ``caBundle`` of all webhooks of a MutatingWebhookConfiguration at ``bundle`` (PEM, "" for not yet)."""

    def __init__(self, client: Client, name: str, bundle: Callable[[], str], listings: Listings) -> None:
        self._client, self._bundle = client, bundle
        self._own = Own(client, MUTATING_WEBHOOKS, "", name, listings)
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """The bundle is another one now."""
        self._changed.set()

    async def keep(self) -> None:
        """For ever: on the leader."""
        watching = asyncio.create_task(self._own.follow())
        try:
            await self._own.known.wait()
            while True:
                self._changed.clear()
                seen, wait = self._own.changes, LOOK_SECONDS
                try:
                    await self._correct()
                except ApiError as error:
                    _log.warning("MutatingWebhookConfiguration %s: %s", self._own.name, error)
                    wait = AGAIN_SECONDS
                await self._news(seen, wait)
        finally:
            watching.cancel()

    async def _news(self, seen: int, seconds: float) -> None:
        waiting = {asyncio.create_task(self._own.news(seen, seconds)), asyncio.create_task(self._changed.wait())}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()

    async def _correct(self) -> None:
        live, bundle = self._own.live, base64.b64encode(self._bundle().encode()).decode()
        if live is None or not bundle:
            return
        webhooks: list[Object] = live.get("webhooks") or []
        if all(each["clientConfig"].get("caBundle") == bundle for each in webhooks):
            return
        # What else the list holds belongs to the chart: each entry is found by its name, and gets this field alone.
        wanted = [{"name": each["name"], "clientConfig": {"caBundle": bundle}} for each in webhooks]
        await self._client.apply({**_KIND, "metadata": {"name": self._own.name}, "webhooks": wanted}, MANAGER)
        _log.info("MutatingWebhookConfiguration %s: the authority is ours", self._own.name)


_KIND = {"apiVersion": MUTATING_WEBHOOKS.api_version, "kind": MUTATING_WEBHOOKS.kind}
