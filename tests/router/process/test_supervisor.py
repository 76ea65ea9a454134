"""The supervisor with real worker processes that serve a stand-in for the proxy."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from signalbox.control.messages import Applied, Lease, Leases
from signalbox.router.options import SupervisorOptions
from signalbox.router.process.supervisor import Supervisor
from signalbox.router.telemetry.snapshot import Snapshot
from signalbox.router.wire.errors import ConfigRejectedError

COMMAND = (sys.executable, str(Path(__file__).with_name("standin_worker.py")))


def options(**changes: object) -> SupervisorOptions:
    fields: dict[str, object] = {"port": 0, "admin_host": "127.0.0.1", "admin_port": 0, "command": COMMAND} | changes
    return SupervisorOptions(**fields)  # type: ignore[arg-type]


@asynccontextmanager
async def running(config: bytes = b"one", **changes: object) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(options(**changes))
    await supervisor.start(config, {})
    try:
        yield supervisor
    finally:
        await supervisor.stop(0, 0)


class Client:
    """A connection to a worker."""

    @classmethod
    async def connect(cls, supervisor: Supervisor) -> "Client":
        client = cls()
        client.reader, client.writer = await asyncio.open_connection("127.0.0.1", supervisor.port)
        return client

    async def ask(self, word: str = "hello") -> tuple[int, str]:
        self.writer.write(word.encode() + b"\n")
        pid, config = (await self.reader.readline()).decode().split()
        return int(pid), config

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


async def admin(supervisor: Supervisor, path: str) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", supervisor.admin_port)
    writer.write(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    return int(answer.split(" ")[1]), answer.partition("\r\n\r\n")[2]


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await condition():
            await asyncio.sleep(0.01)


async def one_of_each(supervisor: Supervisor, workers: int) -> dict[int, Client]:
    """A connection to every worker; the kernel decides which gets one."""
    clients: dict[int, Client] = {}
    async with asyncio.timeout(20):
        while len(clients) < workers:
            client = await Client.connect(supervisor)
            pid, _ = await client.ask()
            if pid in clients:
                await client.close()
            else:
                clients[pid] = client
    return clients


async def test_reload_reaches_every_worker_and_drops_no_connection() -> None:
    async with running(workers=2) as supervisor:
        clients = await one_of_each(supervisor, 2)
        assert {(await client.ask())[1] for client in clients.values()} == {"one"}
        await supervisor.apply(b"two", {"e": b"+secret"})
        assert {(await client.ask())[1] for client in clients.values()} == {"two+secret"}
        for client in clients.values():
            await client.close()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (b"bad", "not good: 1 secrets"),
        (b"crash", "no worker could read it"),
        (b"fault", "internal error: RuntimeError"),
    ],
)
async def test_rejected_configuration_leaves_the_last_good_one(config: bytes, message: str) -> None:
    async with running(workers=2) as supervisor:
        before = supervisor.config_hash
        with pytest.raises(ConfigRejectedError, match=message):
            await supervisor.apply(config, {"e": b"x"})
        assert supervisor.config_hash == before

        async def serving() -> bool:
            return all(worker.state == "serving" for worker in supervisor.statuses)

        await until(serving)
        clients = await one_of_each(supervisor, 2)
        assert {(await client.ask())[1] for client in clients.values()} == {"one"}
        for client in clients.values():
            await client.close()
        assert "changes_total" in (await admin(supervisor, "/metrics"))[1]


async def test_worker_that_does_not_answer_is_replaced_and_the_configuration_rejected() -> None:
    async with running(answer_timeout=4.0) as supervisor:
        with pytest.raises(ConfigRejectedError, match="did not answer"):
            await supervisor.apply(b"hang", {})

        async def serving() -> bool:
            return (await admin(supervisor, "/readyz"))[0] == 200

        await until(serving)
        client = await Client.connect(supervisor)
        assert (await client.ask())[1] == "one"
        await client.close()


async def test_first_configuration_rejected_leaves_nothing_running() -> None:
    supervisor = Supervisor(options())
    with pytest.raises(ConfigRejectedError, match="not good"):
        await supervisor.start(b"bad", {})
    with socket.socket() as free:
        free.bind(("127.0.0.1", supervisor.port))


async def test_port_in_use_is_said() -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"127.0.0.1:{port}: the port is in use"):
            await Supervisor(options(port=port)).start(b"one", {})
        with pytest.raises(OSError, match=r"\(admin\)"):
            await Supervisor(options(admin_port=port)).start(b"one", {})


async def test_dead_worker_is_replaced_and_its_counters_stay() -> None:
    async with running() as supervisor:
        client = await Client.connect(supervisor)
        pid, _ = await client.ask()
        assert requests(await supervisor.snapshot()) == 1
        await supervisor.apply(b"two", {})
        client.writer.write(b"die\n")
        assert await client.reader.read() == b""
        await client.close()

        async def serving() -> bool:
            return supervisor.statuses[0].state == "serving" and (await admin(supervisor, "/readyz"))[0] == 200

        async def down() -> bool:
            return supervisor.statuses[0].state != "serving"

        await until(down)
        assert (await admin(supervisor, "/readyz"))[0] == 503
        assert (await admin(supervisor, "/healthz"))[0] == 200
        await until(serving)
        client = await Client.connect(supervisor)
        successor, config = await client.ask()
        assert (successor != pid, config) == (True, "two")
        assert requests(await supervisor.snapshot()) == 2
        text = (await admin(supervisor, "/metrics"))[1]
        assert "signalbox_router_worker_restarts_total 1.0" in text
        assert "signalbox_router_connections_accepted_total 2.0" in text
        await client.close()


def requests(snapshot: Snapshot) -> int:
    return sum(sum(series.statuses.values()) for series in snapshot.series)


async def test_a_report_that_fails_ends_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    async with running(b"mute_word") as supervisor:
        client = await Client.connect(supervisor)
        pid, _ = await client.ask()
        assert not (await supervisor.snapshot()).series, "the worker was asked, and could not say"
        assert await client.ask() == (pid, "mute_word")
        await supervisor.apply(b"fine", {})
        assert requests(await supervisor.snapshot()) == 2
        assert await client.ask() == (pid, "fine")
        await client.close()
    said = capfd.readouterr().err
    assert "cannot report" in said
    assert "mute_word" not in said


async def test_stop_lets_requests_finish_and_readiness_fail_first() -> None:
    supervisor = Supervisor(options())
    await supervisor.start(b"one", {})
    busy, idle = await Client.connect(supervisor), await Client.connect(supervisor)
    await busy.ask()
    await idle.ask()
    busy.writer.write(b"wait\n")
    await busy.writer.drain()
    stopping = asyncio.ensure_future(supervisor.stop(0, 20))

    async def unready() -> bool:
        return (await admin(supervisor, "/readyz"))[0] == 503

    await until(unready)
    assert await idle.reader.read() == b""
    assert (await busy.ask())[1] == "one"
    assert await busy.reader.read() == b""
    await stopping
    assert [worker.state for worker in supervisor.statuses] == ["down"]
    await busy.close()
    await idle.close()


async def test_port_is_free_again_at_once() -> None:
    async with running() as supervisor:
        client = await Client.connect(supervisor)
        await client.ask()
        port = supervisor.port
    async with running(port=port) as supervisor:
        assert await client.reader.read() == b""
        await client.close()
        client = await Client.connect(supervisor)
        assert (await client.ask())[1] == "one"
        await client.close()


async def test_drain_time_out_cuts_what_still_runs() -> None:
    supervisor = Supervisor(options())
    await supervisor.start(b"one", {})
    client = await Client.connect(supervisor)
    await client.ask()
    client.writer.write(b"wait\n")
    await supervisor.stop(0, 0.05)
    assert await client.reader.read() == b""
    await client.close()


async def test_workers_do_not_outlive_the_supervisor(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import asyncio\n"
        "from signalbox.router.options import SupervisorOptions\n"
        "from signalbox.router.process.supervisor import Supervisor\n"
        "async def main():\n"
        f"    supervisor = Supervisor(SupervisorOptions(port=0, command={COMMAND!r}))\n"
        "    await supervisor.start(b'one', {})\n"
        "    print(supervisor.port, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, str(script), stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    port = int(await parent.stdout.readline())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"hello\n")
    pid = int((await reader.readline()).split()[0])
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()

    async def gone() -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]

    await until(gone)
    parent._transport.close()  # type: ignore[attr-defined]


async def test_access_log_and_environment_of_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALBOX_SECRET_KEY_TOKEN", "hidden")
    log = tmp_path / "access.log"
    async with running(access_log=str(log)) as supervisor:
        client = await Client.connect(supervisor)
        pid, _ = await client.ask("my-id")
        assert b"hidden" not in Path(f"/proc/{pid}/environ").read_bytes()
        await client.close()
    assert '"id":"my-id"' in log.read_text()


async def test_gauges_memory_and_unknown_paths() -> None:
    async with running() as supervisor:
        client = await Client.connect(supervisor)
        await client.ask()
        status, text = await admin(supervisor, "/metrics")
        assert status == 200
        assert 'signalbox_router_in_flight{backend="b"} 1.0' in text
        assert 'signalbox_router_worker_state{state="serving",worker="0"} 1.0' in text
        assert f'config_hash="{supervisor.config_hash}"' in text
        assert (await admin(supervisor, "/nothing"))[0] == 404
        assert supervisor.statuses[0].memory > 1 << 20
        await client.close()


async def test_leases_reach_every_worker_and_those_that_come_later() -> None:
    leases = Leases(backends={"a": Lease(requests_per_minute=5)})
    expected = {"a": Applied(lease=Lease(requests_per_minute=5), most=Lease(requests_per_minute=5))}
    async with running(workers=2) as supervisor:
        assert supervisor.leases == {}
        supervisor.lease(leases)

        async def applied() -> bool:
            return supervisor.leases == expected

        async def not_applied() -> bool:
            return supervisor.leases != expected

        await until(applied)
        client = await Client.connect(supervisor)
        pid, _ = await client.ask()
        os.kill(pid, signal.SIGKILL)
        await until(not_applied)
        await until(applied)
        await client.close()


async def test_what_a_worker_had_spent_when_it_died_counts_for_its_successor() -> None:
    amount = Lease(requests_per_minute=5)
    async with running(workers=1) as supervisor:
        supervisor.lease(Leases(backends={"a": amount}))

        async def spent() -> bool:
            return supervisor.leases == {"a": Applied(lease=amount, most=amount, spent=amount)}

        async def gone() -> bool:
            return not supervisor.leases

        client = await Client.connect(supervisor)
        pid, _ = await client.ask("spend")
        await until(spent)
        os.kill(pid, signal.SIGKILL)
        await until(gone)
        await until(spent)
        await client.close()
