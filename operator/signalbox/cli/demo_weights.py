"""The weights in force, as the router's own metrics say them."""

import contextlib

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

WEIGHT = "signalbox_router_route_weight"
ROUTE = "default"


async def weights(session: aiohttp.ClientSession, admin: str) -> dict[str, float]:
    """Of the targets of the route without a condition, 0 to 1; empty while the router does not say."""
    with contextlib.suppress(aiohttp.ClientError, TimeoutError, ValueError):
        async with session.get(f"http://{admin}/metrics") as response:
            families = text_string_to_metric_families(await response.text())
            return {
                sample.labels["target"]: sample.value
                for family in families
                for sample in family.samples
                if sample.name == WEIGHT and sample.labels.get("route") == ROUTE
            }
    return {}
