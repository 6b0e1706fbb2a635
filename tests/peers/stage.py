"""The trunk on a stage: the daemon and one simulated ball as processes of their own, and the console's page.

    with ports() as free:
        stage = Stage(folder, free)
        await stage.daemon(); await stage.until(…); await stage.ball()
        async with launch() as browser: page, first_s = await play(browser, stage.link(stream))

`ports` hands out a block of port numbers that no other process that asks the same way can have at the same time, so
two stages never meet. Nothing here judges a time; tests.peers.demo_check does.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from adapters import ADAPTERS
from gateway.base.errors import GatewayError
from gateway.cli.client import Client
from tests.peers.browser import Browser, Page, PageError

BALL = "34020000001110000001"

# Below what the kernel hands out by itself (net.ipv4.ip_local_port_range begins at 32768).
FIRST_PORT, BLOCK, BLOCKS = 20_000, 100, 90


@dataclass(frozen=True, slots=True)
class Ports:
    """One block. The media range takes what the others leave; `sip` is GB/T 28181's, `phones` that of calls; `ts` and
    `other` are for streams and servers of the test itself."""

    api: int = 8443
    sip: int = 5060
    webrtc: int = 8189
    rtp: tuple[int, int] = (30000, 30499)
    phones: int = 5070
    phones_tls: int = 5061
    usrp: int = 34001
    radio: int = 32001
    pbx: int = 5080
    rtsp: int = 8554
    rtsps: int = 8322
    rtmp: int = 1935
    rtmps: int = 1936
    srt: int = 8890
    jt808: int = 7611
    jt1078: int = 1078
    ts: int = 5004
    other: int = 9710

    def config(self) -> str:
        """The embedded defaults but for the ports."""
        text = (
            f"[api]\nport = {self.api}\n[media]\nrtp_ports = '{self.rtp[0]}-{self.rtp[1]}'\n"
            f"[adapter.gb28181]\nlisten = '0.0.0.0:{self.sip}'\n[adapter.webrtc]\nport = {self.webrtc}\n"
        )
        for name, port, tls in (
            ("rtsp", self.rtsp, self.rtsps),
            ("rtmp", self.rtmp, self.rtmps),
            ("srt", self.srt, 0),
            ("jt808", self.jt808, 0),
        ):
            if name in ADAPTERS:
                text += f"[adapter.{name}]\nlisten = '0.0.0.0:{port}'\n"
                text += f"listen_tls = '0.0.0.0:{tls}'\n" if tls else ""
                text += f"media = '0.0.0.0:{self.jt1078}'\n" if name == "jt808" else ""
        if "sip" in ADAPTERS:  # the last, so that a test may add keys of its own to it
            listen = [f"{kind}:0.0.0.0:{self.phones}" for kind in ("udp", "tcp")] + [f"tls:0.0.0.0:{self.phones_tls}"]
            text += f"[adapter.sip]\nlisten = {listen}\n"
        return text


@contextmanager
def ports() -> Iterator[Ports]:
    """A block of ports of one's own while the context lasts: kept by a lock file, and really free."""
    with ExitStack() as stack:
        for number in range(BLOCKS):
            first = FIRST_PORT + number * BLOCK
            lock = stack.enter_context((Path(tempfile.gettempdir()) / f"fieldgate-ports-{first}").open("a"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            if all(_is_free(port) for port in range(first, first + BLOCK)):
                media = (first + 20, first + BLOCK - 1)
                yield Ports(first, first + 1, first + 2, media, *range(first + 3, first + 17))
                return
        raise AssertionError(f"no {BLOCK} free ports in a row from {FIRST_PORT} on")


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            # A closed connection's wait does not hinder a listener; the daemon binds with this option too.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(kind == socket.SOCK_STREAM))
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                return False
    return True


class Failed(AssertionError):
    """What was to come did not; the text says what, and what the gateway said."""


class Stage:
    """The daemon and the ball, and the daemon's local socket. `within` runs both elsewhere, as `ip netns exec …`;
    `more` is configuration beside the ports."""

    def __init__(
        self,
        place: Path,
        ports: Ports | None = None,
        *,
        host: str = "127.0.0.1",
        within: Sequence[str] = (),
        more: str = "",
    ) -> None:
        self.place = place
        self.ports = ports or Ports()
        self.host = host
        self.within = tuple(within)
        self.config: Path | None = None
        if ports is not None:
            self.config = place / "ports.toml"
            self.config.write_text(ports.config() + more)
        self.client = Client(place)
        self.children: dict[str, asyncio.subprocess.Process] = {}

    # — processes —

    async def start(self, name: str, *arguments: str) -> float:
        """Start `python -m gateway …`; the moment of it."""
        with (self.place / f"{name}.log").open("ab") as log:
            began = time.perf_counter()
            self.children[name] = await asyncio.create_subprocess_exec(
                *self.within, sys.executable, "-m", "gateway", *arguments, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        return began

    async def daemon(self) -> float:
        config = ["--config", str(self.config)] if self.config else []
        return await self.start("gateway", "run", "--state-dir", str(self.place), *config)

    async def ball(self) -> float:
        return await self.start(
            "ball", "sim", "ball", "--server", f"127.0.0.1:{self.ports.sip}", "--id", BALL,
            "--password-file", str(self.place / "kit-password"), "--json",
        )  # fmt: skip

    async def kill(self, name: str) -> None:
        """SIGKILL: it has no chance to say goodbye to anybody."""
        child = self.children[name]
        child.send_signal(signal.SIGKILL)
        await child.wait()

    async def stop(self) -> None:
        for name in ("ball", "gateway"):
            child = self.children.get(name)
            if child is None or child.returncode is not None:
                continue
            child.terminate()
            try:
                await asyncio.wait_for(child.wait(), 10)
            except TimeoutError:
                child.kill()
                await child.wait()

    def said(self, name: str) -> str:
        log = self.place / f"{name}.log"
        return log.read_text(errors="replace")[-3000:] if log.exists() else ""

    # — questions —

    async def until(self, what: str, question: Callable[[], Any], limit_s: float = 30.0) -> Any:
        """Ask the daemon until the answer is true."""
        deadline = time.perf_counter() + limit_s
        while time.perf_counter() < deadline:
            for name, child in self.children.items():
                if child.returncode not in (None, -signal.SIGKILL):
                    raise Failed(f"{name} ended with {child.returncode}:\n{self.said(name)}")
            with suppress(GatewayError):
                if answer := question():
                    return answer
            await asyncio.sleep(0.01)
        raise Failed(f"{what}: not within {limit_s:g} s\n{self.said('gateway')}\n{self.said('ball')}")

    def ready(self) -> bool:
        return bool(self.client.get("/api/v1/system")["ready"])

    def registering_at(self) -> float | None:
        """Unix time at which the ball sent the REGISTER that its newest registration came of, by its own log."""
        sent = None
        for line in self.said("ball").splitlines():
            with suppress(ValueError, KeyError, TypeError):
                told = json.loads(line)
                if told["event"] == "registering":
                    sent = datetime.fromisoformat(told["time"]).timestamp()
        return sent

    def device(self) -> dict[str, Any] | None:
        """The ball as the directory has it; None when nobody admitted it."""
        return next((one for one in self.client.get("/api/v1/devices") if one["external_id"] == BALL), None)

    def online(self) -> str | None:
        """The ball's stream once it is online and its catalogue is known."""
        device = self.device()
        if device is None or device["state"] != "online":
            return None
        return next((channel["stream"] for channel in device["channels"] if channel["stream"]), None)

    def offered(self, stream: str) -> bool:
        return any(one["id"] == stream for one in self.client.get("/api/v1/streams"))

    # — steps —

    async def begin(self) -> str:
        """Daemon, admission, ball; the ball's stream."""
        await self.daemon()
        await self.until("the gateway's start", self.ready)
        await self.admit()
        await self.ball()
        stream = str(await self.until("the ball in the directory", self.online))
        await self.until("the stream's offer", lambda: self.offered(stream), 5)
        return stream

    async def admit(self) -> None:
        self.client.post("/api/v1/devices", {"external_id": BALL, "id": "ball-1", "name": "布控球"})

    def page(self, stream: str) -> str:
        return f"https://{self.host}:{self.ports.api}/play/{stream}"

    def console(self, name: str, role: str = "operator") -> str:
        """A link that signs somebody into the console."""
        code = self.client.post("/api/v1/auth/codes", {"role": role, "ttl_s": 600.0, "name": name})
        return f"https://{self.host}:{self.ports.api}/#code={code['code']}"

    def link(self, stream: str) -> str:
        code = self.client.post("/api/v1/auth/codes", {"role": "operator", "ttl_s": 600.0, "name": "demo-check"})
        return f"{self.page(stream)}#code={code['code']}"


# ── the page ─────────────────────────────────────────────────────────────────

# Runs in the page before its own scripts: when the offer left, and when the first frame came out of the decoder.
PROBE = """
(() => {
  const probe = window.__probe = {posted: null, first: null, frames: 0};
  const peers = [], most = [], real = window.RTCPeerConnection, send = window.fetch;
  window.RTCPeerConnection = function (...given) { const pc = new real(...given); peers.push(pc); return pc; };
  window.RTCPeerConnection.prototype = real.prototype;
  window.fetch = function (what, how) {
    const url = String(what && what.url || what), method = (how && how.method || what.method || 'GET');
    if (method === 'POST' && url.includes('/whep/')) probe.posted ??= performance.now();
    return send.apply(this, arguments);
  };
  setInterval(async () => {
    // A connection that the page has closed tells nothing more: what it told counts on.
    for (const [at, pc] of peers.entries()) {
      if (pc.connectionState === 'closed') continue;
      for (const one of (await pc.getStats()).values())
        if (one.type === 'inbound-rtp' && one.kind === 'video')
          most[at] = Math.max(most[at] || 0, one.framesDecoded || 0);
    }
    const frames = most.reduce((sum, one) => sum + (one || 0), 0);
    if (frames > 0) probe.first ??= performance.now();
    probe.frames = frames;
  }, 10);
  // The picture as 64 x 36 grey values, without the words drawn into its first and last rows.
  probe.look = () => {
    const canvas = document.createElement('canvas'); canvas.width = 64; canvas.height = 36;
    const draw = canvas.getContext('2d'); draw.drawImage(document.querySelector('video'), 0, 0, 64, 36);
    const all = draw.getImageData(0, 8, 64, 20).data, grey = [];
    for (let at = 0; at < all.length; at += 4) grey.push((all[at] + all[at + 1] + all[at + 2]) / 3);
    return grey;
  };
})();
"""


async def play(browser: Browser, link: str) -> tuple[Page, float]:
    """Open a link as a person does; the page, and the seconds from its offer to its first decoded frame."""
    page = await browser.open()
    await page.send("Page.addScriptToEvaluateOnNewDocument", source=PROBE)
    await page.goto(link)
    await page.wait_for("__probe.posted !== null", 15, "the page's offer")
    try:
        await page.wait_for("__probe.first !== null", 15, "the first decoded frame")
    except PageError as error:
        facts = await page.evaluate("JSON.stringify(window.__fieldgate || {})")
        raise Failed(f"{error}\nthe page says: {facts}") from error
    return page, float(await page.evaluate("__probe.first - __probe.posted")) / 1000


async def frames_grow(page: Page, limit_s: float = 30.0, what: str = "a second of new pictures") -> int:
    """Wait until 25 more frames were decoded than now; how many that makes."""
    frames = await page.evaluate("__probe.frames")
    try:
        return int(await page.wait_for(f"__probe.frames > {frames} + 25 && __probe.frames", limit_s, what))
    except PageError as error:
        facts = await page.evaluate("JSON.stringify(window.__fieldgate || {})")
        raise Failed(f"{error}\nthe page says: {facts}") from error


async def difference(page: Page, wait_s: float) -> float:
    """How much the picture changes in `wait_s`, in grey values a pixel."""
    before = await page.evaluate("__probe.look()")
    await asyncio.sleep(wait_s)
    after = await page.evaluate("__probe.look()")
    return float(sum(abs(a - b) for a, b in zip(before, after, strict=True)) / len(before))


async def move(page: Page, patience_s: float = 0.0) -> tuple[float, float, float]:
    """Hold the page's right arrow, as with a mouse, and see the picture go past, then rest.

    `patience_s`: how much longer than a second either may take; where the page says that an order came to nothing, or
    the arrow has gone from under the mouse, it is pressed anew meanwhile, as a person does. Returns the picture's
    changes in a second, in grey values: at rest, while the arrow is held, and after.
    """
    still = await difference(page, 1.0)
    arrow = "[...document.querySelectorAll('button')].find(one => one.textContent === '→' && one.offsetWidth)"
    await page.wait_for(f"!!{arrow}", 5, "the page's arrows")
    said = f"{arrow}.closest('.ptz').querySelector('.message').textContent"
    at: dict[str, Any] = {}

    async def mouse(what: str, buttons: int) -> None:
        if buttons:
            x, y = await page.evaluate(
                f"(r => [r.x + r.width / 2, r.y + r.height / 2])({arrow}.getBoundingClientRect())"
            )
            at.update(x=x, y=y, button="left", clickCount=1)
        await page.send("Input.dispatchMouseEvent", type=what, buttons=buttons, **at)

    words: list[str] = []
    await mouse("mousePressed", 1)
    until = time.perf_counter() + patience_s
    while (moving := await difference(page, 1.0)) < 3 * still + 2 and time.perf_counter() < until:
        told, held = await page.evaluate(f"[{said}, {arrow}.classList.contains('held')]")
        if told or not held:
            words.append(told or "the arrow is not held")
            await mouse("mouseReleased", 0)
            await mouse("mousePressed", 1)
    await mouse("mouseReleased", 0)
    if moving < 3 * still + 2:
        changes = f"the picture changed by {moving:.1f} grey values, at rest by {still:.1f}"
        raise Failed(f"the ball did not move: {changes}; {await page.evaluate(said)} {words}")
    await asyncio.sleep(0.5)
    until = time.perf_counter() + patience_s
    while (rest := await difference(page, 1.0)) > max(moving / 3, 2 * still + 2) and time.perf_counter() < until:
        pass
    if rest > max(moving / 3, 2 * still + 2):
        raise Failed(f"the ball did not stop: the picture still changes by {rest:.1f} grey values")
    return still, moving, rest
