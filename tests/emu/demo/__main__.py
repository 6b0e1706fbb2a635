"""`make demo-center`: two counties' kits and a center on this machine, each kit behind two emulated bad links.

The center is here, so that a browser reaches its console; each kit, with a simulated ball, is in a network namespace of
its own. A page, secured by a token of its own, cuts and mends the links. Needs root. Ctrl-C ends everything; nothing is
left behind.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import ssl
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from gateway.core.addresses import own_addresses
from tests.emu.demo.page import Page
from tests.emu.demo.stage import COUNTIES, Failed, Scene
from tests.emu.link import Link, Shape
from tests.emu.program import Unable
from tests.emu.world import World, shares

# What a person sees of each link, and what it is.
LINKS = {
    "lte-a": ("4G 甲网，丢包 5 % · 4G, 5 % lost in bursts", 6e6, Shape(delay_ms=35, jitter_ms=8, burst_loss=0.05)),
    "lte-b": ("4G 乙网，丢包 8 % · 4G, 8 % lost in bursts", 4e6, Shape(delay_ms=60, jitter_ms=12, burst_loss=0.08)),
}


class Desk:
    """What the page shows, and what a click does."""

    def __init__(self, scene: Scene, links: dict[tuple[str, str], Link], base: str) -> None:
        self._scene, self._links, self._base = scene, links, base

    def state(self) -> dict[str, Any]:
        kits = []
        for county in COUNTIES:
            shown = [self._link(kit, name) for kit, name in self._links if kit == county.gateway]
            kits.append({"name": county.gateway, "title": county.title, "links": shown})
        return {"kits": kits}

    def _link(self, kit: str, name: str) -> dict[str, Any]:
        told = self._links[kit, name].figures()
        words, rate_bps, _ = LINKS[name]
        return {
            "kit": kit,
            "name": name,
            "words": words,
            "rate_bps": rate_bps,
            "cut": told["cut"],
            "up_bytes": told["up"]["bytes_out"],
            "lost": shares(told),
        }

    def act(self, order: dict[str, Any]) -> dict[str, Any]:
        if order.get("do") == "console":
            return {"open": self.console()}
        link = self._links.get((str(order.get("kit")), str(order.get("link"))))
        if order.get("do") != "cut" or link is None or not isinstance(order.get("cut"), bool):
            raise ValueError("没有这条链路或操作。 There is no such link or order.")
        link.set(cut=order["cut"])
        return self.state()

    def console(self) -> str:
        return f"{self._base}/#code={self._scene.code()}"


def stop(*_: object) -> None:
    raise KeyboardInterrupt


def tell(lines: list[str]) -> None:
    print("\n".join(lines), flush=True)


def play(folder: Path, given: argparse.Namespace) -> None:
    with World(*(county.gateway for county in COUNTIES), here=True) as world:
        links = {}
        for index, county in enumerate(COUNTIES):
            for name, (_, rate_bps, shape) in LINKS.items():
                kit, up, down = world.nodes[county.gateway], shape.with_rate(rate_bps), shape.with_rate(2 * rate_bps)
                links[county.gateway, name] = world.link(name, kit=kit, seed=index + 1, up=up, down=down)
        tell(["正在启动中心与两个县的终端站 … Starting the center and two counties' kits …"])
        ports = given.center_ports.read_text(encoding="utf-8") if given.center_ports else ""
        scene = Scene(world, folder, api_port=given.api_port, udp_port=given.udp_port, ports=ports)
        try:
            shown = scene.begin()
            attend(scene, links, shown, given)
        finally:
            scene.stop()


def attend(scene: Scene, links: dict[tuple[str, str], Link], shown: dict[str, str], given: argparse.Namespace) -> None:
    host = given.host or own_addresses()[0]
    host = f"[{host}]" if ":" in host else host
    desk = Desk(scene, links, f"https://{host}:{given.api_port}")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificates = scene.center.folder / "tls"
    tls.load_cert_chain(certificates / "server.crt", certificates / "server.key")
    page = Page((given.listen, given.page_port), desk.state, desk.act, tls=tls)
    try:
        cutting, console = f"https://{host}:{page.port}/#{page.token}", desk.console()
        scene.facts(page=cutting, console=console, **{f"stream {kit}": stream for kit, stream in shown.items()})
        tell(
            [
                "",
                f"  切断与恢复链路 Cut and mend links:   {cutting}",
                f"  中心控制台 The center's console:     {console}",
                "",
                "  在控制台打开任一画面，再到链路页切断一条链路：画面不中断。浏览器会提示证书由中心自行签发。",
                "  Open a picture in the console, then cut a link on the page: the picture goes on. The browser warns",
                f"  that the certificate is the center's own: go on, or trust {certificates / 'ca.crt'} first.",
                "  Ctrl-C 结束 / Ctrl-C ends",
            ]
        )
        while True:
            scene.check()
            time.sleep(0.5)
    finally:
        page.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="", help="what the links name; else this machine's first address")
    parser.add_argument("--listen", default="0.0.0.0", help="where the page of links is served")
    parser.add_argument("--page-port", type=int, default=8450)
    parser.add_argument("--api-port", type=int, default=8443)
    parser.add_argument("--udp-port", type=int, default=8444)
    parser.add_argument("--center-ports", type=Path, help="TOML of all ports of the center, the API's among them")
    parser.add_argument("--state-dir", type=Path, help="else a throwaway one; must not exist yet")
    given = parser.parse_args()
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, stop)
    folder = given.state_dir or Path(tempfile.mkdtemp(prefix="fieldgate-demo-center-"))
    try:
        play(folder, given)
    except KeyboardInterrupt:
        tell(["", "正在停止。 Stopping."])
    except (Failed, Unable) as lacking:
        sys.exit(str(lacking))
    finally:
        if given.state_dir is None:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
