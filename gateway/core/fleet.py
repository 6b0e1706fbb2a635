"""Kits at a center, centers at a kit. Fulfils `contract.fleet.Fleet`, and is what the API shows of both.

A kit that is paired is shown whether it is here or not. What it told is believed as far as it speaks of itself: ids
that are not its own are refused. Changes of one turn of the loop are told as one event.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from gateway.base.clock import Clock
from gateway.base.errors import Denied, NotFound
from gateway.contract.fleet import KitAbout, KitWay
from gateway.contract.home import ApiAnswer, ApiRequest
from gateway.core.audit import Audit
from gateway.core.far_kit import FarKit, Way
from gateway.core.far_services import FarServices
from gateway.core.fleet_hold import FleetHold
from gateway.core.fleet_items import Items
from gateway.core.link_trails import LinkTrails
from gateway.core.messages import Bus
from gateway.core.pairings import Pairings
from gateway.core.reports import Reports
from gateway.core.rights import at_least, in_scope, require_role
from gateway.model.device import Device
from gateway.model.ids import DeviceId
from gateway.model.kit import CenterState, Kit, KitLinks, KitState, LinkState, LinkTrail, Thumbnail
from gateway.model.pairing import PairedCenter
from gateway.model.principal import Principal, Role
from gateway.model.telemetry import KitRecord
from gateway.model.voice import GroupId, GroupStatus

log = logging.getLogger(__name__)

THUMBNAIL_BYTES = 128 * 1024


class Fleet:
    """On the event loop only. `own`: how this gateway itself is shown at a kit, without its centers."""

    def __init__(
        self,
        gateway: str,
        pairings: Pairings,
        trails: LinkTrails,
        reports: Reports,
        bus: Bus,
        clock: Clock,
        own: Callable[[], Kit],
        items: Items,
        audit: Audit,
    ) -> None:
        self.gateway = gateway
        self.pairings = pairings
        self.trails = trails
        self.reports = reports
        self._bus = bus
        self.clock = clock
        self._own = own
        self.items = items
        self._audit = audit
        self.services = FarServices()
        self._kits: dict[str, FarKit] = {}
        self.gateways = self._kits.keys()
        """Ids of all kits that are paired with us, always as of now."""
        self._centers: dict[str, CenterState] = {}
        self._thumbnails: dict[str, Thumbnail] = {}
        self._changed: set[str] = set()
        self.on_came: Callable[[str], None] = lambda _gateway: None
        """A kit has come by one of its ways."""
        pairings.on_change(self._pairings_changed)
        self._pairings_changed()
        items.load(self._kits.get)

    # — what adapters tell —

    def kit_up(self, gateway: str, about: KitAbout, way: KitWay) -> FleetHold:
        paired = self.pairings.kit(gateway)
        if paired is None:
            raise Denied(f"{gateway[:80]} was not admitted here", code="kit-unknown")
        if paired.revoked_at is not None:
            raise Denied(f"{gateway} was revoked: {paired.detail}", code="kit-revoked")
        kit = self._kits[gateway]
        newest = max((known.about.boot for known in kit.ways.values() if known.way is not way), default=0)
        if about.boot and about.boot < newest:
            raise Denied(f"{gateway} comes with start {about.boot}, {newest} is here already", code="kit-stale")
        kit.ways[way.name] = standing = Way(way, about)
        kit.take_about(about)
        kit.last_seen = self.clock.wall()
        self.judge(kit)
        self.on_came(gateway)
        return FleetHold(self, kit, standing)

    def kit_refused(self, gateway: str, code: str, detail: str = "") -> None:
        kit, paired = self._kits.get(gateway), self.pairings.kit(gateway)
        if kit is not None and paired is not None and paired.revoked_at is None and not kit.here:
            self.judge(kit, code, detail[:200])

    def center(self, state: CenterState) -> None:
        before = self._centers.get(state.gateway)
        picture = self._thumbnails.get(state.gateway)
        state = replace(state, thumbnail_at=picture.made_at if picture is not None else None)
        self._centers[state.gateway] = state
        if state.links:
            self.links_told(state.gateway, state.links)
        if before is None or replace(before, links=(), last_seen=None) != replace(state, links=(), last_seen=None):
            self.told(self.gateway)

    def center_gone(self, gateway: str) -> None:
        self._thumbnails.pop(gateway, None)
        if self._centers.pop(gateway, None) is not None:
            self.told(self.gateway)

    def centers(self) -> Sequence[CenterState]:
        return sorted(self._centers.values(), key=lambda center: center.state is KitState.OFFLINE)

    def thumbnail(self, gateway: str, picture: Thumbnail) -> None:
        """One that is too large is none."""
        if len(picture.jpeg) > THUMBNAIL_BYTES:
            return
        if (kit := self._kits.get(gateway)) is not None:
            kit.thumbnail = picture
            self.told(gateway)
        elif (center := self._centers.get(gateway)) is not None:
            self._thumbnails[gateway] = picture
            self.center(center)

    def may(
        self, center: PairedCenter, name: str, role: str, session: str, address: str = "", scope: str = ""
    ) -> Principal:
        try:
            wished = Role(role)
        except ValueError:
            wished = Role.VIEWER
        # Auditor and informant stand beside the ladder: nobody of a center is one here.
        ladder = wished if at_least(wished, Role.VIEWER) else Role.VIEWER
        least = ladder if at_least(center.role, ladder) else center.role
        home = center.gateway
        return Principal(
            f"{name[:64]}@{home}", least, f"{session[:64]}@{home}", _both(center.scope, scope), address[:64]
        )

    def by_text(self, record: KitRecord) -> None:
        """A kit told by short message how it stands; older ones than the newest change nothing."""
        kit = self._kits.get(record.gateway)
        if kit is not None and (kit.by_text is None or record.sequence > kit.by_text.sequence):
            kit.by_text = record
            self.judge(kit)

    # — what the core asks —

    def known(self, gateway: str) -> FarKit | None:
        return self._kits.get(gateway)

    def all(self) -> Sequence[FarKit]:
        return list(self._kits.values())

    def devices(self) -> Iterator[Device]:
        """Of all kits, as our directory shows them."""
        for kit in self._kits.values():
            for device in kit.devices.values():
                yield kit.device(device)

    def device(self, device: DeviceId) -> Device | None:
        kit = self._kits.get(device.partition("/")[0])
        found = kit.devices.get(device) if kit is not None else None
        return kit.device(found) if kit is not None and found is not None else None

    def groups(self) -> Iterator[GroupStatus]:
        for kit in self._kits.values():
            for group in kit.groups.values():
                yield kit.group(group)

    def group(self, group: str) -> GroupStatus | None:
        """By its full id, or by a number that one kit alone has."""
        kit = self._kits.get(group.partition("/")[0])
        if kit is not None and (found := kit.groups.get(GroupId(group))) is not None:
            return kit.group(found)
        numbered = [status for status in self.groups() if status.number and status.number == group]
        return numbered[0] if len(numbered) == 1 else None

    def close(self) -> None:
        self.items.close(self._kits.values())

    # — what people see —

    def kits(self, who: Principal) -> Sequence[Kit]:
        """At a center its kits; at a kit itself, with its centers."""
        return [_shown(who, kit) for kit in self._all() if _sees(who, kit.gateway)]

    def kit(self, who: Principal, gateway: str) -> Kit:
        for kit in self._all():
            if kit.gateway == gateway:
                if not _sees(who, gateway):
                    raise Denied(f"{gateway} lies outside of what {who.name} may see")
                return _shown(who, kit)
        raise NotFound(f"there is no kit {gateway[:80]!r}")

    async def link_trails(
        self, who: Principal, gateway: str, hours: float, points: int
    ) -> tuple[KitLinks, Sequence[LinkTrail]]:
        """How the links of a kit are and were; at a kit those to the center named, or to the first one."""
        if gateway in self._centers or gateway == self.gateway:
            if not _sees(who, self.gateway):
                raise Denied(f"{self.gateway} lies outside of what {who.name} may see")
            gateway = gateway if gateway in self._centers else next(iter(self._centers), gateway)
            links = self._centers[gateway].links if gateway in self._centers else ()
        else:
            links = self.kit(who, gateway).links
        now = KitLinks(gateway, self.clock.wall(), links)
        return now, await self.trails.trails(gateway, hours, points)

    async def ask(self, who: Principal, gateway: str, request: ApiRequest) -> ApiAnswer:
        """A request to a kit's own API in the name of `who`; what changes something stands in the record."""
        self.kit(who, gateway)
        kit = self._kits.get(gateway)
        if kit is None:
            raise NotFound(f"{gateway[:80]!r} is no kit of this center")
        reads = request.method in ("GET", "HEAD")
        if not reads:
            require_role(who, Role.OPERATOR, "change something at a kit")
        bundle = kit.carrying()
        outcome = "failed"
        try:
            answer = await bundle.api(request, who)
            outcome = "done" if answer.status < 400 else "refused"
            return answer
        finally:
            if not reads:
                detail = f"{request.method} {request.path}"
                self._audit.note(who, "kit.api", gateway, outcome=outcome, detail=detail)

    def picture(self, who: Principal, gateway: str) -> Thumbnail:
        """At a center: of a kit; at a kit: what a center receives. Raises NotFound while there is none."""
        found: Thumbnail | None
        if gateway in self._centers:
            if not _sees(who, self.gateway):
                raise Denied(f"{self.gateway} lies outside of what {who.name} may see")
            found = self._thumbnails.get(gateway)
        else:
            self.kit(who, gateway)
            kit = self._kits.get(gateway)
            found = kit.thumbnail if kit is not None else next(iter(self._thumbnails.values()), None)
        if found is None or not in_scope(who, found.stream):
            raise NotFound(f"there is no picture of {gateway[:80]!r} yet", code="thumbnail-none")
        return found

    # — what holds ask —

    def judge(self, kit: FarKit, code: str = "", detail: str = "") -> None:
        """Its ways or links changed: how does it stand now? `code`: why the last way went."""
        before = (kit.state is not KitState.OFFLINE, kit.code if kit.state is KitState.OFFLINE else "")
        if not kit.here and code:
            kit.code, kit.detail = code, detail
        state, code = kit.judged()
        if state is not KitState.OFFLINE:
            kit.detail = ""
        if state is not kit.state:
            if KitState.OFFLINE in (state, kit.state):
                log.info("kit %s is %s%s", kit.gateway, state, f": {code} {kit.detail}".rstrip() if code else "")
            kit.state, kit.since = state, self.clock.wall()
        kit.code = code
        led, kit.led = kit.led, kit.leading()
        if kit.led is not None and kit.led is not led:
            # Never less than was shown: a way that took over may not have told all yet.
            for device in kit.led.devices.values():
                self.items.device(kit, device)
        shut, kit.shut = kit.shut, kit.why_shut()
        if before != (kit.here, "" if kit.here else kit.code) or shut != kit.shut:
            self.items.reached(kit)
        self.told(kit.gateway)

    def links_told(self, gateway: str, links: Sequence[LinkState]) -> None:
        self.trails.note(gateway, links)
        self._bus.publish(
            "links",
            gateway,
            KitLinks(gateway, self.clock.wall(), tuple(links)),
            within=self.gateway if gateway in self._centers else gateway,
            transient=True,
        )

    def told(self, gateway: str) -> None:
        """It changed: everybody hears of it once in this turn of the loop."""
        if not self._changed:
            asyncio.get_running_loop().call_soon(self._publish)
        self._changed.add(gateway)

    # — within —

    def _all(self) -> list[Kit]:
        kits = [kit.shown() for kit in self._kits.values()]
        if self._centers:
            kits.insert(0, self._self())
        return kits

    def _self(self) -> Kit:
        """This kit: it is online where a center holds it."""
        centers = tuple(self._centers.values())
        here = [center for center in centers if center.state is not KitState.OFFLINE]
        best = here[0] if here else centers[0]
        return replace(
            self._own(),
            state=best.state,
            code=best.code,
            detail=best.detail,
            since=best.since,
            last_seen=best.last_seen,
            links=best.links,
            centers=centers,
            ways=("uplink",) if here else (),
        )

    def _publish(self) -> None:
        changed, self._changed = self._changed, set()
        for gateway in changed:
            if (kit := self._kits.get(gateway)) is not None:
                self._bus.publish("kit", gateway, kit.shown())
            elif gateway == self.gateway and self._centers:
                self._bus.publish("kit", gateway, self._self())

    def _pairings_changed(self) -> None:
        rows = {row.gateway: row for row in self.pairings.kits()}
        for gateway, row in rows.items():
            kit = self._kits.get(gateway)
            if kit is None:
                kit = self._kits[gateway] = FarKit(gateway, since=self.clock.wall())
            if row.name:
                kit.about = replace(kit.about, name=row.name)
            if row.revoked_at is not None:
                kit.ways.clear()
                self.judge(kit, "kit-revoked", row.detail)
            elif kit.code == "kit-revoked":
                kit.code, kit.detail = "kit-offline", ""
            self.told(gateway)
        for gateway in [known for known in self._kits if known not in rows]:
            gone = self._kits.pop(gateway)
            gone.ways.clear()
            self.items.forget(gone)
            self._bus.publish("kit", gateway, gone.shown(), gone=True)


def _sees(who: Principal, gateway: str) -> bool:
    """Whoever may see something of it sees the kit."""
    return in_scope(who, gateway) or who.scope.startswith(f"{gateway}/")


def _shown(who: Principal, kit: Kit) -> Kit:
    """Who sees a part of it is not told where the whole is, and how it stands."""
    return kit if kit.condition is None or in_scope(who, kit.gateway) else replace(kit, condition=None)


def _both(one: str, other: str) -> str:
    """The scope that lies in both."""
    one, other = one.strip("/"), other.strip("/")
    if not one or f"{other}/".startswith(f"{one}/"):
        return other or one
    if not other or f"{one}/".startswith(f"{other}/"):
        return one
    return "-"  # nothing is called so
