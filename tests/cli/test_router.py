"""signalbox router as a process: it waits for its files, follows them and ends well."""

import json
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from signalbox.cli.router import api_server
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
    def __init__(self, directory: Path) -> None:
        command = [sys.executable, "-m", "signalbox.cli", "router", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
        command += ["--config-dir", str(directory / "config"), "--secrets-dir", str(directory / "secrets")]
        self.process = subprocess.Popen(
            [*command, "--grace", "0"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
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


def test_it_ends_while_it_waits(router: Process) -> None:
    router.until("waiting")
    assert router.end() == 0


@pytest.mark.parametrize(
    ("host", "denied"), [("10.96.0.1", ("10.96.0.1",)), ("fd00::1", ("fd00::1",)), ("kubernetes.default", ()), ("", ())]
)
def test_the_api_server_is_no_backend(host: str, denied: tuple[str, ...]) -> None:
    assert api_server({"KUBERNETES_SERVICE_HOST": host}) == denied
    assert api_server({}) == ()
