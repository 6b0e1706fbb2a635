"""Whole daemons of kits and centers with the MQTT adapter, in this loop, on loopback, with real certificates."""

from __future__ import annotations

import dataclasses
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from adapters.mqtt.adapter import Mqtt
from gateway import codecs
from gateway.base.authority import Authority, ClientFiles, client_files, new_request
from gateway.config.load import load_config
from gateway.core.core import Core
from gateway.daemon import Daemon
from gateway.model.alarm import Alarm, AlarmSeverity
from gateway.model.ids import DeviceId
from gateway.model.pairing import PairedCenter, PairedKit
from gateway.model.principal import Role
from gateway.registry import Installed
from tests.fakes.engine import FakeEngine

TABLE = Installed({"mqtt": "adapters.mqtt:Mqtt"})
CENTER = "center1"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def toml(gateway: str, role: str, mqtt: str, *, api_port: int = 0) -> str:
    """`api_port`: where the API is, by TLS; 0: nobody needs it."""
    tls = str(bool(api_port)).lower()
    api = f'[api]\nlisten = "127.0.0.1"\nport = {api_port or free_port()}\ntls = {tls}\n'
    return f'[gateway]\nid = "{gateway}"\nrole = "{role}"\n{api}[adapter.mqtt]\ntelemetry = "1s"\n{mqtt}'


@dataclass
class Running:
    daemon: Daemon
    state_dir: Path

    @property
    def core(self) -> Core:
        return self.daemon.core

    @property
    def mqtt(self) -> Mqtt:
        return cast(Mqtt, self.daemon.attached.made["mqtt"])

    async def alarm(self, key: str, severity: AlarmSeverity = AlarmSeverity.MAJOR) -> None:
        now, device = time.time(), DeviceId(f"{self.daemon.config.gateway.id}/ball-1")
        await self.core.reports.alarm(Alarm(device, "ch1", key, severity, "motion", "video", "", now, now))

    async def alarms(self) -> list[str]:
        from gateway.model.principal import SYSTEM

        return sorted(one.key for one in await self.core.alarms.recent(SYSTEM, limit=1000))


@asynccontextmanager
async def gateway(folder: Path, text: str) -> AsyncIterator[Running]:
    """A daemon from its configuration; everything of it has ended after."""
    folder.mkdir(parents=True, exist_ok=True)
    path, state_dir = folder / "fieldgate.toml", folder / "state"
    path.write_text(text)
    config = load_config(path, TABLE)
    config = dataclasses.replace(config, gateway=config.gateway.model_copy(update={"state_dir": state_dir}))

    def engine(threads: int) -> codecs.Engine:
        return cast(codecs.Engine, FakeEngine(threads=threads))

    daemon = Daemon(config, path, state_dir, registry=TABLE, engine=engine)
    async with daemon.started():
        await daemon.whole()
        yield Running(daemon, state_dir)


def certified(authority_of: Path, state_dir: Path, gateway: str, center: str = CENTER) -> ClientFiles:
    """What pairing brings: a client certificate of the center's authority, at the kit."""
    authority = Authority(authority_of / "tls", center)
    key, request = new_request(gateway)
    files = client_files(state_dir, center)
    files.keep(ca=authority.certificate.read_bytes(), certificate=authority.issue_client(gateway, request), key=key)
    return files


async def paired(center: Running, kit: Running, role: Role = Role.OPERATOR) -> None:
    """Each knows the other's key."""
    gateway = kit.daemon.config.gateway.id
    await center.core.pairings.admit_kit(PairedKit(gateway, kit.core.pairings.public_key(), name=gateway.title()))
    await joined(center, kit, role)


async def joined(center: Running, kit: Running, role: Role = Role.OPERATOR) -> None:
    """At the kit."""
    key, port, name = center.core.pairings.public_key(), center.daemon.config.api.port, center.daemon.config.gateway.id
    await kit.core.pairings.admit_center(PairedCenter(name, key, hosts=("127.0.0.1",), tcp_port=port, role=role))
