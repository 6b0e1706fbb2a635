"""What a device tells us: MESSAGE and NOTIFY bodies, answered at once, then acted on."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from functools import partial

from adapters.gb28181.link import DeviceLink
from adapters.gb28181.moves import Moves, Place
from adapters.gb28181.protocol import manscdp, orders
from adapters.gb28181.protocol.alarms import alarm_of, live_offered, wants_reset
from adapters.gb28181.protocol.positions import position_of
from adapters.gb28181.protocol.read import read_message
from adapters.gb28181.sync import DeviceSync
from gateway.base.errors import GatewayError, RemoteProtocolError
from gateway.model.alarm import Alarm
from gateway.net.sip import IncomingRequest

log = logging.getLogger(__name__)

RECENT_ALARMS = 256
END_OF_MEDIA = 121


class Inbox:
    """One device's messages."""

    def __init__(self, link: DeviceLink, sync: DeviceSync) -> None:
        self._link = link
        self._sync = sync
        self._moves = Moves(link)
        self._stored: OrderedDict[str, None] = OrderedDict()

    async def take(self, incoming: IncomingRequest) -> None:
        """Answer a MESSAGE or NOTIFY, then act. Every message gets its body-less 200 before anything else happens:
        a device that waits repeats, and one that repeats too long gives up (GB/T 28181-2022 §9.3.3)."""
        link, request = self._link, incoming.request
        place = self._moves.place(incoming.hop)
        if place is Place.REFUSED:
            incoming.respond(403, "Register first")
            return
        if len(request.body) > link.station.config.max_body:
            link.once("large", "a body of %d bytes is refused", len(request.body))
            incoming.respond(413)
            return
        act: Callable[[], None] = lambda: None  # noqa: E731
        status, reason = 200, None
        if request.body and "mansrtsp" not in request.content_type:
            try:
                message, charset = read_message(request.body)
                act = partial(self._act, message, charset, request.call_id)
            except RemoteProtocolError as exc:
                link.once("unreadable", "a body that can not be read is refused: %s", exc)
                status, reason = 400, "Bad body"
        if place is Place.NEW and not self._moves.hold(incoming.hop, act):
            incoming.respond(503, headers=(("Retry-After", "5"),))
            return
        incoming.respond(status, reason)
        if place is Place.KNOWN:
            link.heard(incoming.hop)
            act()
        elif place is Place.BESIDE:
            link.lives()
            self._moves.follow(incoming.hop)
            act()

    def _act(self, message: manscdp.Message, charset: str, call_id: str) -> None:
        link = self._link
        if charset in ("utf-8", "gb18030"):
            link.remember(charset=charset)
        match message:
            case manscdp.Keepalive():
                link.live.keepalive(link.station.clock.monotonic())
                if not message.ok:
                    link.once("status", "says of itself that it has an error; parts: %s", ", ".join(message.faulty))
            case manscdp.CatalogPage(head=manscdp.Head(root="Notify")):
                self._sync.notice(message)
            case manscdp.CatalogPage():
                self._sync.page(message)
            case manscdp.Positions():
                self._positions(message)
            case manscdp.AlarmNotice():
                if not link.crew.start(self._alarm(message, call_id), "alarm"):
                    # No OK goes out, so the device says it again.
                    log.warning("%s: too much at once, an alarm is left for its next try", link)
            case manscdp.VideoUpload():
                if not link.crew.start(self._live_offered(message, call_id), "live report"):
                    log.warning("%s: too much at once, a live report is left out", link)
            case manscdp.DeviceStatus():
                self._sync.status(message)
                link.answered(message.head.sn, message)
            case manscdp.MediaStatus():
                if message.notify_type == END_OF_MEDIA:
                    link.end_said(call_id, message.head.device_id)
            case manscdp.Other():
                link.once(message.why, "sends %s, which is not used here", message.why)
            case _:
                link.answered(message.head.sn, message)

    def _channel(self, device_id: str) -> str:
        """The channel's key, "" for the device itself and what is not in the catalogue."""
        return self._sync.keys.get(device_id, "")

    def _positions(self, message: manscdp.Positions) -> None:
        now = self._link.station.clock.wall()
        for fix in message.fixes:
            found = position_of(fix, self._link.admitted.id, self._channel(fix.device_id), received_at=now)
            if found is not None:
                self._link.station.context.messages.position(found)

    def _place_of(self, device_id: str, time: str, longitude: float | None, latitude: float | None) -> None:
        """The place that a notice names, told as what it is: a position with datum, source and age."""
        if longitude is not None and latitude is not None:
            fix = manscdp.Fix(device_id, time, longitude, latitude)
            now = self._link.station.clock.wall()
            found = position_of(fix, self._link.admitted.id, self._channel(device_id), received_at=now)
            if found is not None:
                self._link.station.context.messages.position(found)

    async def _store(self, alarm: Alarm) -> bool:
        """True when it is durable. One that was stored before is only confirmed again: its OK was lost."""
        if alarm.key in self._stored:
            return True
        try:
            await self._link.station.context.messages.alarm(alarm)
        except GatewayError as exc:
            log.error("%s: an alarm could not be kept: %s", self._link, exc)
            return False
        self._stored[alarm.key] = None
        if len(self._stored) > RECENT_ALARMS:
            self._stored.popitem(last=False)
        return True

    async def _alarm(self, notice: manscdp.AlarmNotice, call_id: str) -> None:
        """Store, then say OK (§9.4.2): never the other way round, the device forgets what we have confirmed."""
        link, head = self._link, notice.head
        alarm = alarm_of(
            notice,
            link.admitted.id,
            self._channel(head.device_id),
            registered_id=link.external_id,
            call_id=call_id,
            received_at=link.station.clock.wall(),
        )
        if alarm.key not in self._stored:
            self._place_of(head.device_id, notice.time, notice.longitude, notice.latitude)
        stored = await self._store(alarm)
        await link.tell(link.external_id, orders.result("Alarm", head.sn, head.device_id, ok=stored))
        if stored and wants_reset(notice):
            order = orders.alarm_reset(link.next_sn(), head.device_id, method=notice.method, kind=notice.type)
            await link.tell(link.external_id, order)

    async def _live_offered(self, upload: manscdp.VideoUpload, call_id: str) -> None:
        """One-key report: fetch the picture now (§9 of 2022: the platform answers with INVITE), and tell people."""
        link = self._link
        channel = upload.head.device_id
        if channel not in self._sync.keys:
            channel = next(iter(self._sync.keys), "")
        if channel:
            self._sync.offer(channel, at_once=True)
        now = link.station.clock.wall()
        key = self._channel(channel)
        notice = live_offered(
            upload, link.admitted.id, key, registered_id=link.external_id, call_id=call_id, received_at=now
        )
        self._place_of(channel, upload.time, upload.longitude, upload.latitude)
        stored = await self._store(notice)
        await link.tell(
            link.external_id, orders.result("VideoUploadNotify", upload.head.sn, upload.head.device_id, ok=stored)
        )
