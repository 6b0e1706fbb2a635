"""One radio channel: its device in the directory, its endpoint in talk groups, and who may transmit when."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from adapters.roip.config import AnyChannel
from adapters.roip.keying import Keying, KeyLimits
from adapters.roip.radios import Radio, open_radio
from gateway.base.errors import GatewayError, Unsupported
from gateway.contract.adapter import Context
from gateway.contract.device import ChannelReport
from gateway.contract.voice import KeyedBy, VoiceLine, VoiceOffer
from gateway.model.device import Capabilities, DeviceState
from gateway.model.ids import DeviceId
from gateway.model.ptz import CruiseOp, LensMove, Preset, PresetOp, PtzMove
from gateway.model.voice import MemberKind, VoiceId

SCHEME = "roip"
PRESS_AGAIN_S = 1.0
"""A radio that is heard on keeps the floor as a held key does: by asking again."""


class RadioChannel:
    def __init__(self, name: str, channel: AnyChannel, context: Context) -> None:
        self._channel = channel
        self._media = context.media
        self._talk = context.talk
        title = channel.title or name
        declared = context.devices.declare(SCHEME, name, name, title)
        self._device = context.devices.attach(declared.id, _Handler())
        self._device.describe(model=channel.kind.upper(), name=title)
        # Reachable from the start: an endpoint is opened, and opened again, only while its device is.
        self._device.state(DeviceState.DEGRADED, "opening")
        capabilities = Capabilities(audio_in=True, talk_back=True)
        keys = self._device.channels([ChannelReport(name, title, capabilities=capabilities)])
        self._id = VoiceId(f"{declared.id}/{keys[name]}")
        self._keying = _keying(channel)
        self._radio: Radio | None = None
        self._stir = asyncio.Event()
        context.talk.offer(
            VoiceOffer(
                id=self._id,
                device=DeviceId(declared.id),
                title=title,
                kind=MemberKind.RADIO,
                open=self._open,
                on_demand=False,
                keyed_by=KeyedBy.ORDER,
                labels={"source": channel.kind},
            )
        )

    @property
    def is_open(self) -> bool:
        return self._radio is not None

    @property
    def transmitting(self) -> bool:
        return self._keying.ptt

    @property
    def heard(self) -> bool:
        return self._keying.heard

    @property
    def timeouts(self) -> int:
        return self._keying.timeouts

    def close(self) -> None:
        self._talk.withdraw(self._id)
        self._device.detach()

    # — while it is open —

    async def _open(self, line: VoiceLine) -> None:
        """The endpoint's `open`: ends only by cancellation or the channel's loss (LinkDown)."""
        timeouts, self._keying = self._keying.timeouts, _keying(self._channel)
        self._keying.timeouts = timeouts
        try:
            async with open_radio(self._media, self._channel, self._squelch) as radio:
                self._radio = radio
                try:
                    line.heard(radio.heard)
                    line.on_transmit(self._transmit)
                    line.voice(radio.voice)
                    self._device.state(DeviceState.ONLINE)
                    async with asyncio.TaskGroup() as tasks:
                        tasks.create_task(radio.failed())
                        tasks.create_task(self._drive(radio, line))
                finally:
                    self._radio = None  # before it is closed: nobody keys it any more
        except* GatewayError as group:
            failure = _first(group)
            self._device.state(DeviceState.DEGRADED, failure.code, str(failure))
            raise failure from None
        finally:
            with suppress(GatewayError):
                line.voice(None)

    def _squelch(self, is_open: bool) -> None:
        self._keying.squelch(is_open, _now())
        if is_open:
            self._device.seen()
        self._act()

    def _transmit(self, on: bool) -> None:
        self._keying.wanted(on, _now())
        self._act()

    def _act(self) -> None:
        """Key at once what the rules say; the driver does the rest."""
        if self._radio is not None:
            self._radio.key(self._keying.ptt)
        self._stir.set()

    async def _drive(self, radio: Radio, line: VoiceLine) -> None:
        """Timed rules, the floor, and what people read."""
        pressed, inhibit = False, ""
        while True:
            self._stir.clear()
            self._keying.tick(_now())
            radio.key(self._keying.ptt)
            if self._keying.heard:
                line.press()
                pressed = True
            elif pressed:
                line.release()
                pressed = False
            if self._keying.inhibit != inhibit:
                inhibit = self._keying.inhibit
                line.tx_inhibit(inhibit)
            due = [at - _now() for at in (self._keying.next_at,) if at is not None]
            if pressed:
                due.append(PRESS_AGAIN_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(max(min(due), 0.0) if due else None):
                    await self._stir.wait()


def _keying(channel: AnyChannel) -> Keying:
    return Keying(
        KeyLimits(
            transmit_timeout_s=channel.transmit_timeout,
            transmit_rest_s=channel.transmit_rest,
            tail_s=channel.tail,
            settle_s=channel.settle,
            squelch_inhibits=channel.squelch_inhibits,
        )
    )


def _now() -> float:
    return asyncio.get_running_loop().time()


def _first(group: BaseExceptionGroup[GatewayError]) -> GatewayError:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, GatewayError)  # noqa: S101  (except* let no other through)
    return found


class _Handler:
    """A radio channel has nothing that moves. Implements contract.device.DeviceHandler."""

    async def move(self, channel: str, move: PtzMove) -> None:
        raise Unsupported("a radio channel has no camera")

    async def lens(self, channel: str, move: LensMove) -> None:
        raise Unsupported("a radio channel has no camera")

    async def preset(self, channel: str, op: PresetOp, number: int, name: str) -> None:
        raise Unsupported("a radio channel has no camera")

    async def presets(self, channel: str) -> Sequence[Preset]:
        return ()

    async def cruise(self, channel: str, op: CruiseOp, number: int) -> None:
        raise Unsupported("a radio channel has no camera")

    async def key_frame(self, channel: str) -> None:
        raise Unsupported("a radio channel has no camera")

    async def refresh(self) -> None:
        """There is nothing to ask it."""
