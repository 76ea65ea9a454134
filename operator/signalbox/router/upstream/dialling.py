"""Waiting for a connection.

Coroutines stand apart from the classes that are compiled: those of mypyc leave the exception that they handled last to
everybody who runs after them.
"""

import asyncio
import ssl
import time
from typing import TYPE_CHECKING, Protocol

from signalbox.router.patience import within
from signalbox.router.upstream.connection import UpstreamConnection
from signalbox.routing.address_rules import AddressRefused

if TYPE_CHECKING:
    from signalbox.router.upstream.endpoint import Endpoint

# Behind a Service's address are pods, and for a moment one that has gone: whoever connects again may meet another.
# Pauses in seconds before the further tries.
FURTHER_TRIES = (0.0, 0.05, 0.15, 0.3)


class Dialling(Protocol):
    """Who waits for a connection."""

    def connected(self, connection: UpstreamConnection) -> None:
        """Here it is."""

    def not_connected(self, reason: str, timed_out: bool) -> None:
        """It could not be made."""

    def crashed(self) -> None:
        """One of the above has raised what it should not have (called from ``except``): end by any means."""

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits any more."""


async def dial(endpoint: "Endpoint", waiting: Dialling, seconds: float) -> None:
    """Connect, and tell who waits."""
    try:
        await _connect(endpoint, waiting, seconds)
    except Exception:
        waiting.crashed()


async def _connect(endpoint: "Endpoint", waiting: Dialling, seconds: float) -> None:
    try:
        async with within(seconds):
            connection = await _open(endpoint)
    except TimeoutError:
        reason, timed_out = "connect time-out", True
    except AddressRefused as refused:
        reason, timed_out = str(refused), False
    except ssl.SSLCertVerificationError as error:
        reason, timed_out = f"certificate: {error.verify_message}", False
    except OSError as error:
        reason, timed_out = error.strerror or type(error).__name__, False
    except ValueError as error:  # of the address, the name for TLS: whoever waits must hear of it
        reason, timed_out = str(error), False
    else:
        if waiting.cancelled:
            endpoint.give(connection, time.monotonic())
        else:
            waiting.connected(connection)
        return
    if not waiting.cancelled:
        waiting.not_connected(reason, timed_out)


async def _open(endpoint: "Endpoint") -> UpstreamConnection:
    """Raises what ``Dialer.connect`` raises."""
    connect = endpoint.dialer.connect
    for pause in FURTHER_TRIES if endpoint.fronts else ():
        try:
            return await connect(endpoint.address, endpoint.context, endpoint.server_name)
        except ConnectionError:
            await asyncio.sleep(pause)
    return await connect(endpoint.address, endpoint.context, endpoint.server_name)
