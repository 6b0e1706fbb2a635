"""What the daemon hands each adapter. Fulfils `contract.adapter.Context`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.config.root import Config
from gateway.contract.adapter import KitTls
from gateway.contract.device import Devices
from gateway.contract.fleet import Fleet
from gateway.contract.forward import Inbox, Outbox
from gateway.contract.grants import Grants
from gateway.contract.home import Home
from gateway.contract.http import Http
from gateway.contract.informant import Informants
from gateway.contract.media import Media, Streams
from gateway.contract.message import Messages
from gateway.contract.source import Programs, PushPoints, Reach, Sources
from gateway.contract.voice import Calls, Talk
from gateway.core.addresses import own_addresses


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
    on_ready: Callable[[], None] = field(default=lambda: None)
    tls: Callable[[], KitTls | None] = field(default=lambda: None)

    def addresses(self) -> Sequence[str]:
        return own_addresses()

    def kit_tls(self) -> KitTls | None:
        return self.tls()

    def ready(self) -> None:
        self.on_ready()


def kit_tls(config: Config) -> KitTls | None:
    """The API has made it by now: it starts before the adapters."""
    api = config.api
    if api.tls_cert is not None and api.tls_key is not None:
        return KitTls(api.tls_cert, api.tls_key, None)
    folder = config.gateway.state_dir / "tls"
    made = KitTls(folder / "server.crt", folder / "server.key", folder / "ca.crt")
    return made if made.certificate.exists() else None
