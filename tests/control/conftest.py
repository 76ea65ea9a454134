"""Both ends of the stream, for any test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme
from ends import Connected, Listener


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "ca.crt")
    return made


@pytest.fixture
async def listener(authority: trustme.CA) -> AsyncIterator[Listener]:
    made = Listener(authority)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def router(listener: Listener, tmp_path: Path) -> AsyncIterator[Connected]:
    async with Connected(listener.port, tmp_path) as made:
        yield made
