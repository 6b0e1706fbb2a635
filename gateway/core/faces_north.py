"""What the API gets of the core about the kit itself, its ways northward, its centers and, at a center, its kits.

The rules of `core.services` hold.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Collection, Sequence
from pathlib import Path
from typing import Protocol

from gateway.contract.home import ApiAnswer, ApiRequest
from gateway.model.forward import ForwardFile, KeptEvent, KeptFile, Uplink, WaitingFile
from gateway.model.kit import Kit, KitLinks, LinkTrail, Thumbnail
from gateway.model.kit_state import FieldState, KitCondition
from gateway.model.link import Link
from gateway.model.mesh import MeshMark, MeshSnapshot
from gateway.model.pairing import PairedCenter, PairedKit, PairingOffer
from gateway.model.principal import Principal, Role
from gateway.model.telemetry import KitRecord
from gateway.model.texts import Arrived, CarrierState, TextIn, TextOut


class FleetFace(Protocol):
    def kits(self, who: Principal) -> Sequence[Kit]:
        """At a center its kits; at a kit itself, with its centers."""

    def kit(self, who: Principal, gateway: str) -> Kit:
        """Raises NotFound, Denied."""

    async def link_trails(
        self, who: Principal, gateway: str, hours: float, points: int
    ) -> tuple[KitLinks, Sequence[LinkTrail]]:
        """How its links are and were, at most `points` entries each."""

    async def ask(self, who: Principal, gateway: str, request: ApiRequest) -> ApiAnswer:
        """A request to a kit's own API. Raises NotFound, Denied, LinkDown."""

    def picture(self, who: Principal, gateway: str) -> Thumbnail:
        """What a center really receives. Raises NotFound (`thumbnail-none`), Denied."""


class KitFace(Protocol):
    """The kit itself: its power, heat, disk, clock and place; and the field team's word."""

    @property
    def condition(self) -> KitCondition: ...
    @property
    def field(self) -> FieldState: ...
    def outward(self) -> Collection[str]:
        """Addresses and interfaces of this machine that lead elsewhere: those of links."""


class LinksFace(Protocol):
    """The ways northward of this gateway itself."""

    def links(self, who: Principal) -> Sequence[Link]: ...
    async def trails(self, who: Principal, hours: float, points: int) -> Sequence[LinkTrail]: ...


class MeshesFace(Protocol):
    def snapshots(self, who: Principal) -> Sequence[MeshSnapshot]: ...
    def marks(self, who: Principal, mesh: str, *, hours: float, most: int) -> Sequence[MeshMark]:
        """Moments of the history, oldest first. Raises NotFound, Denied."""

    def at(self, who: Principal, mesh: str, at: float) -> MeshSnapshot:
        """As it was then. Raises NotFound (`mesh-no-history`), Denied."""


class ForwardFace(Protocol):
    """Store and forward: at a kit what waits for its centers, at a center what kits sent."""

    def uplinks(self, who: Principal) -> Sequence[Uplink]: ...
    async def waiting_files(self, who: Principal) -> Sequence[WaitingFile]:
        """Operators and up."""

    async def send(self, who: Principal, name: str, device: str, pieces: AsyncIterable[bytes]) -> ForwardFile:
        """A recording, or any file, by its bytes, for all centers; of that device, or of the gateway (operators and
        up). Raises GatewayError (`outbox-nobody`, `outbox-full`, `too-large`, `disk-full`, `file-empty`)."""

    async def leave(self, who: Principal, name: str) -> None:
        """Nothing is kept for that far side any more, and what waits is dropped (administrator). Raises NotFound."""

    async def events(
        self, who: Principal, *, gateway: str = "", after: int = 0, before: float | None = None, limit: int = 200
    ) -> Sequence[KeptEvent]:
        """Of kits, newest first."""

    async def files(
        self, who: Principal, *, gateway: str = "", before: float | None = None, limit: int = 200
    ) -> Sequence[KeptFile]:
        """Of kits, newest first."""

    async def file(self, who: Principal, gateway: str, id_: str) -> tuple[KeptFile, Path]:
        """Of a whole one; looking at it is audited. Raises NotFound."""

    async def remove(self, who: Principal, gateway: str, id_: str) -> None:
        """A whole one, for good (administrator). Raises NotFound."""


class PairingFace(Protocol):
    async def offer(
        self, who: Principal, *, role: Role = Role.OPERATOR, scope: str = "", center: str = ""
    ) -> tuple[PairingOffer, str]:
        """A code of this gateway for a center. Raises Denied, Busy."""

    def offered(self, who: Principal, id_: str) -> PairingOffer: ...
    async def renew_key(self, who: Principal) -> None:
        """Our key anew, told to our centers. Raises Denied."""

    async def accept(self, who: Principal, text: str) -> PairedCenter:
        """Raises RemoteProtocolError (`pair-code`), Denied (`pair-foreign`)."""

    async def admit(
        self, who: Principal, text: str, *, name: str = "", hosts: Sequence[str] = ()
    ) -> tuple[PairedKit, str]:
        """Raises RemoteProtocolError (`pair-code`), Unsupported (`pair-no-center`)."""

    def answer(self, id_: str) -> str:
        """Raises NotFound (`pair-waiting`)."""

    async def revoke_kit(self, who: Principal, gateway: str, detail: str = "") -> PairedKit: ...
    async def forget_kit(self, who: Principal, gateway: str) -> None: ...
    def centers(self, who: Principal) -> Sequence[PairedCenter]: ...
    async def forget_center(self, who: Principal, gateway: str) -> None: ...


class TextsFace(Protocol):
    """Short messages: operators and up; messages are personal."""

    def carriers(self, who: Principal) -> Sequence[CarrierState]: ...
    async def out(
        self, who: Principal, *, before: int | None = None, limit: int = 200, number: str = ""
    ) -> Sequence[TextOut]:
        """Newest first; `before` is a message's number, `number` a part of the far side's."""

    async def came(
        self, who: Principal, *, before: int | None = None, limit: int = 200, number: str = ""
    ) -> Sequence[TextIn]: ...
    async def send(
        self,
        who: Principal,
        to: str,
        body: str,
        *,
        id_: str = "",
        urgent: bool = False,
        max_age_s: float | None = None,
        carrier: str = "",
    ) -> TextOut:
        """Raises RemoteProtocolError (`text-address`, `text-too-long`), Busy (`texts-full`)."""

    async def cancel(self, who: Principal, id_: str) -> TextOut:
        """Raises NotFound."""

    async def seen(self, who: Principal, id_: str) -> TextIn: ...
    async def arrived(self, who: Principal, text: Arrived, carrier: str) -> bool:
        """From a provider's program (technician and up); True when it was new. Durable."""

    async def records(self, who: Principal, gateway: str, limit: int) -> Sequence[KitRecord]:
        """What a kit told by short message, newest first. Raises NotFound, Denied."""
