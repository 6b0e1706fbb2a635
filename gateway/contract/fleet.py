"""Kits at a center, centers at a kit: what the adapters that join them (uplink, mqtt) tell the core.

At a center a way to a kit comes up (`Fleet.kit_up`), tells what the kit has by the `KitHold` it got, and goes
(`KitHold.down`). A kit may be here by several ways at once; orders go by the first that can. At a kit the adapter tells
how each center stands (`Fleet.center`).
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from gateway.contract.home import ApiAnswer, ApiRequest, VoiceEnd
from gateway.contract.media import Publication
from gateway.contract.voice import SeatWish
from gateway.model.alarm import Alarm
from gateway.model.command import Command, CommandResult
from gateway.model.device import Device
from gateway.model.ids import DeviceId, StreamId
from gateway.model.kit import CenterState, LinkState, Thumbnail
from gateway.model.kit_state import KitCondition
from gateway.model.media import Snapshot, StreamStatus
from gateway.model.pairing import PairedCenter, PairedKit
from gateway.model.position import Position
from gateway.model.principal import Principal
from gateway.model.ptz import PtzHolder
from gateway.model.voice import FloorWord, GroupId, GroupStatus

OpenService = Callable[[str], Awaitable[socket.socket]]
"""Opens a connection to a service by its name, as `FarServices.connect`."""


@dataclass(frozen=True, slots=True)
class KitAbout:
    """What a kit says of itself as it comes. `clock_off_s`: its clock minus ours."""

    name: str = ""
    boot: int = 0
    version: str = ""
    adcode: str = ""
    address: str = ""
    clock_off_s: float | None = None


class KitWay(Protocol):
    """One way to a kit, made by the adapter that has it."""

    @property
    def name(self) -> str:
        """ "uplink" or "mqtt"."""

    async def command(self, command: Command, left_s: float) -> CommandResult:
        """Have the kit carry out an order. Its deadline is of our clock and the kit's may be wrong by a year: what
        counts there is that `left_s` seconds are left. Raises LinkDown, PeerError."""


@runtime_checkable
class KitBundle(Protocol):
    """A KitWay that carries pictures and more: the link bundle."""

    async def open(self, stream: StreamId, publication: Publication) -> None:
        """As `contract.media.Open`: the picture of a stream of the kit, until it ends. One copy for all who watch."""

    async def snapshot(self, stream: StreamId, *, height: int = 0, quality: int = 75) -> Snapshot:
        """A JPEG of now, made at the kit. Raises LinkDown, PeerError."""

    async def api(self, request: ApiRequest, who: Principal) -> ApiAnswer:
        """A request to the kit's own API in the name of `who`. Raises LinkDown."""

    def talk(self, target: str, wish: SeatWish) -> AbstractAsyncContextManager[FarLine]:
        """Sit in a talk group of the kit, or in a conversation with a channel of it, while the context lasts.

        Raises what the kit answers: NotFound, Denied, Busy; LinkDown.
        """


class FarLine(Protocol):
    """A seat of ours in a talk group of a kit, or in a conversation there. Its callbacks are set at once."""

    @property
    def voice(self) -> int:
        """The media plane's voice that carries it: what is said there is heard of it, what it hears is heard there."""

    @property
    def member(self) -> str:
        """The seat's id at the kit: what orders about it name."""

    @property
    def full(self) -> bool:
        """Full duplex: there is no floor to ask for."""

    def send(self, on: bool) -> None:
        """Whether what it hears goes out: nothing does while somebody else has the floor."""

    async def press(self, *, emergency: bool = False) -> None:
        """Ask the kit for the floor, as `Seat.press`; its word comes by `on_word`. Raises LinkDown, PeerError."""

    async def release(self) -> None: ...

    def on_word(self, called: Callable[[FloorWord], None]) -> None:
        """What the kit's floor says to this seat."""

    def on_hears(self, called: Callable[[bool], None]) -> None:
        """Somebody is heard there from now on, or nobody is."""

    async def ended(self) -> tuple[str, str]:
        """When the kit, or the link, ended it: (code, detail)."""


