"""Our subscriptions at one device: catalogue, alarms, positions. RFC 6665; GB/T 28181-2022 §9.11.

A device that refuses one is not asked again until it comes on line anew: many know none of them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from adapters.gb28181.line import MESSAGE_TIMEOUT_S
from adapters.gb28181.link import DeviceLink
from adapters.gb28181.protocol import orders
from gateway.base.errors import LinkDown, PeerError
from gateway.net.sip import Subscription
from gateway.net.sip.endpoint import RequestHandler

REFRESH_AT = 0.8
"""Of the life granted."""

RETRY_S = 60.0
REST_S = 3600.0


@dataclass(slots=True)
class _Held:
    subscription: Subscription
    event: str
    refresh_at: float = 0.0


@dataclass(slots=True)
class Subscriptions:
    """`heard` gets the NOTIFYs."""

    heard: RequestHandler
    _held: dict[str, _Held] = field(default_factory=dict)
    _refused: set[str] = field(default_factory=set)

    def forget(self) -> None:
        """The device started anew or is gone: what it held for us is gone with it."""
        for kind in list(self._held):
            self._drop(kind)
        self._refused.clear()

    def ended(self, call_id: str) -> bool:
        """The device ended one of ours (Subscription-State: terminated); True when it was one."""
        for kind, held in list(self._held.items()):
            if held.subscription.call_id == call_id:
                self._drop(kind)
                return True
        return False

    def _drop(self, kind: str) -> None:
        """Its dialog too, which otherwise stays until its life runs out: many for a device that often comes anew."""
        if (held := self._held.pop(kind, None)) is not None:
            held.subscription.drop()

    async def keep(self, link: DeviceLink) -> float:
        """Subscribe or refresh what is due; seconds until the next look. Raises LinkDown."""
        clock = link.station.clock
        for kind in self._wanted(link):
            held = self._held.get(kind)
            if held is not None and held.refresh_at > clock.monotonic():
                continue
            try:
                granted = await self._one(link, kind, held)
            except PeerError as exc:
                self._drop(kind)
                self._refused.add(kind)
                link.once(f"subscribe {kind}", "takes no subscription to %s: %s", kind, exc)
                continue
            except LinkDown:
                self._drop(kind)
                raise
            granted.refresh_at = clock.monotonic() + max(10.0, granted.subscription.expires_s * REFRESH_AT)
            self._held[kind] = granted
        times = [held.refresh_at for held in self._held.values()]
        return max(1.0, min(times) - clock.monotonic()) if times else REST_S

    def _wanted(self, link: DeviceLink) -> list[str]:
        config = link.station.config
        wanted = [
            ("Catalog", config.subscribe_catalog),
            ("Alarm", config.subscribe_alarm),
            ("MobilePosition", config.subscribe_position),
        ]
        return [kind for kind, on in wanted if on and kind not in self._refused]

    async def _refresh(self, link: DeviceLink, held: _Held, expires: int, body: bytes) -> bool:
        """False when it has to be made anew: the dialog leads to where the device was, or the device forgot it."""
        if held.subscription.hop.remote != link.way().remote:
            return False
        try:
            async with asyncio.timeout(MESSAGE_TIMEOUT_S):
                answer = await held.subscription.refresh(
                    expires, headers=(("Event", held.event),), body=body, content_type=orders.CONTENT_TYPE
                )
        except TimeoutError as exc:
            raise LinkDown(f"{link} did not answer a refreshed subscription") from exc
        return answer.ok

    async def _one(self, link: DeviceLink, kind: str, held: _Held | None) -> _Held:
        config = link.station.config
        expires = int(config.subscribe_expires)
        sn = link.next_sn()
        if kind == "Catalog":
            event, text = f"Catalog;id={sn}", orders.query("Catalog", sn, link.external_id)
        elif kind == "Alarm":
            event, text = "presence", orders.alarm_subscription(sn, link.external_id)
        else:
            event, text = "presence", orders.position_subscription(sn, link.external_id, config.position_interval)
        body = orders.encode(text, link.charset)
        if held is not None and await self._refresh(link, held, expires, body):
            return held
        self._drop(kind)
        made = await link.station.line.subscribe(link.way(), link.external_id, event, expires, body, self.heard)
        return _Held(made, event)
