"""A router with room for few bodies, and one of those that are many there."""

import msgspec

from harness import CHAT, Router, StartRouter, Upstream, backend, chat, config, policy, request

LARGE = msgspec.json.encode(chat(text="x" * 70_000))
BEGUN = request("POST", CHAT, f"content-length: {len(LARGE)}")


async def roomy(start_router: StartRouter, upstream: Upstream) -> Router:
    """Room for one body of 70 kB, beside small ones."""
    target = backend(upstream)
    return await start_router(config(policy(target), target), max_bodies_bytes=120_000)
