"""The page in a real browser: numbers arrive, nothing is complained about, and what is wrong is said."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest
from aiohttp import web
from browser import Browser
from live import live
from scene import Route, Scene, Simulated, many, single, usual

from signalbox.signals.board import Board
from signalbox.signals.page.listen import serve
from signalbox.signals.page.server import Page, Who

pytestmark = pytest.mark.page

TEXT = "document.body.innerText"


@dataclass
class World:
    """A scene whose seconds pass, served. ``paused`` stops the loop and leaves the server."""

    scene: Scene
    boards: dict[str, Board]
    url: str
    runner: web.AppRunner
    who: Who
    paused: bool = False


@contextlib.asynccontextmanager
async def serving(scene: Scene, *boards: str, seconds: float = 300.0) -> AsyncIterator[World]:
    scene.run(seconds)
    shown = dict.fromkeys(boards or ("default",), scene.board)
    page = Page(lambda: shown, lambda: world.who)
    runner, url = await serve(page, "127.0.0.1", 0)
    world = World(scene, shown, url, runner, Who())

    async def pass_time() -> None:
        while True:
            await asyncio.sleep(0.5)
            if world.paused:
                scene.now += 1.0
            else:
                scene.run(1.0)

    passing = asyncio.create_task(pass_time())
    try:
        yield world
    finally:
        passing.cancel()
        await asyncio.gather(passing, return_exceptions=True)
        await runner.cleanup()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with Browser.open() as found:
        await found.prefer("light")
        yield found


async def shown(browser: Browser, text: str) -> None:
    """Wait until it is to be read."""
    await browser.until(f"{TEXT}.includes({text!r})")


async def test_numbers_arrive_and_change(browser: Browser) -> None:
    async with serving(usual()) as world:
        await browser.go(world.url)
        await shown(browser, "Live")
        for name in ("assistants", "canary", "chat", *world.scene.engines):
            await shown(browser, name)
        drawn = "document.querySelectorAll('.ribbon').length"
        assert await browser.evaluate(drawn) >= 8
        assert await browser.evaluate("document.querySelectorAll('canvas').length") >= 8
        before = await browser.evaluate("document.querySelector('.tiles').innerText")
        await browser.until(f"document.querySelector('.tiles').innerText !== {before!r}")
        labels = "[...document.querySelectorAll('.flow text')].map((text) => text.textContent)"
        stable = next(label for label in await browser.evaluate(labels) if label.endswith(" stable"))
        assert 85 <= int(stable.split()[0]) <= 95
        assert browser.complaints == []


async def test_a_fresh_page_shows_the_past(browser: Browser) -> None:
    async with serving(usual(), seconds=900.0) as world:
        await browser.go(world.url)
        await shown(browser, "Live")
        label = await browser.until("document.querySelector('.policy .plot[role=img][aria-label]')?.ariaLabel")
        assert "last 15 minutes" in label
        width = "document.querySelector('.tile path:not(.under)').getAttribute('d').split('L').length"
        assert await browser.evaluate(width) > 50


async def test_light_and_dark_by_the_system_and_by_the_switch(browser: Browser) -> None:
    background = "getComputedStyle(document.documentElement).backgroundColor"
    async with serving(usual()) as world:
        await browser.go(world.url)
        light = await browser.evaluate(background)
        await browser.prefer("dark")
        await browser.until(f"{background} !== {light!r}")
        await browser.evaluate("document.querySelector('#theme input[value=light]').click()")
        assert await browser.evaluate(background) == light
        await browser.go(world.url)
        assert await browser.evaluate(background) == light, "it is remembered"
        await browser.evaluate("document.querySelector('#theme input[value=auto]').click()")
        assert await browser.evaluate(background) != light
        assert browser.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_can_be_read(browser: Browser, scheme: str) -> None:
    contrast = """(() => {
      const probe = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
      const light = (colour) => {
        probe.fillStyle = colour; probe.fillRect(0, 0, 1, 1);
        const [r, g, b] = [...probe.getImageData(0, 0, 1, 1).data].slice(0, 3)
          .map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const style = getComputedStyle(document.documentElement);
      const of = (name) => light(style.getPropertyValue(name).trim());
      const card = of('--card');
      return ['--ink', '--soft', '--mute', '--good', '--warn', '--bad', '--info'].map((name) => {
        const [a, b] = [card, of(name)].sort((x, y) => y - x);
        return [name, (a + 0.05) / (b + 0.05)];
      });
    })()"""
    await browser.prefer(scheme)
    async with serving(single()) as world:
        await browser.go(world.url)
        found = dict(await browser.evaluate(contrast))
    # WCAG 2.2, AA for text of this size; what is muted repeats what is said elsewhere, or is large.
    assert {name: ratio for name, ratio in found.items() if ratio < (3.0 if name == "--mute" else 4.5)} == {}


async def test_a_slow_engine_loses_requests_and_the_page_says_why(browser: Browser) -> None:
    scene = usual()
    async with serving(scene) as world:
        await browser.go(world.url)
        await shown(browser, "Live")
        scene.engines["llama-8b-a"].slow = 4.0
        await shown(browser, "behind")
        await shown(browser, "it is behind the others")
        await shown(browser, "overloaded: others take over")
        assert browser.complaints == []


async def test_a_dead_engine_is_named_and_its_return_too(browser: Browser) -> None:
    scene = usual()
    async with serving(scene) as world:
        await browser.go(world.url)
        await shown(browser, "Live")
        scene.engines["llama-8b-b"].dead = True
        await shown(browser, "No usable endpoint: small_b.")
        await shown(browser, "connection refused")
        await shown(browser, "0/1")
        scene.engines["llama-8b-b"].dead = False
        await browser.until(f"!{TEXT}.includes('No usable endpoint')")
        await shown(browser, "it is back")
        assert browser.complaints == []


async def test_stale_signals_are_said(browser: Browser) -> None:
    scene = usual()
    async with serving(scene) as world:
        await browser.go(world.url)
        scene.engines["llama-70b"].mute = True
        await shown(browser, "1 signal stale")
        await shown(browser, "signals are stale")


@pytest.mark.parametrize(("mode", "text"), [("Observe", "only observes"), ("Disabled", "Feedback is disabled")])
async def test_what_is_not_in_force_is_said(browser: Browser, mode: str, text: str) -> None:
    scene = usual()
    for route in scene.routes:
        route.mode = mode  # type: ignore[assignment]
    async with serving(scene) as world:
        await browser.go(world.url)
        await shown(browser, text)
        await shown(browser, mode)


async def test_a_loop_that_stands_still_is_said(browser: Browser) -> None:
    async with serving(usual()) as world:
        await browser.go(world.url)
        await shown(browser, "Live")
        world.paused = True
        await shown(browser, "The loop stands still.")
        world.paused = False
        await browser.until(f"!{TEXT}.includes('stands still')")


async def test_who_has_gone_is_said_and_comes_back(browser: Browser) -> None:
    async with serving(usual()) as world:
        await browser.go(world.url)
        await shown(browser, "Live")
        port = world.runner.addresses[0][1]
        await world.runner.cleanup()
        await shown(browser, "Signalbox does not answer.")
        page = Page(lambda: {"default": world.scene.board}, Who)
        runner, _ = await serve(page, "127.0.0.1", port)
        try:
            await browser.until("document.getElementById('live').innerText === 'Live'")
        finally:
            await runner.cleanup()


async def test_a_replica_that_does_not_lead_says_who_does(browser: Browser) -> None:
    async with serving(usual()) as world:
        world.who = Who(kind="operator", name="x", leads=False, leader="signalbox-7d4f-abcde")
        await browser.go(world.url)
        await shown(browser, "This replica does not lead.")
        await shown(browser, "signalbox-7d4f-abcde does")


async def test_namespaces_can_be_chosen(browser: Browser) -> None:
    async with serving(usual(), "team-a", "team-b") as world:
        await browser.go(world.url)
        await browser.until("document.querySelectorAll('#space option').length === 2")
        await browser.evaluate("document.getElementById('space').value = 'team-b'")
        await browser.evaluate("document.getElementById('space').dispatchEvent(new Event('change')) && null")
        await browser.until("document.title.startsWith('team-b') && location.search === '?namespace=team-b'")
        assert browser.complaints == []


async def test_a_namespace_that_ends_gives_way_to_another_and_its_past(browser: Browser) -> None:
    async with serving(usual(), "team-a", "team-b", "team-c") as world:
        await browser.go(f"{world.url}?namespace=team-b")
        await browser.until("document.title.startsWith('team-b')")
        await browser.evaluate("document.getElementById('space').focus()")
        del world.boards["team-b"]
        await browser.until(
            "document.title.startsWith('team-a') && document.getElementById('space').value === 'team-a'"
        )
        asked = "performance.getEntriesByType('resource').map((each) => each.name.split('/').at(-1))"
        assert "history?namespace=team-a" in await browser.evaluate(asked)
        assert await browser.evaluate("location.search") == "?namespace=team-a"
        assert browser.complaints == []


async def test_a_new_leader_that_does_not_know_the_namespace_yet_is_waited_for(browser: Browser) -> None:
    async with serving(usual()) as world:
        await browser.go(world.url)
        followed = """import(new URL('store.js', document.baseURI)).then(({ Store }) => {
          const told = [];
          const store = new Store(() => {}, (space) => told.push(space));
          const message = (space) => ({ space, spaces: [space], who: {}, view: null });
          store.space = 'ours';
          ['ours', 'other', 'other', 'ours', 'other'].forEach((space) => store.take(message(space)));
          const waited = [...told];
          store.lostAt -= 11_000;
          store.take(message('other'));
          return [waited, told, store.message.space];
        })"""
        assert await browser.evaluate(followed) == [[], ["other"], "ours"]


async def test_a_clock_that_is_set_back_drops_what_would_come_later(browser: Browser) -> None:
    async with serving(usual()) as world:
        await browser.go(world.url)
        kept = """import(new URL('store.js', document.baseURI)).then(({ Store }) => {
          const store = new Store(() => {});
          const keep = (at) => store.keep({ at, policies: [], backends: [{ name: 'a', running: at }] });
          [1000, 1001, 1002, 1001.5].forEach(keep);
          const first = [...store.times];
          [400, 401, 401].forEach(keep);
          return [first, store.times, store.backends.get('a').running];
        })"""
        assert await browser.evaluate(kept) == [[1000, 1001, 1001.5], [400, 401], [400, 401]]


async def test_nothing_to_see_is_said(browser: Browser) -> None:
    page = Page(lambda: {"default": Board()}, Who)
    runner, url = await serve(page, "127.0.0.1", 0)
    try:
        await browser.go(url)
        await shown(browser, "No view yet.")
        assert browser.complaints == []
    finally:
        await runner.cleanup()


async def test_one_target(browser: Browser) -> None:
    async with serving(single()) as world:
        await browser.go(world.url)
        await shown(browser, "100 % only")
        assert browser.complaints == []


async def test_fifty_targets(browser: Browser) -> None:
    async with serving(many(50)) as world:
        await browser.go(world.url)
        await browser.until("document.querySelectorAll('.backends tbody tr').length === 50")
        await browser.until("document.querySelectorAll('.ribbon').length === 50")
        overlap = """(() => {
          const boxes = [...document.querySelectorAll('.flow text')].map((t) => t.getBoundingClientRect())
            .filter((b) => b.left > 400).sort((a, b) => a.top - b.top);
          return boxes.slice(1).filter((b, i) => b.top < boxes[i].top + 9).length;
        })()"""
        assert await browser.evaluate(overlap) <= 1, "labels do not lie upon each other; the heading may be near"
        assert await browser.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
        await browser.evaluate("document.querySelectorAll('.backends .pick')[7].click()")
        await browser.until("document.querySelectorAll('.ribbon.lit').length === 1")
        assert browser.complaints == []


async def test_a_narrow_window(browser: Browser) -> None:
    await browser.size(420, 900)
    async with serving(usual()) as world:
        await browser.go(world.url)
        await shown(browser, "Live")
        assert await browser.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_the_keyboard_goes_through_time_and_it_is_spoken(browser: Browser) -> None:
    async with serving(usual()) as world:
        await browser.go(world.url)
        await browser.until("document.querySelector('.plot[aria-label]') !== null")
        await browser.evaluate("document.querySelectorAll('.policy .plot[aria-label]')[1].focus()")
        await browser.key("ArrowLeft")
        first = await browser.until("document.getElementById('spoken').textContent")
        await browser.key("ArrowLeft")
        await browser.until(f"document.getElementById('spoken').textContent !== {first!r}")
        assert "%" in first
        await browser.key("Escape")
        await browser.until("document.getElementById('tip').hidden")


async def test_everything_that_can_be_used_has_a_name(browser: Browser) -> None:
    async with serving(usual()) as world:
        await browser.go(world.url)
        await shown(browser, "Live")
        await browser.call("Accessibility.enable")
        tree = (await browser.call("Accessibility.getFullAXTree"))["nodes"]
        used = {"button", "combobox", "radio", "link", "img", "checkbox", "DisclosureTriangle"}
        nameless = [
            node["role"]["value"]
            for node in tree
            if not node.get("ignored") and node["role"]["value"] in used and not node.get("name", {}).get("value")
        ]
        assert nameless == []
        roles = {node["role"]["value"] for node in tree}
        assert {"banner", "main", "table", "status"} <= roles


async def test_names_are_text_whatever_they_are(browser: Browser) -> None:
    evil = "<img src=x onerror=alert(1)>"
    scene = Scene([Simulated(evil, evil, 1000, 8)], [Route(evil, evil, 3.0, {evil: evil})])
    async with serving(scene, evil, "other") as world:
        await browser.go(world.url)
        await shown(browser, evil)
        assert await browser.evaluate("document.querySelectorAll('img').length") == 0
        assert browser.complaints == []


@pytest.mark.parametrize("scene", [usual, lambda: many(50)])
async def test_the_page_holds_bounded_memory(browser: Browser, scene: Callable[[], Scene]) -> None:
    # The stream of an hour, as fast as it can be taken.
    async with serving(scene(), seconds=60.0) as world:
        await browser.go(world.url)
        await shown(browser, "Live")
        kept = await browser.evaluate("""import('./store.js').then(({ Store }) => {
          const store = new Store(() => {});
          const target = { name: 't', effective: 0.5, base: 0.5, reason: 'Load' };
          for (let at = 0; at < 3600; at += 1) {
            const gone = at < 100 ? [{ name: 'gone' }] : [];
            store.take({ space: 'x', view: { at, backends: [{ name: 'b', waiting: at }, ...gone],
              policies: [{ name: 'p', routes: [{ name: 'r', sets: [{ tier: 0, targets: [target] }] }] }] } });
          }
          const lengths = [store.times, ...Object.values(store.backends.get('b'))].map((column) => column.length);
          return { lengths: [...new Set(lengths)], names: [...store.backends.keys()] };
        })""")
        assert len(kept["lengths"]) == 1, "columns stay as long as the times are"
        assert kept["lengths"][0] <= 900 + 60 + 1
        assert kept["names"] == ["b"], "what has gone for long is forgotten"


async def test_with_real_engines_routers_and_requests(browser: Browser) -> None:
    async with live(6.0, "1s") as running:
        await browser.go(running.url)
        await shown(browser, "Live")
        for text in ("chat", "canary", "sim-8b-a", "VLLM"):
            await shown(browser, text)
        requests = "parseFloat(document.querySelector('.tile .value').innerText)"
        await browser.until(f"{requests} > 3")
        first_token = "document.querySelectorAll('.tile .value')[1].innerText"
        await browser.until(f"/\\d/.test({first_token})")
        await browser.until("document.querySelectorAll('.ribbon:not(.idle)').length >= 4")
        assert browser.complaints == []
