"""A stage for every strategy."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from stage import Stage

from harness import StartRouter


@pytest.fixture
async def stage(tmp_path: Path, start_router: StartRouter) -> AsyncIterator[Stage]:
    """``await stage.engine(name, rule, …)``, ``await stage.open(policy)``, ``await stage.ask(text, stream=True)``."""
    (tmp_path / "policies").mkdir()
    made = Stage(tmp_path / "policies", start_router)
    yield made
    await made.close()
