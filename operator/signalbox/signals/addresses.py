"""Names to allowed addresses, as the client connects."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor

from aiohttp.abc import AbstractResolver, ResolveResult

from signalbox.routing.address_rules import AddressRules

AT_ONCE = 16
"""Names. Where nobody answers, the system takes many seconds to say so, whether or not anybody still waits."""
_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class Refused(OSError):  # noqa: N818 - says what happened
    """The rules allow none of the addresses."""


class RuledResolver(AbstractResolver):
    """Resolves as the system does and leaves out what the rules close. It is asked for names only: see ``check``.

    It has threads of its own, so that no other work waits for names.
    """

    def __init__(self, rules: AddressRules) -> None:
        self.rules = rules
        self._threads = ThreadPoolExecutor(AT_ONCE, "names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The allowed addresses. Raises ``Refused`` where there are others only, ``OSError`` where there are none."""
        asked = host, port, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG
        found = await asyncio.get_running_loop().run_in_executor(self._threads, socket.getaddrinfo, *asked)
        allowed = [
            ResolveResult(
                hostname=host, host=str(address[0]), port=int(address[1]), family=family, proto=proto, flags=_NUMERIC
            )
            for family, _, proto, _, address in found
            if self.rules.reason(str(address[0])) is None
        ]
        if found and not allowed:
            raise Refused
        return allowed

    async def close(self) -> None:
        """Nobody waits for names any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def check(host: str | None, rules: AddressRules) -> None:
    """Raise ``Refused`` where the host of a URL, as the client reads it, is an address that is closed; a name is
    checked once it is resolved."""
    try:
        reason = rules.reason(host or "")
    except ValueError:
        return
    if reason is not None:
        raise Refused
