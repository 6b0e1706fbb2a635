"""Keeping up with one device: its description, its catalogue, its subscriptions, its silence. One task a device."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from adapters.gb28181.link import DeviceLink
from adapters.gb28181.protocol import catalog, orders, positions
from adapters.gb28181.protocol.catalog import CatalogCollector, CatalogResult
from adapters.gb28181.protocol.manscdp import CatalogItem, CatalogPage, DeviceInfo, DeviceStatus
from adapters.gb28181.protocol.memory import MAX_CHANNELS, Dialog
from adapters.gb28181.subscriptions import Subscriptions
from gateway.base.errors import GatewayError, LinkDown, PeerError
from gateway.contract.device import ChannelReport
from gateway.contract.media import Offer, Open
from gateway.model.device import DeviceState
from gateway.model.ids import stream_id
from gateway.model.media import StreamState
from gateway.wire.sip import Hop

log = logging.getLogger(__name__)

RETRY_FIRST_S = 10.0
RETRY_LAST_S = 600.0
TCP_TRY_S = 1.0
INFO_TRIES = 3
RESUBSCRIBE_S = 30.0
LIVE_REPORT_TRIES = 5
END_AGAIN_S = 5.0
STORM = 8
"""So many channels told OFF at once are not believed: the catalogue is asked instead (vendor platforms do that)."""

FAULT_CHECK_S = 60.0
"""A device that says that it has a fault is asked so often whether it still has."""

CATALOG, INFO, SUBSCRIBE, STATUS = "catalogue", "description", "subscriptions", "status"

_RESTING = (StreamState.IDLE, StreamState.OFFLINE, StreamState.REMOVED)


class Opener(Protocol):
    """How a channel's picture is opened; `live.LiveCalls`."""

    def open(self, channel: str) -> Open: ...

    def knows(self, call_id: str) -> bool:
        """Whether that call is one of ours that still runs."""

    async def end_stale(self, hop: Hop, dialog: Dialog) -> None:
        """End a call that only the device may still know of."""


