"""Who of several replicas acts: the holder of a Lease, as Kubernetes' own components do it.

Clocks of machines differ, so nobody compares another's times with its own: a Lease counts as abandoned when *we* have
seen no change of it for as long as it says that it holds. The holder, on its side, stops acting well before that.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from signalbox.kube.client import Client, Object
from signalbox.kube.errors import ApiError
from signalbox.kube.resources import LEASES
from signalbox.kube.watch import NOBODY, Progress

_log = logging.getLogger(__name__)


class LeaseLost(Exception):  # noqa: N818 - a state of the cluster
    """Somebody else may act now: stop at once."""


@dataclass(frozen=True)
class Timing:
    """Seconds. ``renew`` is how long the holder goes on without having been able to renew; ``retry`` is the time
    between two attempts, its own and those of who waits."""

    duration: float = 10.0
    renew: float = 6.0
    retry: float = 2.0


class Lease:
    """One replica's view of one Lease. ``acquire``, then ``keep``, then ``release``. ``owners`` tells the references to
    those with whom a Lease goes that we make."""

    def __init__(
        self,
        client: Client,
        namespace: str,
        name: str,
        identity: str,
        timing: Timing | None = None,
        owners: Callable[[], Awaitable[list[Object]]] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._client, self._namespace, self._name, self._owners = client, namespace, name, owners
        self._timing = timing or Timing()
        self._progress = progress or NOBODY
        self._clock: Callable[[], float] = time.monotonic
        self._seen = ""  # the version of the Lease that we saw last, and when it was new
        self._seen_at = 0.0
        self._renewed_at = 0.0
        self._retry_after = 0.0  # as the server asked at the last attempt
        self.identity = identity
        self.held = False
        self.holder = ""

    async def acquire(self) -> None:
        """Wait until the Lease is ours."""
        while True:
            if await self._attempt():
                if self._clock() - self._renewed_at < self._timing.renew / 2:
                    break
                continue  # it took so long that there would be no time left to renew it
            # Well below ``retry``, so that what a predecessor hands over is taken within that time, its own part in it.
            pause = self._timing.retry * random.uniform(0.4, 0.6)  # noqa: S311 - jitter
            await asyncio.sleep(max(pause, self._retry_after))
        self.held = True
        _log.info("leader: %s holds %s/%s", self.identity, self._namespace, self._name)

    @contextmanager
    def through(self, client: Client) -> Iterator[None]:
        """Ask by other connections meanwhile: those of the event loop that keeps it."""
        before, self._client = self._client, client
        try:
            yield
        finally:
            self._client = before

    async def keep(self) -> None:
        """Renew for ever. Raises ``LeaseLost`` when it is not ours any more, or may not be soon."""
        timing = self._timing
        while True:
            left = self._renewed_at + timing.renew - self._clock()
            await asyncio.sleep(max(0.0, min(timing.retry, left / 2)))
            left = self._renewed_at + timing.renew - self._clock()
            if left <= 0 or not await self._renew(left):
                self.held = False
                raise LeaseLost(f"the Lease {self._namespace}/{self._name} could not be renewed in time")

    async def _renew(self, seconds: float) -> bool:
        """Whether the Lease is ours after at most so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                while not await self._attempt():
                    if self.holder != self.identity:
                        return False
                    await asyncio.sleep(max(min(self._timing.retry, 0.5), self._retry_after))
        except TimeoutError:
            return False
        return True

    async def release(self) -> None:
        """Hand it over: the next one need not wait until it has expired."""
        if not self.held:
            return
        self.held = False
        try:
            async with asyncio.timeout(self._timing.retry):
                while not await self._released():
                    pass
        except (ApiError, TimeoutError) as error:
            _log.warning("the Lease could not be released, it expires by itself: %s", error or "no answer")

    async def _released(self) -> bool:
        """Whether it is ours no more. A renewal that was cut off may have been done all the same: another version."""
        live = await self._client.get(LEASES, self._namespace, self._name)
        if live is None or live["spec"].get("holderIdentity") != self.identity:
            return True
        try:
            spec = {**live["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
            await self._client.replace(LEASES, live | {"spec": spec})
        except ApiError as error:
            if error.conflict:
                return False
            raise
        return True

    async def _attempt(self) -> bool:
        """One attempt to take or renew it; whether it is ours now. What goes wrong is said, and tried again."""
        self._retry_after = 0.0
        began = self._clock()  # what counts for the others is the write, and that is not earlier
        try:
            live = await self._client.get(LEASES, self._namespace, self._name)
            if live is None:
                live = await self._client.create(await self._manifest(), self.identity)
            else:
                self._note(live, began)
                if self.holder not in {"", self.identity} and not self._expired(live):
                    self._progress.listed()
                    return False
                live = await self._client.replace(LEASES, live | {"spec": self._spec(live["spec"])})
        except ApiError as error:
            self._retry_after = error.retry_after or 0.0
            if not (error.conflict or error.already_exists):  # somebody was faster
                self._progress.refused(error)
                _log.warning("Lease %s/%s: %s", self._namespace, self._name, error)
            return False
        self._progress.listed()
        self._note(live, began)
        self._renewed_at = began
        return True

    def _note(self, live: Object, now: float) -> None:
        if (version := live["metadata"]["resourceVersion"]) != self._seen:
            self._seen, self._seen_at = version, now
        self.holder = str((live.get("spec") or {}).get("holderIdentity") or "")

    def _expired(self, live: Object) -> bool:
        seconds: float = (live.get("spec") or {}).get("leaseDurationSeconds") or self._timing.duration
        return self._clock() - self._seen_at > seconds

    def _spec(self, before: Object) -> Object:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        ours = before.get("holderIdentity") == self.identity
        return {
            **before,
            "holderIdentity": self.identity,
            "leaseDurationSeconds": round(self._timing.duration),
            "acquireTime": before.get("acquireTime", now) if ours else now,
            "renewTime": now,
            "leaseTransitions": before.get("leaseTransitions", 0) + (0 if ours else 1),
        }

    async def _manifest(self) -> Object:
        owners = await self._owners() if self._owners is not None else []
        metadata = {"namespace": self._namespace, "name": self._name, "ownerReferences": owners}
        kind = {"apiVersion": LEASES.api_version, "kind": LEASES.kind}
        return {**kind, "metadata": metadata, "spec": self._spec({"leaseTransitions": -1})}
