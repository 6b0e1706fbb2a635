"""A vehicle's loudspeaker: the intercom of JT/T 1078-2016 §5.5.1, data type 2. Sound goes back on the connection that
the terminal dials in on; its microphone is heard with its picture, so what it sends here is let go."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from adapters.jt808.config import Jt808Config
from adapters.jt808.door import MediaDoor
from adapters.jt808.line import Line
from adapters.jt808.live import dialled_in
from adapters.jt808.protocol import messages
from adapters.jt808.protocol.messages import Live, Order
from gateway import codecs
from gateway.base.errors import GatewayError, LinkDown
from gateway.contract.media import Media
from gateway.contract.voice import VoiceLine

_PCMA = 8


class Loudspeaker:
    def __init__(self, line: Line, door: MediaDoor, config: Jt808Config, number: int) -> None:
        self._line = line
        self._door = door
        self._config = config
        self._number = number

    async def run(self, line: VoiceLine, media: Media) -> None:
        """See contract.voice.VoiceOpen."""
        engine = media.engine
        connection, head = await dialled_in(self._line, self._door, self._config, self._number, Live.INTERCOM)
        stream = engine.open_stream(f"{self._line.phone} intercom", gop_bytes=100_000)
        over: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def heard(event: codecs.VoiceEvent) -> None:
            if event.state == "closed" and not over.done():
                over.set_result(event.code)

        try:
            leg = engine.open_bytes_in(stream, connection.detach(), "jt1078", initial=head)
            voice = engine.open_voice_jt1078(leg, send=[codecs.RtpMap(_PCMA, "pcma", 8000)])
            try:
                line.heard(heard)
                line.voice(voice)
                code = await over
                raise LinkDown(f"{self._line.phone} ended the intercom", code=code or "link-down")
            finally:
                with suppress(GatewayError):
                    line.voice(None)
                engine.close_voice(voice)
        finally:
            engine.close_stream(stream)
            await asyncio.shield(self._hang_up())

    async def _hang_up(self) -> None:
        with suppress(GatewayError):
            body = messages.live_close(self._number, intercom=True)
            await self._line.order(Order.LIVE_CONTROL, body, self._config.answer)