class DeviceSync:
    """What is wished of the device and when it is due; `run` carries it out while the device is there."""

    def __init__(self, link: DeviceLink, opener: Opener, subscriptions: Subscriptions) -> None:
        self.link = link
        self._opener = opener
        self._subscriptions = subscriptions
        self.items: dict[str, CatalogItem] = {}
        self.keys: dict[str, str] = {}
        self._live_reports: dict[str, int] = {}
        self._held_until: dict[str, float] = {}
        self._fault: str | None = None
        self._short = ""
        self._titles: dict[str, str] = {}
        self._collector: CatalogCollector | None = None
        self._page_came = asyncio.Event()
        self._due: dict[str, float] = {}
        self._tries: dict[str, int] = {}
        self.reported: Callable[[Mapping[str, CatalogItem], Mapping[str, str], Mapping[str, str]], None]
        self.reported = lambda items, keys, titles: None
        link.came_online = self._came_online
        link.went_offline = self._went_offline

    # — the task —

    async def run(self) -> None:
        """Until cancelled."""
        self._after_start()
        while True:
            await self._wait()
            self.link.check_silence()
            now = self.link.station.clock.monotonic()
            for channel in [channel for channel, until in self._held_until.items() if until <= now]:
                self._end_live_report(channel)
            for wish in [wish for wish, due in self._due.items() if due <= now]:
                if self.link.alive:
                    await self._do(wish)

    async def _wait(self) -> None:
        times = [due for due in self._due.values() if self.link.alive]
        times.extend(self._held_until.values())
        if self.link.live.deadline is not None:
            times.append(self.link.live.deadline)
        delay = max(0.0, min(times) - self.link.station.clock.monotonic()) if times else None
        try:
            async with asyncio.timeout(delay):
                await self.link.changed.wait()
        except TimeoutError:
            pass
        self.link.changed.clear()

    async def _do(self, wish: str) -> None:
        self._due.pop(wish, None)
        now = self.link.station.clock.monotonic()
        try:
            if wish == CATALOG:
                await self._fetch_catalog()
            elif wish == INFO:
                await self._fetch_info()
            elif wish == STATUS:
                await self._ask_status()
            else:
                self._due[SUBSCRIBE] = now + await self._subscriptions.keep(self.link)
            self._tries.pop(wish, None)
        except GatewayError as exc:
            if isinstance(exc, PeerError) and wish in (INFO, STATUS):
                self.link.once(wish, "does not tell its description: %s", exc)
                return
            if wish in (INFO, STATUS) and self._tries.get(wish, 0) + 1 >= INFO_TRIES:
                return
            tries = self._tries[wish] = self._tries.get(wish, 0) + 1
            self._due[wish] = now + min(RETRY_LAST_S, RETRY_FIRST_S * 2 ** min(tries - 1, 10))
            log.info("%s: %s, asked again in %.0f s: %s", self.link, wish, self._due[wish] - now, exc)

    def wish(self, *wishes: str) -> None:
        """Have it done now, or as soon as the device is there."""
        for wish in wishes:
            self._due[wish] = 0.0
        self.link.changed.set()

    def wish_subscriptions_later(self) -> None:
        """The device ended one: made anew, but not at once, or the two would play ball."""
        self._due[SUBSCRIBE] = self.link.station.clock.monotonic() + RESUBSCRIBE_S
        self.link.changed.set()

    def wish_all_later(self, due: float) -> None:
        """Everything anew at `due`: it seems to have started again since it was asked."""
        self._subscriptions.forget()
        self._due.update({CATALOG: due, INFO: due, STATUS: due})
        if self.link.quirks.subscribe:
            self._due[SUBSCRIBE] = due
        self.link.changed.set()

    def _came_online(self) -> None:
        self._tries.clear()
        self._fault = None
        self.wish(CATALOG, INFO, STATUS)
        if self.link.quirks.subscribe:
            self._subscriptions.forget()
            self.wish(SUBSCRIBE)
        for dialog in self.link.memory.dialogs:
            if not self._opener.knows(dialog.call_id):
                self.link.crew.start(self._opener.end_stale(self.link.way(), dialog), "ending a stale call")

    def _went_offline(self) -> None:
        self._due.clear()
        self._subscriptions.forget()

    def _after_start(self) -> None:
        """Offer what was known, and ask the device where it was last whether it is still there."""
        memory = self.link.memory
        if memory.channels:
            known = [catalog.report(CatalogItem(external, name)) for external, name in memory.channels]
            self._report(known, complete=False)
        if memory.host and memory.transport == "udp" and not self.link.alive:
            self.link.crew.start(self._probe(), "asking whether it is there")

    async def _probe(self) -> None:
        link = self.link
        async with link.station.probes:
            if link.alive:
                return
            hop = await link.station.line.hop_to("udp", link.memory.host, link.memory.port, link.memory.local)
            text = orders.query("DeviceStatus", link.next_sn(), link.external_id)
            await link.station.line.message(hop, link.external_id, orders.encode(text, link.charset))
        if not link.alive:
            link.heard(hop)

    # — description and catalogue —

    async def _fetch_info(self) -> None:
        link = self.link
        sn = link.next_sn()
        said = await link.ask(link.external_id, sn, orders.query("DeviceInfo", sn, link.external_id), DeviceInfo)
        if link.attached is not None:
            link.attached.describe(
                manufacturer=said.manufacturer, model=said.model, firmware=said.firmware, name=said.name
            )
        link.remember(maker=said.manufacturer[:64], model=said.model[:64])

    async def _ask_status(self) -> None:
        """DeviceStatus (A.2.4.3). Nobody waits for the answer: it comes, now or later, to `status`."""
        await self.link.tell(
            self.link.external_id, orders.query("DeviceStatus", self.link.next_sn(), self.link.external_id)
        )

    def status(self, said: DeviceStatus) -> None:
        """What the device says of itself (A.2.6.7). Encode and Record OFF are no faults: nobody may have asked for a
        picture. A Status that is not OK is, and so is Online OFFLINE from a device that just spoke."""
        before, self._fault = self._fault, None
        if said.ok is False or said.online is False:
            self._fault = said.reason[:120] or ("Status ERROR" if said.ok is False else "Online OFFLINE")
            self._due[STATUS] = self.link.station.clock.monotonic() + FAULT_CHECK_S
            self.link.changed.set()
        if before != self._fault:
            self._say_state()

    def _say_state(self) -> None:
        """On line, or what keeps it from being whole: its own fault before a catalogue that is not complete."""
        attached, address = self.link.attached, self.link.address
        if attached is None or not self.link.alive:
            return
        if self._fault is not None:
            attached.state(DeviceState.DEGRADED, "device-fault", self._fault, address=address)
        elif self._short:
            attached.state(DeviceState.DEGRADED, "catalog-incomplete", self._short, address=address)
        else:
            attached.state(DeviceState.ONLINE, address=address)

    async def _fetch_catalog(self) -> None:
        result = await self._collect()
        if not result.complete:
            log.info("%s: %d of %d channels came; asking again", self.link, len(result.items), result.told)
            result = catalog.merged(result, await self._collect(await self._tcp()))
        complete = result.complete
        if len(result.items) + result.left_out < result.told:
            # A sum that lies twice alike is a habit, unless just the cameras are missing.
            complete = complete and bool(catalog.channels_of(self.link.external_id, result.items))
        self._take(result, complete=complete)
        if not complete:
            told = f"{len(result.items)} of {result.told} items" if result.pages else "nothing"
            raise LinkDown(f"{self.link} sent {told} of its catalogue", code="catalog-incomplete")

    async def _tcp(self) -> Hop | None:
        """A TCP way to a device that registered over UDP, if it takes one: long answers come whole (annex M)."""
        hop = self.link.way()
        if hop.transport == "udp":
            try:
                async with asyncio.timeout(TCP_TRY_S):
                    return await self.link.station.line.hop_to("tcp", hop.remote[0], hop.remote[1], hop.local[0])
            except (GatewayError, TimeoutError):
                pass
        return None

    async def _collect(self, hop: Hop | None = None) -> CatalogResult:
        """One query, by the way the device registered or by `hop`, and all its pages. GB/T 28181-2022 §9.5."""
        link, config = self.link, self.link.station.config
        collector = CatalogCollector(link.station.clock.monotonic(), config.catalog_quiet, config.max_channels)
        self._collector = collector
        try:
            await link.tell(link.external_id, orders.query("Catalog", link.next_sn(), link.external_id), hop)
            while not collector.full:
                delay = collector.deadline - link.station.clock.monotonic()
                self._page_came.clear()
                async with asyncio.timeout(max(0.0, delay)):
                    await self._page_came.wait()
        except TimeoutError:
            pass
        finally:
            self._collector = None
        return collector.result()

    def page(self, page: CatalogPage) -> None:
        """A page came: for the query that runs, or unasked (after REGISTER, or late): then it adds."""
        if self._collector is not None:
            self._collector.page(page, self.link.station.clock.monotonic())
            self._page_came.set()
        else:
            self._add(page.items)

    def notice(self, page: CatalogPage) -> None:
        """Changes of the catalogue. GB/T 28181-2022 A.2.5.3: ON, OFF, VLOST, DEFECT, ADD, DEL, UPDATE."""
        off = [item for item in page.items if item.event in ("OFF", "VLOST", "DEFECT")]
        if len(off) >= STORM or (off and self.link.quirks.distrust_off_notices):
            self.wish(CATALOG)
            off = []
        attached = self.link.attached
        if attached is not None:
            for item in off:
                if item.device_id in self.keys:
                    attached.channel_online(item.device_id, False)
            for item in page.items:
                if item.event == "ON" and item.device_id in self.keys:
                    attached.channel_online(item.device_id, True)
        gone = {item.device_id for item in page.items if item.event == "DEL"}
        if gone & self.items.keys():
            self.items = {key: item for key, item in self.items.items() if key not in gone}
            self._report(self._channels(), complete=True)
        self._add([item for item in page.items if item.event in ("ADD", "UPDATE", "")])

    def _add(self, items: Sequence[CatalogItem]) -> None:
        room = self.link.station.config.max_channels
        new = {i.device_id: i for i in items if i.device_id in self.items or len(self.items) < room}
        if new:
            self.items.update(new)
            self._report(self._channels(), complete=False)
            self._say_positions(new.values())

    def _take(self, result: CatalogResult, *, complete: bool) -> None:
        link = self.link
        if complete:
            self.items = {item.device_id: item for item in result.items}
        else:
            self.items.update((item.device_id, item) for item in result.items)
        if result.left_out:
            link.once("limit", "%d channels over the limit of max_channels are left out", result.left_out)
        self._report(self._channels(), complete=complete)
        self._say_positions(result.items)
        self._short = "" if complete else f"{len(result.items)} of {result.told}"
        self._say_state()

    def _channels(self) -> list[ChannelReport]:
        talks = {"auto": None, "off": False}.get(self.link.quirks.talk.mode, True)
        return catalog.channels_of(self.link.external_id, self.items.values(), talks=talks)

    def _report(self, reports: list[ChannelReport], *, complete: bool) -> None:
        attached = self.link.attached
        if attached is None:
            return
        keys = attached.channels(reports, complete=complete)
        if complete:
            for external in self.keys.keys() - {r.external_id for r in reports}:
                self.link.station.context.streams.withdraw(stream_id(self.link.admitted.id, self.keys[external]))
                self._titles.pop(external, None)
            self.keys = {}
        self.keys.update((r.external_id, keys[r.external_id]) for r in reports if r.external_id in keys)
        for report in reports:
            if report.external_id in self.keys and self._titles.get(report.external_id) != report.name:
                self._titles[report.external_id] = report.name
                self.offer(report.external_id)
        first = [(external, self._titles.get(external, "")[:40]) for external in list(self.keys)[:MAX_CHANNELS]]
        self.link.remember(channels=tuple(first))
        self.reported(self.items, self.keys, self._titles)

    def offer(self, channel: str, *, at_once: bool = False) -> None:
        """Offer the channel's picture; `at_once` has it opened, and kept open for `live_offer_hold` unwatched."""
        if at_once:
            self._live_reports[channel] = 0
            self._held_until[channel] = self.link.station.clock.monotonic() + self.link.station.config.live_offer_hold
            self.link.changed.set()
        device = self.link.admitted.id
        title = self._titles.get(channel) or self.link.admitted.name
        offer = Offer(
            stream_id(device, self.keys[channel]), device, title, self._opener.open(channel), on_demand=not at_once
        )
        self.link.station.context.streams.offer(offer)

    def picture_failed(self, channel: str, code: str) -> None:
        """A live report that its device ended, or that failed again and again, goes back to being opened on demand."""
        failures = self._live_reports.get(channel)
        if failures is None or channel not in self.keys:
            return
        self._live_reports[channel] = failures + 1
        if code == "source-ended" or failures + 1 >= LIVE_REPORT_TRIES:
            del self._live_reports[channel]
            self._held_until.pop(channel, None)
            self.offer(channel)

    def _end_live_report(self, channel: str) -> None:
        """Its time is over: on demand from now on. Whoever watches goes on; unwatched it must not eat the uplink."""
        del self._held_until[channel]
        if channel not in self.keys:
            return
        if self._live_reports.pop(channel, None) is not None:
            self.offer(channel)
        try:
            status = self.link.station.context.streams.status(stream_id(self.link.admitted.id, self.keys[channel]))
        except GatewayError:
            return
        if status.viewers == 0 and status.state not in _RESTING and not self.link.end_said(channel):
            # It is just being opened: there is no call yet that could be ended.
            self._held_until[channel] = self.link.station.clock.monotonic() + END_AGAIN_S

    def withdraw_all(self) -> None:
        for key in self.keys.values():
            self.link.station.context.streams.withdraw(stream_id(self.link.admitted.id, key))
        self.keys.clear()

    def _say_positions(self, items: Iterable[CatalogItem]) -> None:
        now = self.link.station.clock.wall()
        for item in items:
            key = self.keys.get(item.device_id)
            found = positions.typed_in(item, self.link.admitted.id, key, received_at=now) if key else None
            if found is not None:
                self.link.station.context.messages.position(found)
