"""Names are resolved beside everything else, and only to what the rules allow."""

import asyncio
import socket
import threading

import pytest

from signalbox.routing.address_rules import AddressRules, parse_networks
from signalbox.signals.addresses import Refused, RuledResolver


async def test_only_allowed_addresses_are_found() -> None:
    closed, opened = (RuledResolver(AddressRules(parse_networks(each))) for each in ([], ["127.0.0.0/8"]))
    with pytest.raises(Refused):
        await closed.resolve("localhost", 80)
    assert [(each["host"], each["port"], each["family"]) for each in await opened.resolve("localhost", 80)] == [
        ("127.0.0.1", 80, socket.AF_INET)
    ]
    for each in (closed, opened):
        await each.close()


async def test_names_that_take_long_keep_no_other_work_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = threading.Event()

    def getaddrinfo(*_: object, **__: object) -> None:
        answer.wait(20.0)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    resolver = RuledResolver(AddressRules(()))
    asked = [asyncio.create_task(resolver.resolve(f"engine-{number}")) for number in range(100)]
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(10.0):
            assert await asyncio.to_thread(lambda: 1) == 1
    finally:
        answer.set()
        assert all(isinstance(each, OSError) for each in await asyncio.gather(*asked, return_exceptions=True))
        await resolver.close()
