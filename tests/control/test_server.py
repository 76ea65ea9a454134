"""The operator's end: what it takes from whom, and whom it cuts off."""

import asyncio
import time
from contextlib import suppress
from pathlib import Path

import pytest
from ends import ROUTER, Connected, Listener, raw

from signalbox.control import server
from signalbox.control.messages import Hello, Report, Traffic, line
from waiting import until


@pytest.mark.parametrize(
    "lines",
    [
        (b"nonsense\n",),
        tuple(b"x" * 65536 for _ in range(5)),
        (line(Report()) * round(server.BURST + 20),),
        (b"\n" * round(server.BURST + 20),),
        (b'{"type":"song"}\n' * round(server.BURST + 20),),
    ],
    ids=["nonsense", "endless", "too fast", "nothing too fast", "unknown too fast"],
)
async def test_who_floods_is_cut_off(listener: Listener, tmp_path: Path, lines: tuple[bytes, ...]) -> None:
    answer = await raw(listener, tmp_path, *lines)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"0\r\n\r\n")
    assert listener.heard.ends == ["a"]
    assert listener.server.streams == 0


async def test_who_says_too_much_is_cut_off(listener: Listener, tmp_path: Path) -> None:
    song = b'{"type":"song","verse":"%b"}\n' % (b"x" * 250_000)
    with suppress(ConnectionError):  # the rest of it is not even read
        await raw(listener, tmp_path, *([song] * 8))
    await until(lambda: listener.heard.ends == ["a"])


async def test_what_is_said_is_not_taken_as_it_is(listener: Listener, tmp_path: Path) -> None:
    listener.hub.publish(ROUTER, "h1", b"{}", [], [], ["x"])
    x = {"x": Traffic(known=1)}
    said = Report(config_hash="y" * 1000, backends={**x, "another's": Traffic(known=1, usable=1)})
    speaking = asyncio.create_task(raw(listener, tmp_path, line(Hello(format_version=1, config_hash="y")), line(said)))
    await until(lambda: listener.heard.reports)
    assert listener.heard.hellos == [("a", Hello(format_version=1))]
    assert listener.heard.reports == [("a", Report(backends=x))]
    speaking.cancel()
    await asyncio.gather(speaking, return_exceptions=True)


async def test_who_says_nothing_is_cut_off(listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "SILENCE_SECONDS", 0.1)
    assert (await raw(listener, tmp_path)).endswith(b"0\r\n\r\n")


async def test_one_address_keeps_nobody_else_out(listener: Listener, tmp_path: Path) -> None:
    """Whoever can open a port may send tokens that take the API server long."""
    crowd = [asyncio.create_task(raw(listener, tmp_path, token="slow")) for _ in range(2 * server.REVIEWS)]
    await until(lambda: listener.known.slow >= server.REVIEWS_OF_ONE)
    nonsense = await raw(listener, tmp_path, token="nonsense")
    assert nonsense.startswith(b"HTTP/1.1 401")
    welcome = asyncio.create_task(raw(listener, tmp_path, line(Hello(format_version=1)), at="127.0.0.2"))
    await until(lambda: listener.heard.hellos)
    assert listener.known.slowest == server.REVIEWS_OF_ONE
    for task in (*crowd, welcome):
        task.cancel()
    await asyncio.gather(*crowd, welcome, return_exceptions=True)


async def test_a_token_that_has_expired_here_is_refused(listener: Listener, tmp_path: Path) -> None:
    """And not accepted to be ended at once, though the API server's clock may be another one."""
    listener.known.expires = time.time() - 1
    async with Connected(listener.port, tmp_path) as late:
        await until(lambda: late.pod.losses)
        assert "401" in late.pod.losses[0]
