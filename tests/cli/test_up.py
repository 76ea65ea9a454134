"""signalbox up as a process: it says what it serves, follows the files and ends well."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from queries import lines, scored

BACKEND = """apiVersion: signalbox.dev/v1alpha1
kind: ModelBackend
metadata: {name: a}
spec: {model: m, serviceRef: {name: a, port: http}}
"""
POLICY = """apiVersion: signalbox.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: %(name)s}
spec:
  models: [%(model)s]
  access: {anonymous: {}}
  targets: [{name: a, backendRef: {name: a}}]
  routes:
  - name: some
    when: query.chars > 1
    weighted: {targets: [{name: a}]}
  - name: all
    weighted: {targets: [{name: a}]}
"""
SECONDS = 30.0


class Up:
    """The process, and what it has said so far."""

    def __init__(self, path: Path, *arguments: str, **variables: str) -> None:
        ports = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
        command = [sys.executable, "-m", "signalbox.cli", "up", "-f", str(path), *ports, *arguments]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **variables},
            start_new_session=True,
        )
        self.said = ""
        self.log: list[str] = []
        self._news = threading.Condition()
        self._readers = [threading.Thread(target=self._listen), threading.Thread(target=self._collect)]
        for reader in self._readers:
            reader.start()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._news:
                self.said += line
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def _collect(self) -> None:
        assert self.process.stdout is not None
        self.log += list(self.process.stdout)

    def until(self, pattern: str) -> "re.Match[str]":
        """Wait until it has said something."""
        with self._news:
            assert self._news.wait_for(lambda: re.search(pattern, self.said), SECONDS), self.said
        found = re.search(pattern, self.said)
        assert found is not None
        return found

    def forget(self) -> None:
        """Wait for what is new from here on."""
        with self._news:
            self.said = ""

    def end(self) -> int:
        """The exit code; a process that still runs is killed."""
        try:
            return self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            return self.process.wait()
        finally:
            for reader in self._readers:
                reader.join(SECONDS)
            for pipe in (self.process.stdout, self.process.stderr):
                assert pipe is not None
                pipe.close()


@pytest.fixture
def engine() -> Iterator[str]:
    """A simulated engine in a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [sys.executable, "-m", "signalbox.cli", "sim", "--listen", address, "--model", "m"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield address
        process.terminate()


def read(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=SECONDS) as answer:
        return json.load(answer)


def ask(url: str, body: Mapping[str, Any], key: str = "") -> tuple[int, Mapping[str, str], Any]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    request = urllib.request.Request(f"{url}/v1/chat/completions", json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return answer.status, answer.headers, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, json.load(error)


def hello(model: str) -> dict[str, Any]:
    return {"model": model, "max_tokens": 2, "messages": [{"role": "user", "content": "Hello"}]}


def test_it_serves_follows_edits_and_ends_well(tmp_path: Path, engine: str) -> None:
    policy = tmp_path / "policy.yaml"
    (tmp_path / "backend.yaml").write_text(BACKEND)
    policy.write_text(POLICY % {"name": "chat", "model": "auto"})
    up = Up(tmp_path, "--endpoint", f"a={engine}")
    try:
        url = up.until(r"(http://\S+) +OpenAI API")[1]
        assert "models auto; open to everybody" in up.until(r"Try:\n.*\n.*content.*\n").string
        status, headers, _ = ask(url, hello("auto"))
        assert (status, headers["x-signalbox-route"], headers["x-signalbox-target"]) == (200, "some", "a")

        policy.write_text(policy.read_text().replace("query.chars", "query.char"))
        up.until(rf"{policy}:10: spec.routes\[0\].when: query has no field 'char'\n.*\n +\^\n")
        up.until("in their last good form: chat")
        assert ask(url, hello("auto"))[0] == 200

        policy.write_text(policy.read_text().replace("query.char ", "query.words ").replace("auto", "new"))
        up.until("nothing is wrong any more")
        up.until("is in force")
        assert ask(url, hello("auto"))[0] == 404
        assert ask(url, hello("new"))[1]["x-signalbox-route"] == "all"
    finally:
        up.process.send_signal(signal.SIGTERM)
        code = up.end()
    assert code == 0, up.said
    served = [entry for line in up.log if (entry := json.loads(line))["status"] == 200]
    assert [(entry["route"], entry["target"]) for entry in served] == [("some", "a"), ("some", "a"), ("all", "a")]


def test_keys_come_from_the_environment_and_are_never_shown(tmp_path: Path, engine: str) -> None:
    access = "{tenants: [{name: team, keysFrom: [{secretRef: {name: team-keys}}]}]}"
    text = BACKEND + "---\n" + POLICY % {"name": "chat", "model": "auto"}
    (tmp_path / "all.yaml").write_text(text.replace("{anonymous: {}}", access))
    key = "the-key-of-the-team-42"
    up = Up(tmp_path, "--endpoint", f"a={engine}", SIGNALBOX_SECRET_TEAM_KEYS_K=key)
    try:
        url = up.until(r"(http://\S+) +OpenAI API")[1]
        up.until(r"KEY is a key of tenant team: any value of Secret team-keys")
        assert ask(url, hello("auto"))[0] == 401
        assert ask(url, hello("auto"), key)[0] == 200
    finally:
        up.process.send_signal(signal.SIGINT)
        code = up.end()
    assert code == 0, up.said
    assert key not in up.said + "".join(up.log)


def test_a_missing_endpoint_names_the_flag(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(BACKEND + "---\n" + POLICY % {"name": "chat", "model": "auto"})
    up = Up(tmp_path)
    assert up.end() == 1
    assert f"{tmp_path}/all.yaml:4: spec.serviceRef.name: Service a has no endpoints here" in up.said
    assert "--endpoint a=HOST:PORT" in up.said


def test_what_can_serve_does_whatever_else_is_wrong(tmp_path: Path, engine: str) -> None:
    (tmp_path / "a.yaml").write_text(BACKEND + "---\n" + POLICY % {"name": "good", "model": "good"})
    (tmp_path / "b.yaml").write_text((POLICY % {"name": "bad", "model": "bad"}).replace("query.chars", "query.char"))
    up = Up(tmp_path, "--endpoint", f"a={engine}")
    try:
        up.until(r"query has no field 'char'")
        url = up.until(r"(http://\S+) +OpenAI API")[1]
        assert ask(url, hello("good"))[0] == 200
        assert ask(url, hello("bad"))[0] == 404
    finally:
        up.process.send_signal(signal.SIGTERM)
        code = up.end()
    assert code == 0, up.said


def test_an_unusable_variable_is_named(tmp_path: Path, engine: str) -> None:
    access = "{tenants: [{name: team, keysFrom: [{secretRef: {name: team-keys}}]}]}"
    text = BACKEND + "---\n" + POLICY % {"name": "chat", "model": "auto"}
    (tmp_path / "all.yaml").write_text(text.replace("{anonymous: {}}", access))
    up = Up(tmp_path, "--endpoint", f"a={engine}", SIGNALBOX_SECRET_TEAM_KEYS_K="short")
    try:
        up.until(r"at least 16 \(Secret team-keys, from the variable SIGNALBOX_SECRET_TEAM_KEYS_K\)")
    finally:
        up.process.send_signal(signal.SIGTERM)
        up.end()


def test_nothing_that_can_serve_is_no_start(tmp_path: Path) -> None:
    policy = POLICY % {"name": "p", "model": "m"}
    (tmp_path / "p.yaml").write_text(policy)
    up = Up(tmp_path)
    assert up.end() == 1
    assert "ModelBackend a does not exist" in up.said
    assert "nothing is served" in up.said


def test_two_routers_with_one_model_need_a_choice(tmp_path: Path) -> None:
    policies = "---\n".join(POLICY % {"name": name, "model": "auto"} for name in ("one", "two"))
    (tmp_path / "all.yaml").write_text(BACKEND + "---\n" + policies)
    up = Up(tmp_path, "--endpoint", "a=127.0.0.1:9")
    assert up.end() == 1
    assert "choose with --policy one or --policy two" in up.said


def test_the_live_page_is_on_the_first_screen_and_shows_the_policy(tmp_path: Path, engine: str) -> None:
    (tmp_path / "all.yaml").write_text(BACKEND + "---\n" + POLICY % {"name": "p", "model": "m"})
    up = Up(tmp_path, "--endpoint", f"a={engine}", "--page", "127.0.0.1:0")
    try:
        url = up.until(r"(http://127\.0\.0\.1:\d+) +the live page")[1]
        deadline = time.monotonic() + SECONDS
        while (view := read(f"{url}/view")["view"]) is None:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert [policy["name"] for policy in view["policies"]] == ["p"]
    finally:
        up.process.send_signal(signal.SIGTERM)
        assert up.end() == 0


def test_where_nobody_said_a_port_the_page_takes_any_that_is_free(tmp_path: Path, engine: str) -> None:
    (tmp_path / "all.yaml").write_text(BACKEND + "---\n" + POLICY % {"name": "p", "model": "m"})
    both = [Up(tmp_path, "--endpoint", f"a={engine}") for _ in range(2)]
    try:
        urls = {up.until(r"(http://127\.0\.0\.1:\d+) +the live page")[1] for up in both}
        assert len(urls) == 2
    finally:
        for up in both:
            up.process.send_signal(signal.SIGTERM)
            assert up.end() == 0


def test_without_the_page_there_is_none(tmp_path: Path, engine: str) -> None:
    (tmp_path / "all.yaml").write_text(BACKEND + "---\n" + POLICY % {"name": "p", "model": "m"})
    up = Up(tmp_path, "--endpoint", f"a={engine}", "--page", "none")
    up.until("Try:")
    up.process.send_signal(signal.SIGTERM)
    assert up.end() == 0
    assert "live page" not in up.said


@pytest.mark.parametrize("option", ["--listen", "--admin", "--page"])
def test_a_port_in_use_is_said(tmp_path: Path, option: str) -> None:
    (tmp_path / "all.yaml").write_text(BACKEND + "---\n" + POLICY % {"name": "chat", "model": "auto"})
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        up = Up(tmp_path, "--endpoint", "a=127.0.0.1:9", option, f"127.0.0.1:{port}")
        assert up.end() == 1
    named = {"--listen": "", "--admin": " (admin)", "--page": " (--page)"}[option]
    assert f"cannot listen on 127.0.0.1:{port}{named}: " in up.said
    assert "in use" in up.said
    assert "Traceback" not in up.said


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--endpoint", "a"], 2, "is not NAME=HOST:PORT"),
        (["--listen", "nowhere"], 2, "is not HOST:PORT"),
        (["--allow-cidr", "10.0.0.1/8"], 2, "write a network"),
        (["--page", "0.0.0.0:8090"], 2, "for this machine only, write 127.0.0.1:8090"),
        (["--endpoint", "b=127.0.0.1:1"], 1, "no such ModelBackend; there is a"),
        (["--policy", "other"], 1, "no such RoutingPolicy; there is chat"),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: list[str], code: int, message: str) -> None:
    (tmp_path / "all.yaml").write_text(BACKEND + "---\n" + POLICY % {"name": "chat", "model": "auto"})
    up = Up(tmp_path, *arguments)
    assert up.end() == code
    assert message in up.said


CLASSIFIED = """apiVersion: signalbox.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: chat}
spec:
  models: [auto]
  access: {anonymous: {}}
  targets: [{name: weak, backendRef: {name: a}}, {name: strong, backendRef: {name: a}}]
  classifiers:
  - name: hard
    labels: [weak, strong]
    default: strong
    trained: {examplesFrom: [{configMapKeyRef: {name: past, key: lines}}]}
  routes: [{name: all, select: {best: {by: hard}}}]
"""


def test_what_policies_have_learned_for_them_is_learned_while_they_serve(tmp_path: Path, engine: str) -> None:
    def examples(text: str) -> None:
        data = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "past"}, "data": {"lines": text}}
        (policies / "past.json").write_text(json.dumps(data))

    policies, cache = tmp_path / "policies", tmp_path / "cache"
    policies.mkdir()
    (policies / "backend.yaml").write_text(BACKEND)
    (policies / "policy.yaml").write_text(CLASSIFIED)
    examples(lines(scored(100)))
    for again in (False, True):
        up = Up(policies, "--endpoint", f"a={engine}", XDG_CACHE_HOME=str(cache))
        try:
            url = up.until(r"(http://\S+) +OpenAI API")[1]
            assert ask(url, hello("auto"))[0] == 200
            examples(lines(scored(100)) + '{"prompt": "x", "scores": {"weak": 7}}\n' * again)
            if again:
                up.until(
                    "ConfigMap past, key lines line 101: scores.weak: is 7.*; the model that was learned last goes on"
                )
                assert "learned from" not in up.said  # it was kept
            else:
                up.until("classifier hard of policy chat: learned from 100 examples, APGR")
            assert ask(url, hello("auto"))[0] == 200
            up.process.terminate()
            assert up.end() == 0
        finally:
            up.process.kill()
            up.end()
    assert len(list((cache / "signalbox" / "learned").iterdir())) == 1