class KitHold(Protocol):
    """A way's hold on one kit while it is up; does nothing after `down`. Ids that are not the kit's own raise
    RemoteProtocolError (`kit-foreign-id`)."""

    def about(self, about: KitAbout) -> None: ...
    def seen(self) -> None:
        """A sign of life."""

    def devices(self, devices: Sequence[Device]) -> None:
        """All that there are; others go."""

    def device(self, device: Device) -> None: ...
    def device_gone(self, device: DeviceId) -> None: ...
    def streams(self, streams: Sequence[StreamStatus]) -> None:
        """All that there are, as they stand at the kit; others go."""

    def stream(self, status: StreamStatus) -> None:
        """REMOVED: it goes."""

    def groups(self, groups: Sequence[GroupStatus]) -> None: ...
    def group(self, status: GroupStatus) -> None: ...
    def group_gone(self, group: GroupId) -> None: ...
    def voices(self, voices: Sequence[VoiceEnd]) -> None:
        """All that can be talked to there."""

    def holder(self, stream: str, holder: PtzHolder | None) -> None: ...
    def links(self, links: Sequence[LinkState], *, told: bool = True) -> None:
        """`told`: by the kit, which is a sign of life, and counts while this way leads. Else what our own end hears,
        or does not: that counts whoever leads."""

    def condition(self, condition: KitCondition) -> None:
        """How the kit itself stands: power, heat, disk, clock, place."""

    def gave_up(self, stream: StreamId, code: str) -> None:
        """The kit sends less of a stream than it has; "" ends it."""

    def reachable(self, yes: bool, code: str = "") -> None:
        """Whether anything passes at this moment: a session outlives its links."""

    def thumbnail(self, stream: StreamId, picture: Snapshot) -> None:
        """What is really received of the kit."""

    async def alarm(self, alarm: Alarm) -> None:
        """Durable when it returns, kept once whichever ways it comes (`Alarm.id`). Raises GatewayError `disk-full`."""

    def position(self, position: Position) -> None: ...
    def down(self, code: str, detail: str = "") -> None:
        """This way is gone: `kit-offline`, `kit-revoked`, … Safe to call twice."""


class Pairings(Protocol):
    """Who is paired with us. Kept in SQLite; read from memory."""

    def private_key(self) -> bytes:
        """Our own, X25519, 32 bytes (`state_dir/bundle.key`, made when first asked for)."""

    def next_key(self) -> bytes:
        """At a kit: the private key that takes the place of ours; b"" while there is none. A center that refuses one of
        the two may know the other."""

    def key_told(self, gateway: str) -> None:
        """At a kit: that center has the next key on its disk, and reads what either of the two seals. Durable, before
        it is called by that key. Raises GatewayError (`disk-full`)."""

    def key_taken(self, gateway: str) -> None:
        """At a kit: that center has let us in by the next key. When all have, it is the only one."""

    async def announce_key(self, gateway: str, key: bytes, by: bytes) -> None:
        """At a center: a kit told its next public key over its session, which it came to by its key `by`. Durable.
        Raises NotFound (`kit-revoked`: by that key nothing is paired any more), Denied, Busy."""

    async def promote_key(self, gateway: str, by: bytes) -> None:
        """At a center: the session by the old key `by` is over; the kit comes by the one that it announced. Nothing
        where it announced none, or has been revoked or admitted anew since."""

    def kits(self) -> Sequence[PairedKit]:
        """At a center: those admitted, revoked ones too."""

    def centers(self) -> Sequence[PairedCenter]: ...
    def reachable_at(self, udp_port: int) -> None:
        """At a center: where bundles are taken; kits that are admitted from now on are told so."""

    def on_change(self, called: Callable[[], None]) -> Callable[[], None]:
        """`called()` after every change, until the returned function is called."""


class FarServices(Protocol):
    """TCP services of the gateways that we are joined with, by name: which there are is said by their owner."""

    def carried(self, gateway: str, opened: OpenService) -> Callable[[], None]:
        """That gateway's services are reached so from now on, until the returned function is called."""

    async def connect(self, gateway: str, service: str) -> socket.socket:
        """A connected stream socket, not blocking, the caller's to close. A service that is not there ends at once.
        Raises LinkDown."""


class Fleet(Protocol):
    @property
    def pairings(self) -> Pairings: ...
    @property
    def services(self) -> FarServices: ...

    def kit_up(self, gateway: str, about: KitAbout, way: KitWay) -> KitHold:
        """A kit is here by this way; the same way again replaces the one before.

        Raises Denied: `kit-unknown` (nobody admitted it), `kit-revoked`, `kit-stale` (its boot counter is lower than
        one that is here: a copy of its state, or a message of the past).
        """

    def kit_refused(self, gateway: str, code: str, detail: str = "") -> None:
        """A kit that is ours proved who it is and can not be taken by this way. Where it has another it is here."""

    def center(self, state: CenterState) -> None:
        """At a kit: how a center stands."""

    def center_gone(self, gateway: str) -> None: ...
    def centers(self) -> Sequence[CenterState]:
        """At a kit: how its centers stand, those that are held first."""

    def thumbnail(self, gateway: str, picture: Thumbnail) -> None:
        """What a center really receives of a kit; told at both ends."""

    def may(
        self, center: PairedCenter, name: str, role: str, session: str, address: str = "", scope: str = ""
    ) -> Principal:
        """At a kit: whom somebody of a center is here: `name@center`, with no more than the center's own rights, and
        within both scopes."""
