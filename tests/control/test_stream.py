"""Both ends of the stream together."""

from pathlib import Path

import trustme
from ends import HASH, ROUTER, Connected, Listener

from signalbox.control.messages import (
    MAX_WAYS,
    Config,
    Lease,
    Leases,
    Load,
    Ping,
    Report,
    Revoked,
    Sent,
    Weights,
    line,
)
from waiting import until


async def test_both_sides_talk_on_one_request(listener: Listener, router: Connected) -> None:
    await until(lambda: listener.heard.reports)
    listener.hub.publish(ROUTER, "h1", b'{"x":1}', ["a" * 64], [])
    await until(lambda: router.pod.configs() == ["h1"])
    revoked, config = [m for m in router.pod.messages if not isinstance(m, Ping)]
    assert isinstance(revoked, Revoked)
    assert revoked.digests == ("a" * 64,)
    assert isinstance(config, Config)
    assert bytes(config.config) == b'{"x":1}'
    router.pod.hash = HASH
    router.client.changed()
    await until(lambda: ("a", Report(config_hash=HASH)) in listener.heard.reports)
    listener.hub.publish(ROUTER, "h1", b'{"x":1}', [], ["a" * 64])
    await until(lambda: router.pod.messages[-1] == Revoked() or router.pod.messages[-2] == Revoked())
    assert router.pod.configs() == ["h1"]
    assert len(listener.heard.hellos) == 1


async def test_weights_are_told_as_they_are_when_they_leave(listener: Listener, router: Connected) -> None:
    await until(lambda: listener.heard.reports)
    made: list[int] = []

    def weights(number: int) -> bytes:
        made.append(number)
        return line(Weights(loads={"a": Load(age_ms=number)}))

    for number in range(3):
        listener.hub.steer(ROUTER, lambda number=number: weights(number))  # type: ignore[misc]
    await until(lambda: Weights(loads={"a": Load(age_ms=2)}) in router.pod.messages)
    assert made == [2]  # what is past is never made
    parts = Leases(backends={"a": Lease(in_flight=3)})
    listener.hub.lease(ROUTER, {"uid-a": line(parts), "uid-b": line(Leases())})
    await until(lambda: parts in router.pod.messages)
    assert Leases() not in router.pod.messages


async def test_who_connects_later_gets_the_newest_only(listener: Listener, tmp_path: Path) -> None:
    for name in ("h1", "h2"):
        listener.hub.publish(ROUTER, name, b"{}", [], [])
    async with Connected(listener.port, tmp_path) as late:
        await until(lambda: late.pod.configs() == ["h2"])


async def test_it_comes_back_when_the_operator_does(listener: Listener, router: Connected) -> None:
    await until(lambda: listener.heard.hellos)
    await listener.close()
    await until(lambda: len(router.pod.losses) > 1)  # the end, and one that found nobody
    listener.hub.publish(ROUTER, "h2", b"{}", [], [])
    await listener.open()
    await until(lambda: router.pod.configs() == ["h2"])
    await until(lambda: len(listener.heard.hellos) == 2)


async def test_only_the_leader_serves(listener: Listener, router: Connected) -> None:
    await until(lambda: listener.heard.hellos)
    listener.server.end()
    await until(lambda: any("503" in loss for loss in router.pod.losses))
    listener.server.begin()
    await until(lambda: len(listener.heard.hellos) == 2)


async def test_a_stream_ends_with_its_token(listener: Listener, router: Connected) -> None:
    await until(lambda: listener.heard.hellos)
    listener.ahead = listener.known.expires
    await until(lambda: listener.heard.ends and router.pod.losses)
    assert router.pod.losses[0] == "the operator ended the stream"


async def test_a_stream_ends_with_its_pod(listener: Listener, router: Connected) -> None:
    await until(lambda: listener.heard.hellos)
    listener.known.gone.add("a")
    await until(lambda: listener.heard.ends == ["a"])
    await until(lambda: any("403" in loss for loss in router.pod.losses))


async def test_a_stream_is_looked_at_as_soon_as_somebody_says_so(authority: trustme.CA, tmp_path: Path) -> None:
    listener = Listener(authority, look=3600.0)
    await listener.open()
    try:
        async with Connected(listener.port, tmp_path):
            await until(lambda: listener.heard.reports)
            listener.server.look_again("uid-a")
            listener.server.look_again("uid-nobody")
            reports = len(listener.heard.reports)
            await until(lambda: len(listener.heard.reports) > reports)
            assert not listener.heard.ends  # the pod is there, whatever was said of it
            listener.known.gone.add("a")
            listener.server.look_again("uid-a")
            await until(lambda: listener.heard.ends == ["a"])
    finally:
        await listener.close()


async def test_a_pod_has_one_stream(listener: Listener, router: Connected, tmp_path: Path) -> None:
    await until(lambda: listener.heard.hellos)
    async with Connected(listener.port, tmp_path):
        await until(lambda: router.pod.losses)


async def test_a_report_that_is_too_long_ends_nothing(listener: Listener, router: Connected) -> None:
    await until(lambda: listener.heard.reports)
    router.pod.ways = {f"{'x' * 600}-{number}": {"r": {"t": Sent(requests=1)}} for number in range(MAX_WAYS)}
    router.pod.hash = HASH
    await until(lambda: ("a", Report(config_hash=HASH)) in listener.heard.reports)
    assert not listener.heard.ends
