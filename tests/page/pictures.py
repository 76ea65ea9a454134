"""Takes the pictures of the documentation, from a real run: ``python pictures.py docs/pictures`` (six minutes)."""

import asyncio
import sys
from pathlib import Path

from browser import Browser
from live import live
from scene import many

from signalbox.signals.page.listen import serve
from signalbox.signals.page.server import Page, Who
from signalbox.sim.faults import HEALTHY, Faults

RATE = 5.5
STEADY_SECONDS, SLOW_SECONDS, BACK_SECONDS, DEAD_SECONDS = 120, 75, 100, 45
MOST_BYTES = 150_000
WIDTH, HEIGHT = 1280, 960


async def main(folder: Path) -> None:
    """All of them, one after the other."""
    folder.mkdir(parents=True, exist_ok=True)
    async with live(RATE) as running, Browser.open(WIDTH, HEIGHT) as browser:
        await browser.prefer("light")
        await browser.go(running.url)
        await asyncio.sleep(STEADY_SECONDS)
        await take(browser, folder / "page-light.png")
        await browser.prefer("dark")
        await take(browser, folder / "page-dark.png")
        await running.engines["sim-8b-a"].apply(Faults(slow=4.0))
        await asyncio.sleep(SLOW_SECONDS)
        await browser.prefer("light")
        await take(browser, folder / "page-slow.png")
        await browser.evaluate("document.getElementById('backends').scrollIntoView()")
        await take(browser, folder / "page-load.png")
        await browser.evaluate("scrollTo(0, 0)")
        await running.engines["sim-8b-a"].apply(HEALTHY)
        await asyncio.sleep(BACK_SECONDS)
        await running.engines["sim-8b-b"].apply(Faults(dead=True))
        await asyncio.sleep(DEAD_SECONDS)
        await browser.prefer("dark")
        await take(browser, folder / "page-dead.png")
        print(await browser.evaluate("document.body.innerText"))
        assert not browser.complaints, browser.complaints


async def fifty(folder: Path) -> None:
    """Fifty targets, of recorded seconds."""
    scene = many(50)
    scene.run(600)
    runner, url = await serve(Page(lambda: {"default": scene.board}, Who), "127.0.0.1", 0)
    async with Browser.open(WIDTH, 760) as browser:
        await browser.prefer("light")
        await browser.go(url)
        await browser.until("document.querySelectorAll('.ribbon').length === 50")
        await take(browser, folder / "page-fifty.png")
    await runner.cleanup()


async def take(browser: Browser, path: Path) -> None:
    """What is on the screen."""
    await asyncio.sleep(1.5)
    await browser.picture(path)
    size = path.stat().st_size
    print(f"{path}: {size:,} bytes", flush=True)
    assert size <= MOST_BYTES, "too large for a repository"


if __name__ == "__main__":
    asyncio.run(fifty(Path(sys.argv[1])))
    asyncio.run(main(Path(sys.argv[1])))
