"""signalbox router as a process: it waits for its files, follows them and ends well."""

import json
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trustme

from signalbox.cli.router import api_server
from signalbox.router.process.forked import NAME, POSSIBLE
from signalbox.routing.config import (
    FORMAT_VERSION,
    Access,
    Address,
    Backend,
    Policy,
    Route,
    RouterConfig,
    Share,
    Target,
    Tenant,
    Weighted,
    encode,
)

SECONDS = 30.0


def config(model: str) -> bytes:
    return encode(
        RouterConfig(
            format_version=FORMAT_VERSION,
            name="r",
            policies=(
                Policy(
                    name="p",
                    models=(model,),
                    access=Access(anonymous=True, tenants=(Tenant(name="t", keys=("keys",)),)),
                    targets=(Target(name="a", backend="a"),),
                    routes=(Route(name="all", strategy=Weighted(targets=(Share(target="a"),))),),
                ),
            ),
            backends=(Backend(name="a", model="m", authority="a", endpoints=(Address(host="10.0.0.1", port=1),)),),
        )
    )


class Process:
    def __init__(self, directory: Path, *more: str) -> None:
        command = [sys.executable, "-m", "signalbox.cli", "router", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
        command += ["--config-dir", str(directory / "config"), "--secrets-dir", str(directory / "secrets")]
        self.process = subprocess.Popen(
            [*command, *more, "--grace", "0"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        self.said = ""
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._listen)
        self._reader.start()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                with self._news:
                    self.said += line
                    self._news.notify_all()

    def until(self, pattern: str) -> "re.Match[str]":
        with self._news:
            assert self._news.wait_for(lambda: re.search(pattern, self.said), SECONDS), self.said
        found = re.search(pattern, self.said)
        assert found is not None
        return found

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        return code


@pytest.fixture
def router(tmp_path: Path) -> Iterator[Process]:
    (tmp_path / "config").mkdir()
    (tmp_path / "secrets").mkdir()
    process = Process(tmp_path)
    yield process
    if process.process.poll() is None:
        process.process.kill()
        process.process.wait()


def models(port: str) -> list[str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=SECONDS) as answer:
        return [card["id"] for card in json.load(answer)["data"]]


def test_it_waits_serves_follows_and_ends_well(router: Process, tmp_path: Path) -> None:
    router.until(r"waiting: .*config\.json is not there")
    (tmp_path / "config" / "config.json").write_bytes(config("one"))
    router.until(r"waits for: keys")
    (tmp_path / "secrets" / "keys").write_bytes(b"0" * 64)
    port = router.until(r"serving on port (\d+), admin on port (\d+)")
    assert models(port[1]) == ["one"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port[2]}/readyz", timeout=SECONDS) as answer:
        assert answer.status == 200

    (tmp_path / "config" / "config.json").write_bytes(b"{}")
    router.until("rejected, the one before goes on serving: .*required field")
    (tmp_path / "secrets" / "keys").write_bytes(b"no digest")
    (tmp_path / "config" / "config.json").write_bytes(config("two"))
    router.until("rejected, the one before goes on serving: .*not a SHA-256")
    assert models(port[1]) == ["one"]
    (tmp_path / "secrets" / "keys").write_bytes(b"1" * 64)
    router.until(r"configuration \w+ is in force")
    assert models(port[1]) == ["two"]
    assert router.end() == 0


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.skipif(not POSSIBLE, reason="only Linux tells a loop that a process has ended")
def test_workers_are_forked_and_replaced_by_programs_of_their_own(tmp_path: Path) -> None:
    for name in ("config", "secrets"):
        (tmp_path / name).mkdir()
    (tmp_path / "config" / "config.json").write_bytes(config("one"))
    (tmp_path / "secrets" / "keys").write_bytes(b"0" * 64)
    router = Process(tmp_path, "--workers", "2")
    try:
        port = router.until(r"serving on port (\d+), admin on port (\d+)")
        first = children(router.process.pid)
        assert [Path(f"/proc/{pid}/comm").read_text().strip() for pid in first] == [NAME, NAME]
        assert models(port[1]) == ["one"]
        os.kill(first[0], signal.SIGKILL)
        router.until(rf"worker 0 \({first[0]}\) ended: signal SIGKILL")
        assert until_ready(port[2])
        assert first[1] in children(router.process.pid)
        (other,) = set(children(router.process.pid)) - set(first)
        assert b"signalbox.router" in Path(f"/proc/{other}/cmdline").read_bytes()
        assert models(port[1]) == ["one"]
        left = children(router.process.pid)
    finally:
        assert router.end() == 0
    assert not [pid for pid in left if Path(f"/proc/{pid}").exists()]


def until_ready(port: str) -> bool:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=SECONDS):
                return True
        except urllib.error.HTTPError:
            time.sleep(0.02)
    return False


def test_https_for_clients_and_plain_probes(tmp_path: Path) -> None:
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    issued = authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA)
    for directory in ("config", "secrets", "tls"):
        (tmp_path / directory).mkdir()
    (tmp_path / "tls" / "tls.crt").write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    (tmp_path / "tls" / "tls.key").write_bytes(issued.private_key_pem.bytes())
    (tmp_path / "secrets" / "keys").write_bytes(b"0" * 64)
    (tmp_path / "config" / "config.json").write_bytes(config("one"))
    router = Process(tmp_path, "--tls-dir", str(tmp_path / "tls"))
    try:
        port = router.until(r"serving on port (\d+), admin on port (\d+)")
        context = ssl.create_default_context()
        authority.configure_trust(context)
        with httpx.Client(verify=context, base_url=f"https://127.0.0.1:{port[1]}") as client:
            assert [card["id"] for card in client.get("/v1/models").json()["data"]] == ["one"]
            # Refused before its body was read: the answer must arrive all the same.
            refused = client.post("/v1/nothing", content=b"x" * (1 << 20))
            assert refused.status_code == 404
            assert [card["id"] for card in client.get("/v1/models").json()["data"]] == ["one"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port[2]}/readyz", timeout=SECONDS) as answer:
            assert answer.status == 200
        assert router.end() == 0
    finally:
        if router.process.poll() is None:
            router.process.kill()
            router.process.wait()


def test_it_ends_while_it_waits(router: Process) -> None:
    router.until("waiting")
    assert router.end() == 0


@pytest.mark.parametrize(
    ("host", "denied"), [("10.96.0.1", ("10.96.0.1",)), ("fd00::1", ("fd00::1",)), ("kubernetes.default", ()), ("", ())]
)
def test_the_api_server_is_no_backend(host: str, denied: tuple[str, ...]) -> None:
    assert api_server({"KUBERNETES_SERVICE_HOST": host}) == denied
    assert api_server({}) == ()
