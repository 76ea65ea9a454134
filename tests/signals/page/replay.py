"""Serves a scene to a browser, its seconds as they pass: ``python replay.py usual slow 8765``."""

import asyncio
import sys
import time

import scene
from aiohttp import web

from signalbox.signals.page.server import Page, Who


def prepare(name: str, event: str) -> scene.Scene:
    """A quarter of an hour that ends now, with something that has just happened."""
    found: scene.Scene = getattr(scene, name)()
    found.began = time.time() - 900.0
    first = next(iter(found.engines.values()))
    second = list(found.engines.values())[min(1, len(found.engines) - 1)]
    if event == "slow":
        found.run(600)
        first.slow = 4.0
        found.run(300)
    elif event == "dead":
        found.run(400)
        first.slow = 4.0
        found.run(180)
        first.slow = 1.0
        found.run(200)
        second.dead = True
        found.run(120)
    elif event == "stale":
        found.run(840)
        first.mute = second.mute = True
        found.run(60)
    elif event == "observe":
        for route in found.routes:
            route.mode = "Observe"
        found.run(900)
    else:
        found.run(900)
    return found


async def main(name: str, event: str, port: int) -> None:
    found = prepare(name, event)
    page = Page(lambda: {"default": found.board}, lambda: Who(kind="local"))
    runner = web.AppRunner(page.application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    print("ready", flush=True)
    while True:
        await asyncio.sleep(1.0)
        found.run(1.0)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
