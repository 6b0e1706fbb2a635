"""Headless Chromium, driven over the DevTools protocol with nothing but a WebSocket.

    async with launch() as browser:
        page = await browser.open("https://127.0.0.1:8443/")
        await page.wait_for("document.title != ''")
        print(await page.evaluate("document.title"), page.errors)

Chromium starts no WebRTC unless some interface other than loopback is up; `launch` makes a veth pair when there is
none (root only), and takes it away again. Without Chromium: `missing()` says so; see `require`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
    "--ignore-certificate-errors",  # the kit's own CA
    "--no-proxy-server",
    "--remote-debugging-port=0",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]
_STEP_S = 0.05
_OUTER = Path("/sys/class/net/fgouter")


def executable() -> str | None:
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


def require() -> None:
    """Skip the test, naming what is missing; with CI=true fail it."""
    if executable() is None:
        if os.environ.get("CI") == "true":
            pytest.fail("chromium is missing, and CI must have it (Debian: chromium)")
        pytest.skip("chromium is not installed (Debian: chromium)")


class PageError(AssertionError):
    """The page threw, or what was waited for did not come; the text has the page's own errors."""


class Page:
    """One tab. `console` holds every console line, `errors` those of level error and uncaught exceptions."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._next = 0
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._loaded = asyncio.Event()
        self.console: list[str] = []
        self.errors: list[str] = []
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        with contextlib.suppress(websockets.ConnectionClosed):
            async for text in self._socket:
                message = json.loads(text)
                waiting = self._waiting.pop(message.get("id", -1), None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(message)
                else:
                    self._event(message.get("method", ""), message.get("params", {}))
        for one in self._waiting.values():
            if not one.done():
                one.set_exception(PageError("Chromium went away"))

    def _event(self, method: str, given: dict[str, Any]) -> None:
        if method == "Runtime.consoleAPICalled":
            words = " ".join(str(one.get("value", one.get("description", ""))) for one in given.get("args", []))
            self.console.append(f"{given.get('type')}: {words}")
            if given.get("type") == "error":
                self.errors.append(words)
        elif method == "Runtime.exceptionThrown":
            details = given.get("exceptionDetails", {})
            self.errors.append(details.get("exception", {}).get("description") or details.get("text", ""))
        elif method == "Log.entryAdded" and given.get("entry", {}).get("level") == "error":
            entry = given["entry"]
            self.errors.append(f"{entry.get('text')} {entry.get('url', '')}")
        elif method == "Page.loadEventFired":
            self._loaded.set()

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        """One DevTools command; its result. Raises PageError."""
        self._next += 1
        answer = self._waiting[self._next] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps({"id": self._next, "method": method, "params": params}))
        message = await asyncio.wait_for(answer, 30)
        if "error" in message:
            raise PageError(f"{method}: {message['error']}")
        return message.get("result", {})  # type: ignore[no-any-return]

    async def goto(self, url: str, timeout_s: float = 20) -> None:
        """Load `url` and wait for its load event."""
        self._loaded.clear()
        result = await self.send("Page.navigate", url=url)
        if result.get("errorText"):
            raise PageError(f"{url}: {result['errorText']}")
        await asyncio.wait_for(self._loaded.wait(), timeout_s)

    async def reload(self, timeout_s: float = 20) -> None:
        """Load the page anew, as a person's pull does."""
        self._loaded.clear()
        await self.send("Page.reload")
        await asyncio.wait_for(self._loaded.wait(), timeout_s)

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, promises awaited. Raises PageError when it throws."""
        result = await self.send(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in result:
            details = result["exceptionDetails"]
            raise PageError(details.get("exception", {}).get("description") or details.get("text", "it threw"))
        return result.get("result", {}).get("value")

    async def wait_for(self, expression: str, timeout_s: float = 15, what: str = "") -> Any:
        """Ask until `expression` is truthy; its value. Raises PageError with the page's errors on time-out."""
        until = time.monotonic() + timeout_s
        value = None
        while time.monotonic() < until:
            value = await self.evaluate(expression)
            if value:
                return value
            await asyncio.sleep(_STEP_S)
        told = "; ".join(self.errors[-5:])
        raise PageError(f"{what or expression[:200]}: not within {timeout_s} s (last: {value!r}; page errors: {told})")

    async def screenshot(self, path: Path) -> Path:
        """A PNG of what is seen."""
        result = await self.send("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(result["data"]))
        return path

    async def close(self) -> None:
        with contextlib.suppress(PageError, websockets.ConnectionClosed, TimeoutError):
            await self.send("Page.close")
        await self._socket.close()
        await self._reader


class Browser:
    def __init__(self, port: int) -> None:
        self._port = port
        self._pages: list[Page] = []

    async def open(self, url: str = "about:blank", *, apart: bool = False) -> Page:
        """A new tab at `url`; `apart`: with cookies and storage of its own, as on another machine."""
        if apart:
            where = await self._target_apart()
        else:
            where = (await self._command("PUT", "/json/new?about:blank"))["webSocketDebuggerUrl"]
        socket = await connect(where, max_size=64 << 20, proxy=None)
        page = Page(socket)
        for domain in ("Page", "Runtime", "Log"):
            await page.send(f"{domain}.enable")
        await page.send("Security.setIgnoreCertificateErrors", ignore=True)
        self._pages.append(page)
        if url != "about:blank":
            await page.goto(url)
        return page

    async def _target_apart(self) -> str:
        """The DevTools address of a tab in a browser context of its own."""
        about = await self._command("GET", "/json/version")
        root = Page(await connect(about["webSocketDebuggerUrl"], max_size=64 << 20, proxy=None))
        self._pages.append(root)  # the context lasts as long as who made it
        context = await root.send("Target.createBrowserContext")
        made = await root.send("Target.createTarget", url="about:blank", browserContextId=context["browserContextId"])
        return f"ws://127.0.0.1:{self._port}/devtools/page/{made['targetId']}"

    async def _command(self, method: str, path: str) -> Any:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        host = f"127.0.0.1:{self._port}"  # the socket's address in the answer is made of it
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-le")
        )
        body = await reader.readexactly(length)
        writer.close()
        await writer.wait_closed()
        return json.loads(body)

    async def close(self) -> None:
        for page in self._pages:
            await page.close()
        self._pages.clear()


