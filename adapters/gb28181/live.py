"""A channel's live picture: INVITE, media from wherever it comes, BYE at the end whatever the end was.

open → for each transport of the ladder:
         two sockets on one port → INVITE → 200 → ingest leg → first packet? ── no → BYE, next transport
                                                                └ yes → remember it, wait for the end
the end is: nobody watches (cancelled), the device's BYE or MediaStatus 121, or media that stopped
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from adapters.gb28181.config import MediaTransport
from adapters.gb28181.connections import STRANGER_WAIT_S, MediaDoor
from adapters.gb28181.dialing import bound_to, dial
from adapters.gb28181.hangup import hang_up
from adapters.gb28181.line import dialog_of
from adapters.gb28181.link import DeviceLink
from adapters.gb28181.protocol import orders
from adapters.gb28181.protocol.ids import ssrc_value
from adapters.gb28181.protocol.invite import Ladder, LiveAnswer, LiveOffer, read_answer, subject
from adapters.gb28181.protocol.memory import Dialog
from adapters.gb28181.quirks import key_frame_tag
from gateway import codecs
from gateway.base.errors import GatewayError, LinkDown, PeerError
from gateway.contract.media import IngestLeg, Open, Publication
from gateway.net.sip import CallEnd, InviteCall
from gateway.wire.sip import Hop, SipResponse

log = logging.getLogger(__name__)

FLOW_CHECK_S = 1.0
_CODECS = {"H264": "h264", "H265": "h265", "PCMA": "pcma", "PCMU": "pcmu", "MPEG4-GENERIC": "aac"}


class LiveCalls:
    """The live calls of one device. `failed(channel, code)` is told of every end but that nobody watches any more."""

    def __init__(self, link: DeviceLink) -> None:
        self._link = link
        self._legs: dict[str, tuple[IngestLeg, Callable[[str], None]]] = {}
        self.failed: Callable[[str, str], None] = lambda channel, code: None

    def knows(self, call_id: str) -> bool:
        return call_id in self._link.running

    async def check_flow(self) -> None:
        """The device registered as one does that has just started: calls through which nothing flows any more are
        over now, not when the patience of the stream ends. Some write a new Call-ID every time: theirs flow on."""
        if not self._legs:
            return
        engine = self._link.station.context.media.engine
        legs = list(self._legs.items())
        before = {call_id: await asyncio.to_thread(_packets, engine, leg) for call_id, (leg, _) in legs}
        await asyncio.sleep(FLOW_CHECK_S)
        for call_id, packets in before.items():
            leg, tell = self._legs.get(call_id, (None, None))
            if leg is not None and tell is not None and await asyncio.to_thread(_packets, engine, leg) == packets:
                tell("media-stopped")

    def open(self, channel: str) -> Open:
        return partial(self._open, channel)

    async def _open(self, channel: str, pub: Publication) -> None:
        """See contract.media.Open. Raises LinkDown or PeerError with the reason that viewers read."""
        try:
            await self._climb(channel, pub)
        except GatewayError as exc:
            self.failed(channel, exc.code)
            raise

    async def _climb(self, channel: str, pub: Publication) -> None:
        link = self._link
        quirks = link.quirks
        ladder = Ladder(link.station.config.media_ladder, quirks.media or link.memory.media or quirks.media_hint)
        for rung in ladder.rungs:
            try:
                return await self._attempt(channel, pub, rung)
            except LinkDown as exc:
                if exc.code != "no-media":
                    raise
                log.info("%s: no media by %s: %s", pub.stream, rung, exc)
        # Nothing of what we know works now: begin with the configured order next time.
        link.remember(media="")
        raise LinkDown(f"{link} agreed to send {channel}; no packet by {', '.join(ladder.rungs)}", code="no-media")

    async def _attempt(self, channel: str, pub: Publication, rung: MediaTransport) -> None:
        station = self._link.station
        hop = self._link.way()
        udp, tcp = station.context.media.bind_rtp_pair(station.config.listen.host)
        y = station.ssrcs.take()
        quirks = self._link.quirks
        offer = LiveOffer(
            station.config.id,
            # Devices with several networks drop what does not come from where they sent to: answer in kind, unless
            # the configuration (media.rtp_host) has media on one address only.
            quirks.sdp_ip or bound_to(udp) or hop.local[0],
            udp.getsockname()[1],
            rung,
            y,
            quirks.sdp_line,
            quirks.more_codecs,
        )
        try:
            pub.say("opening", rung)
            call, answer = await self._invite(channel, hop, offer)
            vanished = False
            try:
                self._link.running.add(call.call_id)
                await self._receive(channel, pub, offer, call, answer, udp, tcp)
            except LinkDown as exc:
                vanished = exc.code not in ("no-media", "source-ended")
                raise
            finally:
                self._link.running.discard(call.call_id)
                # One that fell silent in the call may come back and think that the call still stands: then it is
                # busy, or sends to nobody. What is remembered ends it (`_invite`, `sync._came_online`).
                if not vanished and self._link.alive:
                    self._link.drop_dialog(call.call_id)
                await hang_up(self._link, call, dialog_of(call, answer))
        finally:
            udp.close()  # does nothing where the media plane took it
            tcp.close()
            station.ssrcs.give_back(y)

    # — signalling —

    async def _invite(self, channel: str, hop: Hop, offer: LiveOffer) -> tuple[InviteCall, SipResponse]:
        """INVITE, 200, ACK. A device that answers busy may still hold a call that we know nothing of any more: what
        is remembered of it is ended, and it is asked once more."""
        try:
            return await self._invite_once(channel, hop, offer)
        except PeerError as exc:
            stale = self._stale()
            if exc.status != 486 or not stale:
                raise self._refused(channel, exc) from exc
        for dialog in stale:
            await self.end_stale(hop, dialog)
        try:
            return await self._invite_once(channel, hop, offer)
        except PeerError as exc:
            raise self._refused(channel, exc) from exc

    async def _invite_once(self, channel: str, hop: Hop, offer: LiveOffer) -> tuple[InviteCall, SipResponse]:
        line = self._link.station.line
        call = await line.invite(hop, channel, subject(channel, offer.y, line.platform), offer.sdp())
        try:
            answer = await call.answered(self._link.station.config.invite_timeout)
            await call.ack()
        except LinkDown as exc:
            raise LinkDown(f"{self._link} did not answer the invitation to {channel}", code="invite-timeout") from exc
        except asyncio.CancelledError:
            await hang_up(self._link, call)
            raise
        for stale in self._stale():
            # It agreed, so it has let go of what it held for this channel.
            if f":{channel}@" in stale.theirs:
                self._link.drop_dialog(stale.call_id)
        dialog = dialog_of(call, answer)
        if dialog is not None:
            self._link.running.add(call.call_id)
            self._link.keep_dialog(dialog)
        return call, answer

    def _stale(self) -> list[Dialog]:
        return [dialog for dialog in self._link.memory.dialogs if dialog.call_id not in self._link.running]

    async def end_stale(self, hop: Hop, dialog: Dialog) -> None:
        """End a call that only the device may still know of; forgotten when the device has answered, whatever."""
        if await self._link.station.line.end_stale(hop, dialog):
            self._link.drop_dialog(dialog.call_id)

    def _refused(self, channel: str, exc: PeerError) -> PeerError:
        code = "device-busy" if exc.status in (486, 600) else "invite-refused"
        return PeerError(f"{self._link} refused {channel}: {exc}", status=exc.status, code=code)

    # — media —

    async def _receive(
        self,
        channel: str,
        pub: Publication,
        offer: LiveOffer,
        call: InviteCall,
        sip_answer: SipResponse,
        udp: socket.socket,
        tcp: socket.socket,
    ) -> None:
        link = self._link
        answer = read_answer(sip_answer.body, offered=offer)
        for oddity in answer.oddities:
            link.once(f"sdp {oddity}", "answers with %s; media is taken from wherever it comes", oddity)
        leg = pub.rtp(udp, ssrc=answer.ssrc, payloads=_payloads(answer), hint="ps")
        taker = asyncio.create_task(self._take_connections(leg, tcp, offer, answer))
        said: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        gone = asyncio.ensure_future(call.ended())
        ended = asyncio.ensure_future(leg.ended())

        def tell(code: str) -> None:
            if not said.done():
                said.set_result(code)

        try:
            for key in (call.call_id, channel):
                link.on_end(key, tell)
            self._legs[call.call_id] = (leg, tell)
            pub.say("waiting-media", offer.media)
            await self._first_media(leg, gone, said)
            link.remember(media=offer.media)
            pub.on_key_frame_wanted(partial(self.key_frame, channel))
            # The first packets are in the middle of a group of pictures nearly always.
            link.crew.start(self.key_frame(channel), "key frame")
            ends: list[asyncio.Future[Any]] = [gone, ended, said]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if gone.done() or said.done():
                raise LinkDown(f"{link} ended {channel}", code=said.result() if said.done() else "source-ended")
            raise LinkDown(f"media of {channel} ended", code=ended.result() or "media-stopped")
        finally:
            self._legs.pop(call.call_id, None)
            for key in (call.call_id, channel):
                link.on_end(key, None)
            for task in (taker, gone, ended):
                task.cancel()
            await asyncio.gather(taker, gone, ended, return_exceptions=True)
            leg.close()

    async def _first_media(self, leg: IngestLeg, gone: asyncio.Future[CallEnd], said: asyncio.Future[str]) -> None:
        """Wait for a packet, unless the device hangs up before. Raises LinkDown `no-media` or `source-ended`."""
        first = asyncio.ensure_future(leg.first_media(self._link.station.config.first_media))
        try:
            ends: list[asyncio.Future[Any]] = [first, gone, said]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if not first.done():
                raise LinkDown(f"{self._link} hung up before it sent anything", code="source-ended")
            first.result()
        finally:
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)

    async def _take_connections(self, leg: IngestLeg, tcp: socket.socket, offer: LiveOffer, answer: LiveAnswer) -> None:
        """Connections for this call: those that come in whatever was agreed (devices mix the modes up), and ours."""
        engine, asked = self._link.station.context.media.engine, self._link.hop

        def known() -> set[str]:
            hops = (asked, self._link.hop)
            return {answer.host, *(hop.remote[0] for hop in hops if hop is not None)}

        door = MediaDoor(
            leg,
            tcp,
            known=known,
            ssrcs=frozenset(ssrc for ssrc in (ssrc_value(offer.y), answer.ssrc) if ssrc is not None),
            packets=lambda: _packets(engine, leg),
            stranger_wait_s=min(STRANGER_WAIT_S, self._link.station.config.first_media / 2),
            who=str(self._link),
        )
        dialer = asyncio.create_task(self._dial(door, answer)) if offer.media == "tcp-active" else None
        try:
            await door.run()
        finally:
            if dialer is not None:
                dialer.cancel()
                await asyncio.gather(dialer, return_exceptions=True)

    async def _dial(self, door: MediaDoor, answer: LiveAnswer) -> None:
        connection = await dial(answer.dial(self._link.way().remote[0]))
        if connection is not None:
            door.dialled(connection)

    async def key_frame(self, channel: str) -> None:
        """Ask for a key frame, in the spelling of the device's version. Never raises: it is a wish."""
        link = self._link
        tag = key_frame_tag(link.quirks, link.memory.version)
        try:
            await link.tell(channel, orders.key_frame(link.next_sn(), channel, tag))
        except GatewayError as exc:
            link.once("key frame", "did not take the wish for a key frame: %s", exc)


def _packets(engine: codecs.Engine, leg: IngestLeg) -> int | None:
    """So many packets came by `leg`; None when it is gone. Waits for the media plane: call it in a thread."""
    try:
        return int(engine.leg_stats(leg.handle)["packets"])
    except (codecs.MediaError, KeyError):
        return None


def _payloads(answer: LiveAnswer) -> list[codecs.RtpMap]:
    """What the answer's rtpmaps say, in the media plane's names. Only hints: the content decides."""
    return [codecs.RtpMap(m.pt, _CODECS[m.codec], m.clock_hz) for m in answer.payloads if m.codec in _CODECS]
