"""A radio keyed by a line of a serial port: PTT on RTS or DTR, squelch from CTS or DCD, audio on a sound card.

The port is opened by pyserial-asyncio-fast, so that an unplugged adapter is heard of at once. Modem lines have no event
that a loop could wait for: they are asked every 20 ms, one ioctl each. PTT is let go when the port is opened, when the
channel ends, and by the kernel (HUPCL) should the daemon die.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import serial
import serial_asyncio_fast

from adapters.roip.config import SerialChannel
from adapters.roip.radios import Radio, Squelch
from gateway import codecs
from gateway.base.errors import LinkDown
from gateway.net.sound_card import sound_card

LOOK_S = 0.02


class _Port(asyncio.Protocol):
    """Knows when the port is gone. What the radio says on the data lines is not ours to read."""

    def __init__(self) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        pass

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_exception(LinkDown(f"the serial port is gone: {exc or 'closed'}", code="serial-lost"))


class SerialRadio:
    """The lines of one open port, and the voice of its sound card."""

    def __init__(
        self, line: serial.Serial, engine: codecs.Engine, voice: int, channel: SerialChannel, squelch: Squelch
    ) -> None:
        self._line = line
        self._engine = engine
        self._voice = voice
        self._channel = channel
        self._squelch = squelch
        self._open: bool | None = None
        self._keyed: bool | None = None
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.key(False)

    @property
    def voice(self) -> int:
        return self._voice

    def key(self, on: bool) -> None:
        if on == self._keyed:
            return
        self._keyed = on
        level = on != self._channel.ptt_inverted
        try:
            if self._channel.ptt == "rts":
                self._line.rts = level
            else:
                self._line.dtr = level
        except (OSError, serial.SerialException) as exc:
            self._fail(exc)
        self._engine.set_voice(
            self._voice,
            gain_in_db=self._channel.gain_in_db,
            gain_out_db=self._channel.gain_out_db,
            transmit="always" if on else "never",
            vox_db=self._channel.vox_db,
            vox_hang_ms=round(self._channel.vox_hang * 1000),
        )

    def heard(self, event: codecs.VoiceEvent) -> None:
        if self._channel.squelch == "vox" and event.state in ("talking", "quiet"):
            self._squelch(event.state == "talking")
        elif event.state == "closed":
            self._fail(OSError("the sound card's program ended"))

    def look(self) -> None:
        """Ask the squelch line."""
        if self._channel.squelch == "vox":
            return
        try:
            level = bool(self._line.cts if self._channel.squelch == "cts" else self._line.cd)
        except (OSError, serial.SerialException) as exc:
            self._fail(exc)
            return
        is_open = level != self._channel.squelch_inverted
        if is_open != self._open:
            self._open = is_open
            self._squelch(is_open)

    async def failed(self) -> None:
        while True:
            self.look()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await asyncio.shield(self.lost)

    def _fail(self, exc: Exception) -> None:
        if not self.lost.done():
            self.lost.set_exception(LinkDown(f"{self._channel.port}: {exc}", code="serial-lost"))


def _open_idle(channel: SerialChannel) -> serial.Serial:
    """Open the port with PTT let go: pyserial, and the kernel, would else raise both lines."""
    line = serial.serial_for_url(channel.port, baudrate=9600, do_not_open=True)
    line.rts = channel.ptt == "rts" and channel.ptt_inverted
    line.dtr = channel.ptt == "dtr" and channel.ptt_inverted
    line.open()
    return line


@asynccontextmanager
async def serial_radio(engine: codecs.Engine, channel: SerialChannel, squelch: Squelch) -> AsyncIterator[Radio]:
    """The channel while port and sound card are there. Raises LinkDown (`serial-lost`, `sound-card`)."""
    loop = asyncio.get_running_loop()
    port = _Port()
    try:
        line = await loop.run_in_executor(None, _open_idle, channel)
        transport, _ = await serial_asyncio_fast.connection_for_serial(loop, lambda: port, line)
    except (OSError, serial.SerialException, ValueError) as exc:
        raise LinkDown(f"{channel.port} can not be opened: {exc}", code="serial-lost") from exc
    async with AsyncExitStack() as stack:
        stack.callback(transport.abort)
        stack.callback(_mark_heard, port.lost)
        sound = await stack.enter_async_context(sound_card(channel.audio, channel.rate_hz))
        voice = engine.open_voice_pcm(sound.plane_end.detach(), rate_hz=channel.rate_hz)
        stack.callback(engine.close_voice, voice)
        radio = SerialRadio(transport.serial, engine, voice, channel, squelch)
        stack.callback(_mark_heard, radio.lost)
        stack.callback(radio.key, False)
        for watched in (port.lost, sound.lost):
            watched.add_done_callback(lambda done: _pass_on(done, radio.lost))
        yield radio


def _pass_on(done: asyncio.Future[None], to: asyncio.Future[None]) -> None:
    if not done.cancelled() and (exc := done.exception()) is not None and not to.done():
        to.set_exception(exc)


def _mark_heard(future: asyncio.Future[None]) -> None:
    """Nobody waits any more: a failure told now is no mistake of ours."""
    if not future.done():
        future.cancel()
    elif not future.cancelled():
        future.exception()
