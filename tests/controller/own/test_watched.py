"""Hearing of one object's changes, whenever they come."""

import asyncio
from typing import cast

import pytest

from signalbox.controller.own.watched import Own
from signalbox.controller.watching.listings import Listings
from signalbox.kube.client import Client
from signalbox.kube.resources import SECRETS


@pytest.fixture
def own() -> Own:
    return Own(cast("Client", None), SECRETS, "n", "tls", cast("Listings", None))


async def test_a_change_while_nobody_waits_is_heard_of(own: Own) -> None:
    seen = own.changes
    own.changed(SECRETS, "MODIFIED", {"kind": "Secret"})
    waiting = asyncio.create_task(own.news(seen))
    for _ in range(3):
        await asyncio.sleep(0)
    assert waiting.done(), "it has changed since"


async def test_without_a_change_it_waits(own: Own) -> None:
    waiting = asyncio.create_task(own.news(own.changes))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not waiting.done()
    own.replaced(SECRETS, None, [], "1")
    await waiting
    assert own.live is None


async def test_it_waits_so_long_and_no_longer(own: Own) -> None:
    await own.news(own.changes, 0.0)
    assert own.changes == 0
