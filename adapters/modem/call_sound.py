"""The sound of a modem's call while it is up: switched on, a voice of the media plane, and switched off again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from adapters.modem.config import OneModem
from adapters.modem.face import CellularModem, SoundWay, Speaking
from gateway import codecs
from gateway.base.errors import GatewayError, LinkDown
from gateway.base.serial import usb_socket
from gateway.net.pcm_line import PcmLine, pcm_line
from gateway.net.sound_card import find_card, sound_card

log = logging.getLogger(__name__)

RATE_HZ = 8000
OFF_S = 4.0
HEARD_DB = -100.0
"""A modem that is up is never as still as this: all samples are nought."""


@dataclass(slots=True)
class CallSound:
    """`voice` is the media plane's; `lost` fails when card or port is gone."""

    engine: codecs.Engine
    voice: int
    lost: asyncio.Future[None]
    what: str  # for people: which card, which port
    line: PcmLine | None = None

    @property
    def heard(self) -> bool:
        """Something came of the modem within the last tenth of a second."""
        level, _ = self.engine.levels([self.voice]).get(self.voice, (-127.0, -127.0))
        return level > HEARD_DB

    @property
    def silence(self) -> str:
        """What is not heard, in words."""
        if self.line is not None and not self.line.records:
            return f"not one sample on {self.what}"
        return f"only silence from {self.what}"


@asynccontextmanager
async def call_sound(
    name: str, modem: CellularModem, config: OneModem, engine: codecs.Engine
) -> AsyncIterator[CallSound]:
    """While the call is up. Raises LinkDown (`sound-card`, `serial-lost`), Busy (`serial-held`), Unsupported and
    PeerError (`call-no-sound-way`)."""
    way, place = SoundWay(config.calls.way), config.calls.place
    async with AsyncExitStack() as stack:
        if isinstance(modem, Speaking):
            stack.push_async_callback(_off, name, modem, way)
            await modem.switch_sound(way, True)
        if way is SoundWay.PCM:
            line = await stack.enter_async_context(pcm_line(place, owner=f"the sound of {name}", rate_hz=RATE_HZ))
            sound = CallSound(engine, 0, line.lost, place, line)
            end = line.plane_end
        else:
            device = await asyncio.get_running_loop().run_in_executor(None, card_of, config)
            card = await stack.enter_async_context(sound_card(device, RATE_HZ))
            sound = CallSound(engine, 0, card.lost, f"the sound card {device}")
            end = card.plane_end
        sound.voice = engine.open_voice_pcm(end.detach(), rate_hz=RATE_HZ)
        stack.callback(engine.close_voice, sound.voice)
        engine.set_voice(sound.voice, gain_in_db=config.calls.gain_in_db, gain_out_db=config.calls.gain_out_db)
        yield sound


def card_of(config: OneModem) -> str:
    """The ALSA device; of the modem's own USB socket where none is named. Raises LinkDown (`sound-card`)."""
    if config.calls.place:
        return find_card(config.calls.place)
    socket = usb_socket(config.port)
    if not socket:
        raise LinkDown(f"{config.port} is in no USB socket: name the sound card in calls.audio", code="sound-card")
    return find_card(f"usb:{socket}")


async def _off(name: str, modem: Speaking, way: SoundWay) -> None:
    """Whatever came before. Where it does not reach the modem, it is done when the modem is opened next."""
    try:
        async with asyncio.timeout(OFF_S):
            await modem.switch_sound(way, False)
    except (GatewayError, TimeoutError) as exc:
        log.info("%s: the call's sound was not switched off: %s", name, exc or "no answer in time")
