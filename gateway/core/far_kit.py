"""One kit as its center knows it: the ways it is here by, what it told, how it stands."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from gateway.base.errors import LinkDown
from gateway.contract.fleet import KitAbout, KitBundle, KitWay
from gateway.contract.home import VoiceEnd
from gateway.model.device import Device, DeviceState
from gateway.model.ids import DeviceId, StreamId
from gateway.model.kit import GaveUp, Kit, KitState, LinkState, LinkUse, Thumbnail
from gateway.model.kit_state import KitCondition
from gateway.model.media import StreamStatus
from gateway.model.ptz import PtzHolder
from gateway.model.telemetry import KitRecord
from gateway.model.voice import Floor, FloorState, GroupId, GroupMode, GroupStatus, MemberState
from gateway.wire.weight import weight

WAYS = ("uplink", "mqtt")
"""In the order in which orders go."""


@dataclass(eq=False, slots=True)
class Way:
    """One way while it is up. `reachable`: something passes at this moment."""

    way: KitWay
    about: KitAbout
    reachable: bool = True
    code: str = ""
    devices: dict[DeviceId, Device] = field(default_factory=dict)
    """As this way told them; what of it is shown stands in `FarKit.devices`."""


@dataclass(eq=False, slots=True)
class FarKit:
    """In memory; `core.fleet` keeps and tells."""

    gateway: str
    about: KitAbout = field(default_factory=KitAbout)
    ways: dict[str, Way] = field(default_factory=dict)
    state: KitState = KitState.OFFLINE
    code: str = "kit-offline"
    detail: str = ""
    since: float = 0.0
    last_seen: float | None = None
    devices: dict[DeviceId, Device] = field(default_factory=dict)
    streams: dict[StreamId, StreamStatus] = field(default_factory=dict)
    groups: dict[GroupId, GroupStatus] = field(default_factory=dict)
    voices: dict[str, VoiceEnd] = field(default_factory=dict)
    holders: dict[str, PtzHolder] = field(default_factory=dict)
    links: tuple[LinkState, ...] = ()
    gave_up: dict[StreamId, GaveUp] = field(default_factory=dict)
    condition: KitCondition | None = None
    """The newest that it told; shown while it is away too, with its time."""
    thumbnail: Thumbnail | None = None
    by_text: KitRecord | None = None
    """What it told last by short message."""
    weighed: int = 0
    """Bytes that it told since all that is held of it was weighed, and what that weighed."""
    full_until: float = 0.0
    """Monotonic: it told too much, and is not weighed again before."""
    led: Way | None = None
    """The way that was leading when it was judged last."""
    shut: str = "kit-offline"
    """Why no picture or voice of it can be had, as it was told last; "" while they can."""

    @property
    def here(self) -> bool:
        return any(way.reachable for way in self.ways.values())

    def leading(self) -> Way | None:
        """The best one that something passes by: what it tells counts, the others' word may be older."""
        for name in WAYS:
            way = self.ways.get(name)
            if way is not None and way.reachable:
                return way
        return None

    def way(self) -> KitWay | None:
        leading = self.leading()
        return leading.way if leading is not None else None

    def bundle(self) -> KitBundle | None:
        """The way that carries pictures, while something passes by it."""
        found = self.ways.get("uplink")
        return found.way if found is not None and found.reachable and isinstance(found.way, KitBundle) else None

    def why_shut(self) -> str:
        if self.bundle() is not None:
            return ""
        if not self.here:
            return self.code or "kit-offline"
        # A session that is kept goes on by itself; where there is none somebody has to do something.
        return "kit-bundle-cut" if "uplink" in self.ways else "kit-no-bundle"

    def carrying(self) -> KitBundle:
        """Raises LinkDown: it is not here, or by messages alone."""
        if (found := self.bundle()) is not None:
            return found
        raise LinkDown(f"no bundle of {self.gateway} is here", code=self.why_shut())

    def device(self, device: Device) -> Device:
        """As the center's directory shows it: nothing of a kit that is away is there."""
        if self.here:
            return device
        channels = tuple(replace(channel, online=False) for channel in device.channels)
        return replace(
            device,
            state=DeviceState.OFFLINE,
            code="kit-offline",
            detail=self.code if self.code != "kit-offline" else "",
            since=self.since,
            channels=channels,
        )

    def group(self, status: GroupStatus) -> GroupStatus:
        """While the kit is away nobody here knows who speaks there."""
        if self.here:
            return status
        floor = Floor(FloorState.OPEN if status.mode is GroupMode.FULL else FloorState.IDLE)
        members = tuple(
            replace(member, state=MemberState.OFFLINE, code="kit-offline", talking=False) for member in status.members
        )
        return replace(status, floor=floor, members=members)

    def judged(self) -> tuple[KitState, str]:
        """State and reason as they follow from its ways and links."""
        if not self.here:
            if self.by_text is not None and self.by_text.received_at > (self.last_seen or 0.0):
                return KitState.OFFLINE, self.code if self.code == "kit-revoked" else "kit-by-text"
            codes = [way.code for way in self.ways.values() if way.code]
            return KitState.OFFLINE, next(iter(codes), self.code or "kit-offline")
        if self.streams and self.bundle() is None:
            return KitState.DEGRADED, self.why_shut()
        if self.gave_up:
            return KitState.DEGRADED, next(iter(self.gave_up.values())).code
        if any(link.state is LinkUse.OUT for link in self.links):
            return KitState.DEGRADED, "kit-link-out"
        return KitState.ONLINE, ""

    def weight(self) -> int:
        """Of all that is held of it, in bytes."""
        held: dict[int, object] = {id(one): one for way in self.ways.values() for one in way.devices.values()}
        for kept in (self.devices, self.streams, self.groups, self.voices, self.holders):
            held.update({id(one): one for one in kept.values()})
        return sum(weight(one) for one in held.values())

    def shown(self) -> Kit:
        online = sum(device.state in (DeviceState.ONLINE, DeviceState.DEGRADED) for device in self.devices.values())
        about = self.about
        return Kit(
            gateway=self.gateway,
            name=about.name or self.gateway,
            state=self.state,
            code=self.code,
            detail=self.detail,
            since=self.since,
            last_seen=self.last_seen,
            boot=about.boot,
            version=about.version,
            adcode=about.adcode,
            address=about.address,
            ways=tuple(name for name in WAYS if name in self.ways),
            links=self.links,
            gave_up=tuple(self.gave_up.values()),
            devices=len(self.devices),
            devices_online=online if self.here else 0,
            clock_off_s=about.clock_off_s,
            thumbnail_at=self.thumbnail.made_at if self.thumbnail is not None else None,
            by_text=self.by_text,
            thumbnail_of=self.thumbnail.stream if self.thumbnail is not None else "",
            condition=self.condition,
        )

    def take_about(self, about: KitAbout) -> None:
        """What is empty in `about` stays as it was known."""
        before = self.about
        self.about = replace(
            about,
            name=about.name[:100] or before.name,
            version=about.version[:60] or before.version,
            adcode=about.adcode[:12] or before.adcode,
            address=about.address[:100] or before.address,
        )
