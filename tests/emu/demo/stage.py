"""The demo's gateways: a center here, a kit with a ball in each county's namespace, paired by a code."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from gateway.base.errors import GatewayError
from gateway.cli.client import Client
from tests.emu.program import ROOT
from tests.emu.world import Node, World

BALL = "34020000001110000001"
BALL_ID = "ball-1"
PATIENCE_S = 90.0
POLL_S = 0.2


class Failed(RuntimeError):
    """Something of the demo did not come up; with the last that it said."""


@dataclass(frozen=True)
class County:
    """A kit's id, what people call it, where it belongs (GB/T 2260), and where its ball is (longitude, latitude)."""

    gateway: str
    title: str
    adcode: str
    at: str


COUNTIES = (
    County("county-a", "甲县 County A", "510121", "104.4120,30.8620"),
    County("county-b", "乙县 County B", "510129", "103.5211,30.5873"),
)


def center_config(api_port: int, udp_port: int, ports: str = "") -> str:
    """`ports`: TOML of the other ports and of the API's, for a machine where the usual ones are taken."""
    return (
        '[gateway]\nid = "center"\nname = "指挥中心 Center"\nrole = "center"\n'
        + (ports or f"[api]\nport = {api_port}\n")
        + f'[adapter.uplink]\nlisten_udp = "0.0.0.0:{udp_port}"\n'
    )


def kit_config(county: County, links: Sequence[str]) -> str:
    """Everything else is as it comes. Links would be found by themselves: they are named to say that they are 4G."""
    named = "".join(
        f'[[adapter.uplink.links]]\nname = "{link}"\ninterface = "{link}"\nbearer = "lte"\n' for link in links
    )
    return (
        f'[gateway]\nid = "{county.gateway}"\nname = "{county.title}"\nrole = "edge"\nadcode = "{county.adcode}"\n'
        f"[adapter.uplink]\n{named}"
    )


class Gateway:
    """One daemon, in a node of the world, with its state in a folder of its own."""

    def __init__(self, node: Node, folder: Path, config: str) -> None:
        self.node, self.folder = node, folder
        folder.mkdir(mode=0o700, parents=True)
        (folder / "fieldgate.toml").write_text(config, encoding="utf-8")
        self.client = Client(folder)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.start("run", "--config", str(folder / "fieldgate.toml"), "--state-dir", str(folder))

    def start(self, *words: str) -> None:
        with (self.folder / f"{words[0]}.log").open("ab") as log:
            self._running[words[0]] = self.node.start(
                sys.executable, "-m", "gateway", *words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT
            )

    def check(self) -> None:
        for name, process in self._running.items():
            if process.poll() is not None:
                said = (self.folder / f"{name}.log").read_text(errors="replace")[-1500:].strip()
                raise Failed(f"{self.node.name}: {name} ended with {process.returncode}: {said}")

    def until(self, what: str, question: Callable[[], Any]) -> Any:
        """Asks until the answer is true. Raises Failed with what was waited for."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            self.check()
            with suppress(GatewayError):
                if answer := question():
                    return answer
            if time.monotonic() > deadline:
                raise Failed(f"{self.node.name}: {what} took longer than {PATIENCE_S:.0f} s; see {self.folder}")
            time.sleep(POLL_S)

    def ready(self) -> None:
        self.until("the gateway's start", lambda: self.client.get("/api/v1/system")["ready"])

    def runs(self, *parts: str) -> None:
        """Raises Failed where a part that the demo needs did not start, as for a port that another program has."""
        for adapter in self.client.get("/api/v1/system/health")["adapters"]:
            if adapter["type"] in parts and adapter["state"] == "failed":
                words = f"{self.node.name}: {adapter['name']}: {adapter['detail'] or adapter['code']}"
                raise Failed(
                    f"{words}\n请停止占用该端口的程序，或用 --center-ports 另行指定端口。"
                    "\nStop what holds it, or name other ports by --center-ports."
                )

    def ball(self, at: str) -> None:
        """A simulated ball on the kit's own network, at that place."""
        name = "布控球 Control ball"
        self.client.post("/api/v1/devices", {"external_id": BALL, "id": BALL_ID, "name": name})
        password = ["--password-file", str(self.folder / "kit-password")]
        self.start("sim", "ball", "--server", "127.0.0.1:5060", "--id", BALL, "--at", at, *password)

    def stop(self) -> None:
        for process in reversed(self._running.values()):
            process.send_signal(signal.SIGTERM)
        for process in reversed(self._running.values()):
            with suppress(subprocess.TimeoutExpired):
                process.wait(8)


def pair(kit: Gateway, center: Gateway, address: str, api_port: int) -> None:
    """As two people would: a code is made at the kit, and admitted at the center."""
    order = {"role": "operator", "center": f"{address}:{api_port}"}
    made = kit.client.post("/api/v1/pairing/offers", order)
    center.client.post("/api/v1/pairing/admit", {"code": made["code"], "hosts": [address]})
    offer = made["offer"]["id"]
    kit.until("pairing", lambda: kit.client.get(f"/api/v1/pairing/offers/{offer}")["state"] == "paired")


def streams(center: Gateway, county: County) -> list[str]:
    """What the center's directory offers of a kit."""
    found = center.client.get("/api/v1/streams")
    return [str(one["id"]) for one in found if str(one["id"]).startswith(f"{county.gateway}/")]


class Scene:
    """Everything of the demo."""

    def __init__(self, world: World, folder: Path, *, api_port: int, udp_port: int, ports: str = "") -> None:
        self.world, self.folder, self.api_port = world, folder, api_port
        self.center = Gateway(world.center, folder / "center", center_config(api_port, udp_port, ports))
        self.kits = {}
        for county in COUNTIES:
            node = world.nodes[county.gateway]
            self.kits[county.gateway] = Gateway(node, folder / county.gateway, kit_config(county, list(node.links)))

    def begin(self) -> dict[str, str]:
        """Until every county's picture is in the center's directory: kit → stream."""
        for one in (self.center, *self.kits.values()):
            one.ready()
        self.center.runs("webrtc", "uplink")
        for county in COUNTIES:
            kit = self.kits[county.gateway]
            kit.ball(county.at)
            pair(kit, self.center, self.world.center_address, self.api_port)
        shown = {}
        for county in COUNTIES:
            found = self.center.until(f"{county.title}'s ball", partial(streams, self.center, county))
            shown[county.gateway] = str(found[0])
        return shown

    def check(self) -> None:
        for one in (self.center, *self.kits.values()):
            one.check()

    def code(self) -> str:
        order = {"role": "operator", "ttl_s": 86400.0, "name": "demo"}
        return str(self.center.client.post("/api/v1/auth/codes", order)["code"])

    def stop(self) -> None:
        for one in (*self.kits.values(), self.center):
            one.stop()

    def facts(self, **more: str) -> None:
        """For programs: what a person is told, in `demo-center.json` (0600)."""
        file = self.folder / "demo-center.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(more, ensure_ascii=False), encoding="utf-8")
