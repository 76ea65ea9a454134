"""A scraper that runs."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType

from signalbox.feedback.plan import Scrape
from signalbox.routing.address_rules import AddressRules, parse_networks
from signalbox.signals.scraper import Scraper

LOOPBACK = AddressRules(parse_networks(["127.0.0.0/8", "::1"]))


@asynccontextmanager
async def scraping(
    *targets: Scrape, rules: AddressRules = LOOPBACK, authorities: Mapping[str, bytes] = MappingProxyType({})
) -> AsyncIterator[Scraper]:
    """Until the block ends. ``authorities`` are certificates by the name that a target's ``ca`` has."""
    scraper = Scraper(rules, authorities=lambda target: authorities.get(target.ca or ""))
    scraper.follow(targets)
    run = asyncio.create_task(scraper.run())
    try:
        yield scraper
    finally:
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
