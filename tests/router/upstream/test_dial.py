"""Where connections go, whatever a name resolves to by now."""

import asyncio
import ssl
from collections.abc import Iterator

import pytest

from harness import Upstream
from signalbox.router.upstream.dial import Dialer, Proxies
from signalbox.router.upstream.resolver import Lookup, Resolver
from signalbox.routing.address_rules import AddressRefused, AddressRules, parse_networks
from signalbox.routing.config import Address

OPEN = AddressRules(parse_networks(["127.0.0.1/32"]))


def changing(answers: Iterator[str]) -> Lookup:
    async def lookup(host: str, port: int) -> tuple[str, ...]:
        return (next(answers),)

    return lookup


@pytest.mark.parametrize(
    "closed", ["127.0.0.2", "169.254.169.254", "::1", "::ffff:169.254.169.254", "0.0.0.0", "fe80::1"]
)
async def test_a_name_that_turns_to_a_closed_address_leads_nowhere(upstream: Upstream, closed: str) -> None:
    resolver = Resolver(OPEN, ttl=0.0, lookup=changing(iter(("127.0.0.1", closed))))
    dialer = Dialer(OPEN, Proxies({}), resolver)
    address = Address(host="rebinds.test", port=upstream.address.port)
    connection = await dialer.connect(address, None, None)
    assert connection.transport.get_extra_info("peername")[0] == "127.0.0.1"
    connection.transport.close()
    with pytest.raises(AddressRefused):
        await dialer.connect(address, None, None)


async def test_the_address_that_was_checked_is_the_one_that_is_connected_to(upstream: Upstream) -> None:
    """A second question to DNS could have another answer."""
    asked = []

    async def lookup(host: str, port: int) -> tuple[str, ...]:
        asked.append(host)
        return ("127.0.0.1",)

    dialer = Dialer(OPEN, Proxies({}), Resolver(OPEN, lookup=lookup))
    for _ in range(3):
        connection = await dialer.connect(Address(host="name.test", port=upstream.address.port), None, None)
        connection.transport.close()
    assert asked == ["name.test"]


@pytest.mark.parametrize("closed", ["169.254.169.254", "127.0.0.1", "::1"])
async def test_no_proxy_is_asked_for_a_closed_address(closed: str) -> None:
    asked = asyncio.Event()
    server = await asyncio.start_server(lambda *_: asked.set(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    dialer = Dialer(AddressRules(), Proxies({"HTTPS_PROXY": f"http://127.0.0.1:{port}"}))
    with pytest.raises(AddressRefused):
        await dialer.connect(Address(host=closed, port=443), ssl.create_default_context(), "x.test")
    assert not asked.is_set()
    server.close()
