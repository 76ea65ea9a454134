"""A headless Chromium, driven over its DevTools protocol: a handful of commands need no library."""

import asyncio
import base64
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import aiohttp

SECONDS = 60.0
FLAGS = (
    "--headless=new",
    "--remote-debugging-port=0",
    "--no-first-run",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--no-sandbox",  # it is root who runs it here, and it shows our own page only
)


class Browser:
    """One tab. ``complaints`` are errors and warnings that the page has led to."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0
        self._reader: asyncio.Task[None] | None = None
        self.complaints: list[str] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, width: int = 1440, height: int = 1000) -> AsyncIterator[Self]:
        """Start one, and end it."""
        program = shutil.which("chromium") or shutil.which("google-chrome")
        assert program, "no chromium: apt-get install chromium"
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            process = await asyncio.create_subprocess_exec(
                program,
                *FLAGS,
                f"--user-data-dir={profile}",
                f"--window-size={width},{height}",
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
                env={**os.environ, "TMPDIR": profile},
            )
            try:
                async with aiohttp.ClientSession() as session:
                    async with asyncio.timeout(SECONDS):
                        port = await _port(Path(profile), process)
                        async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                            tabs = await answer.json()
                        address = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
                    async with session.ws_connect(address, max_msg_size=0) as socket:
                        found = cls(socket)
                        async with asyncio.timeout(SECONDS):
                            await found._begin(width, height)
                        async with found._following():
                            yield found
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()

    @contextlib.asynccontextmanager
    async def _following(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            assert self._reader is not None
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)

    async def _begin(self, width: int, height: int) -> None:
        self._reader = asyncio.create_task(self._read())
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.call(f"{domain}.enable")
        await self.size(width, height)

    async def size(self, width: int, height: int) -> None:
        """The window."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    async def prefer(self, scheme: str) -> None:
        """What the system prefers: light or dark."""
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        await self.call("Emulation.setEmulatedMedia", features=features)

    async def go(self, url: str) -> None:
        """Load a page."""
        await self.call("Page.navigate", url=url)
        await self.until("document.readyState === 'complete'")

    async def evaluate(self, expression: str) -> Any:
        """What JavaScript says."""
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def until(self, expression: str, seconds: float = SECONDS) -> Any:
        """Wait until it is true."""
        async with asyncio.timeout(seconds):
            while not (found := await self.evaluate(expression)):
                await asyncio.sleep(0.1)
        return found

    async def key(self, name: str) -> None:
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            await self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name)

    async def picture(self, path: Path, *, whole: bool = False) -> None:
        """A PNG of the window, or of all of the page."""
        if whole:
            height = await self.evaluate("document.documentElement.scrollHeight")
            width = await self.evaluate("innerWidth")
            await self.size(width, height)
            await asyncio.sleep(0.5)
        answer = await self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(answer["data"]))

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol."""
        self._number += 1
        answer = self._answers[self._number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        return await answer

    async def _read(self) -> None:
        async for message in self._socket:
            event = message.json()
            if (answer := self._answers.pop(event.get("id", 0), None)) is not None:
                if "error" in event:
                    answer.set_exception(RuntimeError(str(event["error"])))
                else:
                    answer.set_result(event["result"])
                continue
            details = event.get("params", {})
            match event.get("method"):
                case "Runtime.exceptionThrown":
                    self.complaints.append(str(details["exceptionDetails"]))
                case "Runtime.consoleAPICalled" if details["type"] in {"error", "warning", "assert"}:
                    self.complaints.append(str(details["args"]))
                case "Log.entryAdded" if details["entry"]["level"] in {"error", "warning"}:
                    self.complaints.append(f"{details['entry']['text']} {details['entry'].get('url', '')}")
                case _:
                    pass


async def _port(profile: Path, process: asyncio.subprocess.Process) -> int:
    """It writes it down when it listens."""
    while True:
        with contextlib.suppress(OSError, ValueError, IndexError):
            return int((profile / "DevToolsActivePort").read_text().split()[0])
        assert process.returncode is None, "chromium has ended"
        await asyncio.sleep(0.05)
