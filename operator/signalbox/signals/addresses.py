"""Names to allowed addresses, as the client connects."""

import socket

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from signalbox.routing.address_rules import AddressRules


class Refused(OSError):  # noqa: N818 - says what happened
    """The rules allow none of the addresses."""


class RuledResolver(AbstractResolver):
    """Resolves as the system does and leaves out what the rules close. It is asked for names only: see ``check``."""

    def __init__(self, rules: AddressRules) -> None:
        self.rules = rules
        self._system = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The allowed addresses. Raises ``Refused`` where there are others only, ``OSError`` where there are none."""
        found = await self._system.resolve(host, port, family)
        allowed = [each for each in found if self.rules.reason(each["host"]) is None]
        if found and not allowed:
            raise Refused
        return allowed

    async def close(self) -> None:
        """Nothing is held."""


def check(host: str | None, rules: AddressRules) -> None:
    """Raise ``Refused`` where the host of a URL, as the client reads it, is an address that is closed; a name is
    checked once it is resolved."""
    try:
        reason = rules.reason(host or "")
    except ValueError:
        return
    if reason is not None:
        raise Refused
