"""What the daemon hands each adapter. Fulfils `contract.adapter.Context`."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.base.errors import ConfigError
from gateway.config.root import Config
from gateway.contract.adapter import KitTls
from gateway.contract.device import Devices
from gateway.contract.fleet import Fleet
from gateway.contract.forward import Inbox, Outbox
from gateway.contract.grants import Grants
from gateway.contract.home import Home
from gateway.contract.http import Http
from gateway.contract.informant import Informants
from gateway.contract.kit import KitStanding
from gateway.contract.link import Links
from gateway.contract.media import Media, Streams
from gateway.contract.mesh import Meshes
from gateway.contract.message import Messages
from gateway.contract.source import Programs, PushPoints, Reach, Sources
from gateway.contract.texts import Texts
from gateway.contract.voice import Calls, Talk
from gateway.core.addresses import own_addresses
from gateway.net.one_port import Lane, OnePort

if TYPE_CHECKING:
    from gateway.core.core import Core


async def _at_once() -> None:
    pass


@dataclass(frozen=True, slots=True)
class AdapterContext:
    gateway: str
    state_dir: Path
    media: Media
    streams: Streams
    devices: Devices
    messages: Messages
    http: Http
    talk: Talk
    calls: Calls
    sources: Sources
    reach: Reach
    programs: Programs
    push_points: PushPoints
    grants: Grants
    informants: Informants
    fleet: Fleet
    home: Home
    outbox: Outbox
    inbox: Inbox
    meshes: Meshes
    links: Links
    kit: KitStanding
    texts: Texts
    on_ready: Callable[[], None] = field(default=lambda: None)
    tls: Callable[[], KitTls | None] = field(default=lambda: None)
    on_started: Callable[[], Awaitable[object]] = _at_once
    on_lacking: Callable[..., None] = field(default=lambda *_problems: None)
    one_port: OnePort | None = None

    def addresses(self) -> Sequence[str]:
        return own_addresses()

    def shared_udp(self, lane: Lane, port: int) -> socket.socket | None:
        return self.one_port.take(lane, port) if self.one_port is not None else None

    def kit_tls(self) -> KitTls | None:
        return self.tls()

    def ready(self) -> None:
        self.on_ready()

    def lacking(self, *problems: ConfigError) -> None:
        self.on_lacking(*problems)

    async def started(self) -> None:
        await self.on_started()


def context_of(
    core: Core,
    gateway: str,
    state_dir: Path,
    http: Http,
    *,
    ready: Callable[[], None] = lambda: None,
    tls: Callable[[], KitTls | None] = lambda: None,
    started: Callable[[], Awaitable[object]] = _at_once,
    lacking: Callable[..., None] = lambda *_problems: None,
) -> AdapterContext:
    """An adapter's context, of the core's own objects."""
    return AdapterContext(
        gateway=gateway,
        state_dir=state_dir,
        media=core.plane,
        streams=core.streams,
        devices=core.devices,
        messages=core.reports,
        http=http,
        talk=core.talk,
        calls=core.calls,
        sources=core.sources,
        reach=core.reach,
        programs=core.programs,
        push_points=core.push_points,
        grants=core.grants,
        informants=core.informants,
        fleet=core.fleet,
        home=core.home,
        outbox=core.outbox,
        inbox=core.inbox,
        meshes=core.meshes,
        links=core.links,
        kit=core.standing,
        texts=core.texts,
        one_port=core.one_port,
        on_ready=ready,
        tls=tls,
        on_started=started,
        on_lacking=lacking,
    )


def kit_tls(config: Config) -> KitTls | None:
    """The API has made it by now: it starts before the adapters."""
    api = config.api
    if api.tls_cert is not None and api.tls_key is not None:
        return KitTls(api.tls_cert, api.tls_key, None)
    folder = config.gateway.state_dir / "tls"
    made = KitTls(folder / "server.crt", folder / "server.key", folder / "ca.crt")
    return made if made.certificate.exists() else None