@contextmanager
def outer_interface() -> Iterator[None]:
    """Some interface besides loopback that is up and has an address: WebRTC in Chromium wants one.

    A pair is made where there is none: one for all processes that want it at the same time, gone with the last.
    """
    listed = json.loads(subprocess.run(["ip", "-j", "addr"], capture_output=True, check=True, text=True).stdout)
    for link in listed:
        if link["ifname"].startswith("fg"):  # another test's, which may take it away
            continue
        up = "LOOPBACK" not in link["flags"] and "UP" in link["flags"] and link["operstate"] in ("UP", "UNKNOWN")
        if up and any(one["family"] == "inet" for one in link["addr_info"]):
            yield
            return
    lock = (Path(tempfile.gettempdir()) / "fieldgate-outer-interface").open("a")
    with lock:
        while True:
            with contextlib.suppress(BlockingIOError):  # others have it already
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not _OUTER.exists():
                    _make_outer()
            fcntl.flock(lock, fcntl.LOCK_SH)
            if _OUTER.exists():  # not just taken away by the last of the others
                break
        try:
            yield
        finally:
            with contextlib.suppress(BlockingIOError):  # others have it still
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                subprocess.run(["ip", "link", "del", _OUTER.name], check=False, capture_output=True)


def _make_outer() -> None:
    for step in (
        ["link", "add", _OUTER.name, "type", "veth", "peer", "name", f"{_OUTER.name}p"],
        ["addr", "add", "198.18.77.1/30", "dev", _OUTER.name],
        ["link", "set", _OUTER.name, "up"],
        ["link", "set", f"{_OUTER.name}p", "up"],
    ):
        subprocess.run(["ip", *step], check=True, capture_output=True)


async def _port_of(home: Path, process: asyncio.subprocess.Process, timeout_s: float = 30) -> int:
    """Chromium writes its DevTools port into its data directory when it is ready."""
    told = home / "DevToolsActivePort"
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        if process.returncode is not None:
            raise PageError(f"Chromium ended at once with {process.returncode}")
        if told.exists() and "\n" in (text := told.read_text()):
            return int(text.splitlines()[0])
        await asyncio.sleep(_STEP_S)
    raise PageError("Chromium did not open its DevTools port")


@asynccontextmanager
async def launch(*flags: str) -> AsyncIterator[Browser]:
    """A fresh Chromium with an empty profile; gone, with all its processes and files, on the way out."""
    program = executable()
    if program is None:
        raise PageError("chromium is not installed (Debian: chromium)")
    home = Path(tempfile.mkdtemp(prefix="fg-chromium-"))
    with outer_interface():
        process = await asyncio.create_subprocess_exec(
            program,
            *FLAGS,
            *flags,
            f"--user-data-dir={home}",
            "about:blank",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            browser = Browser(await _port_of(home, process))
            try:
                yield browser
            finally:
                await browser.close()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 15)
            try:
                await asyncio.wait_for(process.wait(), 5)
            except TimeoutError:
                os.killpg(process.pid, 9)
                await process.wait()
            shutil.rmtree(home, ignore_errors=True)
