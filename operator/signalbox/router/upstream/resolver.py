"""Names to allowed addresses, without blocking the serving loop."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address

from signalbox.router.patience import within
from signalbox.routing.address_rules import AddressRefused, AddressRules, network_of, parse_networks
from signalbox.routing.config import Address

Lookup = Callable[[str, int], Awaitable[tuple[str, ...]]]


class ResolutionFailed(Exception):  # noqa: N818 - says what happened
    """DNS gave no answer and none is remembered."""


class _Answer:
    """What a name resolved to (or why not), and when."""

    __slots__ = ("addresses", "at", "error")

    def __init__(self, addresses: tuple[str, ...], at: float, error: str | None = None) -> None:
        self.addresses = addresses
        self.at = at
        self.error = error


class Resolver:
    """Caches answers, asks once for many, and keeps the last good answer while DNS fails.

    What one of ``deny_hosts`` resolves to is closed, too. An address that needs no DNS does not wait for that: it is
    closed as soon as the answer is there, and while DNS is away the last one counts.
    ``ttl``: seconds for which an answer is fresh; for as long again it is still served while a new one is fetched.
    ``failure_ttl``: seconds for which a failure is remembered. ``timeout``: seconds that one lookup may take.
    """

    def __init__(
        self,
        rules: AddressRules,
        deny_hosts: Sequence[str] = (),
        *,
        ttl: float = 5.0,
        failure_ttl: float = 1.0,
        timeout: float = 5.0,
        lookup: Lookup | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rules = rules
        self._deny_hosts = tuple(deny_hosts)
        self._ttl = ttl
        self._failure_ttl = failure_ttl
        self._timeout = timeout
        self._lookup = lookup or _system_lookup
        self._clock = clock
        self._answers: dict[str, _Answer] = {}
        self._flights: dict[str, asyncio.Task[_Answer]] = {}

    async def resolve(self, host: str, port: int) -> tuple[Address, ...]:
        """Allowed addresses of a host, in the order of preference of the system.

        Raises ``AddressRefused`` when there are addresses but the rules allow none, ``ResolutionFailed`` when there
        is no answer.
        """
        literal = _literal(host)
        if literal is not None:
            self._rules_now().check(literal)
            return (Address(host=literal, port=port),)
        unknown = (self._answer(name, 0) for name in self._deny_hosts if name not in self._answers)
        answer, *_ = await asyncio.gather(self._answer(host, port), *unknown)
        if not answer.addresses:
            raise ResolutionFailed(f"{host}: {answer.error or 'no address'}")
        rules = self._rules_now()
        refusals = [rules.refusal(ip) for ip in answer.addresses]
        allowed = tuple(
            Address(host=ip, port=port) for ip, reason in zip(answer.addresses, refusals, strict=True) if reason is None
        )
        if not allowed:
            raise AddressRefused(f"{host}: {refusals[0]}")
        return allowed

    def retain(self, hosts: frozenset[str]) -> None:
        """Forget the names that a new configuration no longer has."""
        for host in self._answers.keys() - hosts - set(self._deny_hosts):
            del self._answers[host]

    def _rules_now(self) -> AddressRules:
        denied: list[str] = []
        for host in self._deny_hosts:
            known = self._answers.get(host)
            if known is None or self._clock() - known.at >= (self._ttl if known.error is None else self._failure_ttl):
                self._ask(host, 0)
            denied += known.addresses if known is not None else ()
        return self._rules.denying(parse_networks(map(network_of, denied))) if denied else self._rules

    async def _answer(self, host: str, port: int) -> _Answer:
        known = self._answers.get(host)
        if known is not None:
            age = self._clock() - known.at
            if age < (self._ttl if known.error is None else self._failure_ttl):
                return known
            if known.addresses and age < 2 * self._ttl:
                self._ask(host, port)
                return known
        return await asyncio.shield(self._ask(host, port))

    def _ask(self, host: str, port: int) -> asyncio.Task[_Answer]:
        flight = self._flights.get(host)
        if flight is None:
            flight = self._flights[host] = asyncio.ensure_future(self._fetch(host, port))
            flight.add_done_callback(lambda _: self._flights.pop(host, None))
        return flight

    async def _fetch(self, host: str, port: int) -> _Answer:
        error: str | None = None
        addresses: tuple[str, ...] = ()
        try:
            async with within(self._timeout):
                addresses = await self._lookup(host, port)
        except TimeoutError:
            error = f"no answer from DNS within {self._timeout:g} s"
        except (OSError, UnicodeError) as problem:
            error = getattr(problem, "strerror", None) or str(problem)
        if not addresses:
            known = self._answers.get(host)
            addresses = known.addresses if known else ()
            error = error or "no address"
        answer = _Answer(addresses, self._clock(), error)
        self._answers[host] = answer
        return answer


def _literal(host: str) -> str | None:
    """The address itself when the host is one (brackets of a URL removed)."""
    text = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        ip_address(text)
    except ValueError:
        return None
    return text


async def _system_lookup(host: str, port: int) -> tuple[str, ...]:
    loop = asyncio.get_running_loop()
    try:
        # Only families that this machine has, so that an IPv6 answer is no failed attempt on an IPv4 network …
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    except socket.gaierror:
        # … but a machine with loopback only has neither by that definition.
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
