"""Names to addresses, with a fake clock and a fake DNS; once with the real one."""

import asyncio
import socket

import pytest

from signalbox.router.upstream.resolver import ResolutionFailed, Resolver
from signalbox.routing.address_rules import AddressRefused, AddressRules, parse_networks
from signalbox.routing.config import Address


class Dns:
    """Answers from a table; can fail, hold its answers back, and counts questions."""

    def __init__(self, *answer: str) -> None:
        self.answer: tuple[str, ...] | Exception = answer
        self.questions = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.now = 100.0

    async def lookup(self, host: str, port: int) -> tuple[str, ...]:
        self.questions += 1
        await self.gate.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def resolver(self, *allow: str, timeout: float = 5.0) -> Resolver:
        rules = AddressRules(parse_networks(allow))
        return Resolver(rules, lookup=self.lookup, clock=lambda: self.now, timeout=timeout)


def hosts(addresses: tuple[Address, ...]) -> list[str]:
    return [address.host for address in addresses]


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_literals_need_no_dns_and_obey_the_rules() -> None:
    dns = Dns()
    assert await dns.resolver().resolve("10.0.0.1", 80) == (Address(host="10.0.0.1", port=80),)
    assert hosts(await dns.resolver().resolve("[2606:2800::1]", 443)) == ["2606:2800::1"]
    with pytest.raises(AddressRefused, match=r"loopback.*--allow-cidr 127\.0\.0\.1/32"):
        await dns.resolver().resolve("127.0.0.1", 80)
    assert dns.questions == 0


async def test_what_a_closed_name_resolves_to_is_closed() -> None:
    """The operator's, say: also by its address, and by another name."""
    answers: dict[str, tuple[str, ...]] = {"operator": ("10.9.9.9",), "engine": ("10.0.0.1", "10.9.9.9")}
    now = 100.0

    async def lookup(host: str, port: int) -> tuple[str, ...]:
        if host not in answers:
            raise OSError("no such name")
        return answers[host]

    resolver = Resolver(AddressRules(), ["operator"], lookup=lookup, clock=lambda: now)
    assert hosts(await resolver.resolve("engine", 80)) == ["10.0.0.1"]
    with pytest.raises(AddressRefused, match=r"reserved for the operator.*--allow-cidr 10\.9\.9\.9/32"):
        await resolver.resolve("10.9.9.9", 80)
    with pytest.raises(AddressRefused, match="reserved for the operator"):
        await resolver.resolve("::ffff:10.9.9.9", 80)
    answers["engine"] = answers.pop("operator")  # and the operator has no name for a while
    now += 60
    resolver.retain(frozenset({"engine"}))
    with pytest.raises(AddressRefused, match=r"engine: 10\.9\.9\.9 is reserved for the operator"):
        await resolver.resolve("engine", 80)
    answers["operator"] = ("10.9.9.8",)
    now += 60
    assert hosts(await resolver.resolve("engine", 80)) == ["10.9.9.9"]
    opened = AddressRules(parse_networks(["10.9.9.8"]))
    assert await Resolver(opened, ["operator"], lookup=lookup).resolve("operator", 80)


async def test_an_address_waits_for_no_name() -> None:
    dns = Dns("10.9.9.9")
    dns.gate.clear()
    resolver = Resolver(AddressRules(), ["operator"], lookup=dns.lookup, clock=lambda: dns.now)
    assert hosts(await resolver.resolve("10.0.0.1", 80)) == ["10.0.0.1"]
    assert hosts(await resolver.resolve("10.9.9.9", 80)) == ["10.9.9.9"]
    dns.gate.set()
    await settle()
    with pytest.raises(AddressRefused):
        await resolver.resolve("10.9.9.9", 80)
    assert dns.questions == 1


async def test_only_allowed_addresses_are_given() -> None:
    dns = Dns("169.254.169.254", "10.0.0.1", "127.0.0.1")
    assert hosts(await dns.resolver().resolve("a", 80)) == ["10.0.0.1"]
    dns.answer = ("127.0.0.1", "::1")
    with pytest.raises(AddressRefused, match=r"a: 127\.0\.0\.1 is a loopback"):
        await dns.resolver().resolve("a", 80)


async def test_answers_are_fresh_for_five_seconds_then_refreshed_behind_the_requests_back() -> None:
    dns = Dns("10.0.0.1")
    resolver = dns.resolver()
    await resolver.resolve("a", 80)
    dns.answer = ("10.0.0.2",)
    dns.now += 4.9
    assert hosts(await resolver.resolve("a", 80)) == ["10.0.0.1"]
    assert dns.questions == 1
    dns.now += 0.2
    assert hosts(await resolver.resolve("a", 80)) == ["10.0.0.1"]
    await settle()
    assert hosts(await resolver.resolve("a", 80)) == ["10.0.0.2"]
    dns.answer = ("10.0.0.3",)
    dns.now += 11
    assert hosts(await resolver.resolve("a", 80)) == ["10.0.0.3"]
    assert dns.questions == 3


async def test_one_question_for_many_and_a_leaver_does_not_end_it() -> None:
    dns = Dns("10.0.0.1")
    dns.gate.clear()
    resolver = dns.resolver()
    askers = [asyncio.ensure_future(resolver.resolve("a", 80)) for _ in range(5)]
    await settle()
    askers[0].cancel()
    await settle()
    dns.gate.set()
    assert [hosts(await asker) for asker in askers[1:]] == [["10.0.0.1"]] * 4
    assert dns.questions == 1


async def test_last_good_answer_serves_while_dns_fails() -> None:
    dns = Dns("10.0.0.1")
    resolver = dns.resolver()
    await resolver.resolve("a", 80)
    dns.answer = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    dns.now += 3600
    assert hosts(await resolver.resolve("a", 80)) == ["10.0.0.1"]
    dns.answer = ("10.0.0.2",)
    dns.now += 11
    assert hosts(await resolver.resolve("a", 80)) == ["10.0.0.2"]


async def test_failure_says_why_and_is_remembered_for_a_second() -> None:
    dns = Dns()
    dns.answer = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    resolver = dns.resolver()
    for _ in range(3):
        with pytest.raises(ResolutionFailed, match="a: Name or service not known"):
            await resolver.resolve("a", 80)
    assert dns.questions == 1
    dns.now += 1.1
    dns.answer = ("10.0.0.1",)
    assert hosts(await resolver.resolve("a", 80)) == ["10.0.0.1"]


async def test_dns_that_never_answers() -> None:
    dns = Dns()
    dns.gate.clear()
    with pytest.raises(ResolutionFailed, match="no answer from DNS"):
        await dns.resolver(timeout=0.01).resolve("a", 80)


async def test_name_that_cannot_be_encoded() -> None:
    with pytest.raises(ResolutionFailed, match="a" * 70):
        await Resolver(AddressRules()).resolve("a" * 70 + ".example", 80)


async def test_forgotten_names_are_asked_again() -> None:
    dns = Dns("10.0.0.1")
    resolver = dns.resolver()
    await resolver.resolve("a", 80)
    resolver.retain(frozenset({"b"}))
    await resolver.resolve("a", 80)
    assert dns.questions == 2


async def test_the_system_knows_localhost() -> None:
    addresses = await Resolver(AddressRules(parse_networks(["127.0.0.0/8", "::1"]))).resolve("localhost", 80)
    assert "127.0.0.1" in hosts(addresses)
