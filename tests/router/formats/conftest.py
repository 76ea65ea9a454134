"""A stage for clients and engines that speak different APIs."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anthropic
import pytest
from stage import Claude, Stage

from harness import PATIENCE, StartRouter


@pytest.fixture
async def stage(tmp_path: Path, start_router: StartRouter) -> AsyncIterator[Stage]:
    """As that of the strategies."""
    (tmp_path / "policies").mkdir()
    made = Stage(tmp_path / "policies", start_router)
    yield made
    await made.close()


@pytest.fixture
async def claude(stage: Stage) -> AsyncIterator[Claude]:
    """``claude()`` is the official client of Anthropic's API, at the router of the stage."""
    clients: list[anthropic.AsyncAnthropic] = []

    def make(key: str = "none", **options: Any) -> anthropic.AsyncAnthropic:
        client = anthropic.AsyncAnthropic(
            base_url=stage.url, api_key=key, **{"max_retries": 0, "timeout": PATIENCE, **options}
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.close()
