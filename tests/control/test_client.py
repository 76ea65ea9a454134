"""The router's end: it goes on, whatever is wrong at the other."""

import asyncio
from pathlib import Path

import pytest
import trustme
from ends import Connected, Listener

from signalbox.control import client
from signalbox.control.client import Pauses
from waiting import until


@pytest.mark.parametrize(("token", "status"), [("bad", 401), ("foreign", 403)])
async def test_a_token_that_rotates_is_read_again(listener: Listener, tmp_path: Path, token: str, status: int) -> None:
    async with Connected(listener.port, tmp_path, token) as refused:
        await until(lambda: refused.pod.losses)
        assert str(status) in refused.pod.losses[0]
        refused.token.write_text("good")
        await until(lambda: listener.heard.hellos)
        assert listener.heard.hellos[0][0] == "good"


async def test_silence_counts_as_the_end(listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "SILENCE_SECONDS", 0.2)  # shorter than the time between two pings
    async with Connected(listener.port, tmp_path) as impatient:
        await until(lambda: len(listener.heard.hellos) > 1)
        assert impatient.pod.losses[0] == "TimeoutError"


@pytest.mark.parametrize("what", ["nowhere", "no token", "no authority", "another authority", "no TLS"])
async def test_whatever_is_wrong_is_tried_again(listener: Listener, tmp_path: Path, what: str) -> None:
    port, plain = listener.port, None
    if what == "nowhere":
        await listener.close()
    elif what == "another authority":
        (tmp_path / "ca.crt").unlink()
        trustme.CA().cert_pem.write_to_path(tmp_path / "ca.crt")
    elif what == "no authority":
        (tmp_path / "ca.crt").unlink()
    elif what == "no TLS":
        plain = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        port = plain.sockets[0].getsockname()[1]
    failing = Connected(port, tmp_path)
    if what == "no token":
        failing.token.unlink()
    async with failing:
        await until(lambda: len(failing.pod.losses) >= 2)
        assert not failing.task.done()
    if plain is not None:
        plain.close()
    if what == "nowhere":
        await listener.open()


def test_what_ends_at_once_is_tried_ever_more_seldom() -> None:
    pauses = Pauses()
    seconds = [pauses.after(lasted) for lasted in (0.0, 0.1, 0.0, 0.1, 0.1, 0.1, 0.1)]
    assert seconds == sorted(seconds)
    assert seconds[0] < seconds[-1] == client.LONGEST_PAUSE
    assert pauses.after(client.STEADY_SECONDS) == client.FIRST_PAUSE
