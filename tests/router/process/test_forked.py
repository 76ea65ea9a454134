"""Workers forked from the command. Each test forks in a process of its own: this one has threads and loops."""

import subprocess
import sys
from textwrap import dedent

import pytest

from signalbox.router.process.forked import POSSIBLE

pytestmark = pytest.mark.skipif(not POSSIBLE, reason="only Linux tells a loop that a process has ended")

BEGIN = """
import asyncio, os, signal, sys, time
from signalbox.router.process.forked import fork

def wait_for_the_end(descriptor):
    while os.read(descriptor, 1):
        pass

def in_loop(work):
    async def bounded():
        async with asyncio.timeout(20):
            return await work
    return asyncio.run(bounded())
"""


def play(script: str) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + dedent(script)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


def test_it_serves_and_nothing_of_the_command_happens_twice() -> None:
    done = play("""
        import atexit
        atexit.register(print, "the end of the command")
        print("the command begins")
        def serve(descriptor):
            os.write(descriptor, f"{os.getpid()} {sys.stdin.read()!r} {open('/proc/self/comm').read()}".encode())
        (one,) = fork(1, serve)
        said = one.control.makefile("rb", buffering=0)
        one.control.setblocking(True)
        print(said.read(1000).decode() == f"{one.pid} '' router-worker\\n", in_loop(one.wait()), one.returncode)
    """)
    assert done.stdout.splitlines() == ["the command begins", "True 0 0", "the end of the command"]


def test_how_it_ended_is_known_to_all_who_wait() -> None:
    done = play("""
        def serve(descriptor):
            how = os.read(descriptor, 1)
            if how == b"e":
                sys.exit(3)
            if how == b"d":
                raise ValueError("a defect")
            if how == b"i":
                raise KeyboardInterrupt
            wait_for_the_end(descriptor)
        killed, exited, defect, interrupted = four = fork(4, serve)
        async def work():
            waiting = [asyncio.ensure_future(each.wait()) for each in four for _ in range(2)]
            given_up = asyncio.ensure_future(killed.wait())
            await asyncio.sleep(0)
            given_up.cancel()
            killed.kill()
            for each, how in ((exited, b"e"), (defect, b"d"), (interrupted, b"i")):
                each.control.send(how)
            print(*await asyncio.gather(*waiting))
            killed.kill()  # once more: it is over
            print(await killed.wait(), killed.returncode)
        in_loop(work())
    """)
    assert done.stdout.splitlines() == ["-9 -9 3 3 1 1 130 130", "-9 -9"]
    assert "ValueError: a defect" in done.stderr
    assert "KeyboardInterrupt" not in done.stderr


def test_each_notices_alone_that_nobody_supervises_it() -> None:
    done = play("""
        first, second = fork(2, wait_for_the_end)
        async def work():
            first.control.close()
            print(await first.wait(), second.returncode)
            second.control.close()
            print(await second.wait())
        in_loop(work())
    """)
    assert done.stdout.splitlines() == ["0 None", "0"]
