"""The core's side of a radio channel, as small fakes; the media plane is tests.fakes' or the real one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from gateway import codecs
from gateway.contract.adapter import Context
from gateway.contract.device import Admitted
from gateway.contract.voice import VoiceOffer
from gateway.model.ids import DeviceId
from tests.unit.gb28181.fakes import FakeAttached


class FakeLine:
    """A VoiceLine that writes down what the channel says."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.handle: int | None = None
        self.pressed = False
        self.inhibit = ""
        self.listeners: list[Callable[[codecs.VoiceEvent], None]] = []
        self.transmit: Callable[[bool], None] = lambda _on: None
        self._changed = asyncio.Event()

    async def until(self, true: Callable[[FakeLine], object], timeout_s: float = 60.0) -> None:
        async with asyncio.timeout(timeout_s):
            while not true(self):
                self._changed.clear()
                await self._changed.wait()

    def event(self, state: str, detail: str = "") -> None:
        event = SimpleNamespace(voice=self.handle, state=state, code="", detail=detail, address="")
        for listener in self.listeners:
            listener(cast("codecs.VoiceEvent", event))

    def voice(self, handle: int | None) -> None:
        self.handle = handle
        self._changed.set()

    def heard(self, listener: Callable[[codecs.VoiceEvent], None]) -> None:
        self.listeners.append(listener)

    def on_transmit(self, called: Callable[[bool], None]) -> None:
        self.transmit = called

    def press(self, *, emergency: bool = False) -> None:
        self.pressed = True
        self.said.append("press")
        self._changed.set()

    def release(self) -> None:
        self.pressed = False
        self.said.append("release")
        self._changed.set()

    def tx_inhibit(self, code: str, detail: str = "") -> None:
        self.inhibit = code
        self.said.append(f"inhibit {code}")
        self._changed.set()

    def say(self, code: str, detail: str = "", *, held: bool = False) -> None:
        self.said.append(code)


class Orders:
    """An engine that writes down what is asked of voices."""

    def __init__(self) -> None:
        self.voices: dict[int, dict[str, Any]] = {}
        self.closed: list[int] = []
        self._sockets: list[socket.socket] = []
        self.changed = asyncio.Event()

    async def until(self, voice: int, **wanted: object) -> None:
        async with asyncio.timeout(60):
            while any(self.voices[voice].get(key) != value for key, value in wanted.items()):
                self.changed.clear()
                await self.changed.wait()

    def open_voice_usrp(self, fd: int, host: str, host_port: int) -> int:
        self._sockets.append(socket.socket(fileno=fd))
        return self._voice(host=host, port=host_port)

    def open_voice_pcm(self, fd: int, *, rate_hz: int, channels: int = 1) -> int:
        self._sockets.append(socket.socket(fileno=fd))
        return self._voice(rate_hz=rate_hz)

    def set_voice(self, voice: int, **settings: Any) -> None:
        self.voices[voice] |= settings
        self.changed.set()

    def close_voice(self, voice: int) -> None:
        self.closed.append(voice)
        for one in self._sockets:
            one.close()

    def _voice(self, **settings: Any) -> int:
        handle = 7 + len(self.voices)
        self.voices[handle] = settings
        return handle


class Rig:
    def __init__(self, engine: Any = None) -> None:
        self.engine = engine or Orders()
        self.attached: dict[str, FakeAttached] = {}
        self.offers: dict[str, VoiceOffer] = {}
        self.ready = asyncio.Event()
        devices = SimpleNamespace(declare=self._declare, attach=self._attach)
        talk = SimpleNamespace(offer=self._offer, withdraw=lambda voice: self.offers.pop(voice, None))
        self.context = cast(
            Context,
            SimpleNamespace(
                gateway="kit1",
                media=SimpleNamespace(engine=self.engine),
                devices=devices,
                talk=talk,
                ready=self.ready.set,
            ),
        )

    def _declare(self, scheme: str, external_id: str, slug: str, name: str) -> Admitted:
        return Admitted(DeviceId(f"kit1/{slug}"), external_id, name, "")

    def _attach(self, device: DeviceId, handler: Any) -> FakeAttached:
        self.attached[device] = FakeAttached(device, handler)
        return self.attached[device]

    def _offer(self, offer: VoiceOffer) -> None:
        self.offers[offer.id] = offer
