"""An adapter and the context it runs in."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from pydantic import BaseModel

from gateway.base.errors import ConfigError
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
from gateway.model.doctor import Finding
from gateway.net.one_port import Lane


@dataclass(frozen=True, slots=True)
class KitTls:
    """Files of the kit's own server certificate, PEM: what a TLS server shows, and what a client trusts."""

    certificate: Path
    key: Path
    ca: Path | None  # None: it is not signed by the kit's own authority


class Context(Protocol):
    """What the daemon hands each adapter. Its members are the core's objects."""

    @property
    def gateway(self) -> str:
        """Our own gateway's slug, the first part of every id."""

    @property
    def state_dir(self) -> Path:
        """A directory of this adapter's own, 0700, kept over restarts."""

    @property
    def media(self) -> Media: ...
    @property
    def streams(self) -> Streams: ...
    @property
    def devices(self) -> Devices: ...
    @property
    def messages(self) -> Messages: ...
    @property
    def http(self) -> Http: ...
    @property
    def talk(self) -> Talk: ...
    @property
    def calls(self) -> Calls: ...
    @property
    def informants(self) -> Informants: ...
    @property
    def sources(self) -> Sources: ...
    @property
    def reach(self) -> Reach: ...
    @property
    def programs(self) -> Programs: ...
    @property
    def push_points(self) -> PushPoints: ...
    @property
    def grants(self) -> Grants: ...
    @property
    def fleet(self) -> Fleet: ...
    @property
    def home(self) -> Home: ...
    @property
    def outbox(self) -> Outbox: ...
    @property
    def inbox(self) -> Inbox: ...
    @property
    def meshes(self) -> Meshes: ...
    @property
    def links(self) -> Links: ...
    @property
    def kit(self) -> KitStanding: ...
    @property
    def texts(self) -> Texts: ...
    def addresses(self) -> Sequence[str]:
        """This machine's own IP addresses, loopback excluded unless there is no other; as of now."""

    def shared_udp(self, lane: Lane, port: int) -> socket.socket | None:
        """The lane's socket of the UDP port that a center's adapters share, the adapter's to close; None: this port is
        its own to bind. Raises OSError and ConfigError (`port-not-shared`)."""

    def kit_tls(self) -> KitTls | None:
        """The certificate that the console shows too; None where HTTPS is off. Renewed now and then: ask again."""

    def ready(self) -> None:
        """Called once per `run` when the adapter's sockets are open: the daemon's readiness waits for it."""

    def lacking(self, *problems: ConfigError) -> None:
        """It goes on without something, a port that another program holds: shown beside its state, as a configuration
        that is wrong would be, until told again. Nothing given: it has all it needs."""

    async def started(self) -> None:
        """Returns when the daemon has said that it is ready, at once if it has before: what loads slowly and is not
        needed yet waits for it."""


class Adapter(Protocol):
    """One protocol. `run` ends only by cancellation or error: LinkDown and PeerError restart it with backoff,
    ConfigError stops it until the configuration changes. Clean-up stands in `finally`."""

    name: ClassVar[str]
    Config: ClassVar[type[BaseModel]]

    def __init__(self, config: BaseModel, context: Context) -> None: ...
    async def run(self) -> None: ...

    @classmethod
    async def checks(cls, config: BaseModel) -> Sequence[Finding]:
        """The doctor's questions to this adapter, asked without a running daemon: ports free, parts installed."""


@runtime_checkable
class Measured(Protocol):
    """An adapter with figures of its own in /metrics: `gateway_adapter_figure{adapter, figure}`."""

    def figures(self) -> Mapping[str, float]:
        """What stands now, by name. Few names, always the same. Read on every scrape: it returns at once."""


@runtime_checkable
class Checked(Protocol):
    """An adapter that knows, while it runs, what is well and what is wrong with it: the doctor of a running daemon."""

    def findings(self) -> Sequence[Finding]:
        """Few, and with reason codes; reads memory only and returns at once."""
