"""One attempt to have a device play sound, from asking to the end. GB/T 28181-2022 §9.12; 2016 s=Talk.

broadcast: MESSAGE Broadcast → Result OK → the device's INVITE → 200 → ACK, or TCP connected → sound → BYE
s=Talk:    our INVITE → 200 → ACK → TCP connected, or UDP → sound → BYE
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, TypeVar

from adapters.gb28181.dialing import bound_to, dial
from adapters.gb28181.hangup import hang_up
from adapters.gb28181.line import dialog_of, dialog_taken
from adapters.gb28181.link import DeviceLink
from adapters.gb28181.protocol import orders
from adapters.gb28181.protocol.invite import subject
from adapters.gb28181.protocol.manscdp import BroadcastReply
from adapters.gb28181.protocol.voice import Asked, OurSide, VoiceSide, Way, answer_to, chosen_y, dial_hosts, read_side
from adapters.gb28181.voiceleg import Sound, VoiceLeg, accepted
from gateway import codecs
from gateway.base.errors import GatewayError, LinkDown, PeerError, RemoteProtocolError
from gateway.contract.voice import VoiceLine
from gateway.net.sip import CallEnd, IncomingCall, InviteCall

log = logging.getLogger(__name__)

STANDS_S = 3.0
"""A device that has not hung up so long after the first sound plays it."""

CHECK_S = 3.0
T = TypeVar("T")
BUSY = (486, 600)


class Waiting:
    """A broadcast that waits for the device's INVITE; `came` holds it, whoever takes it then."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.came: asyncio.Future[IncomingCall] = asyncio.get_running_loop().create_future()


@dataclass(slots=True)
class VoiceAttempt:
    """`stands` and `tcp` tell afterwards what became of it: sound was played, and over what it was to be."""

    link: DeviceLink
    way: Way
    target: str
    line: VoiceLine
    patience_s: float  # for the device's INVITE
    stands: bool = False
    tcp: bool = False
    call: IncomingCall | InviteCall | None = None

    async def check(self) -> None:
        """The device has registered as one does that has started anew: is it in this call still? Over UDP nothing else
        would tell. It need not know OPTIONS: any answer but 481 does, and none is none where it has moved."""
        call, hop = self.call, self.link.hop
        if call is None or call.end is not None:
            return
        try:
            await call.send("OPTIONS", timeout=CHECK_S)
        except LinkDown:
            if hop is not None and hop.remote != call.hop.remote:
                await call.bye()

    # — broadcast —

    async def broadcast(self, waiting: Waiting) -> None:
        """Ends by raising LinkDown or PeerError with the reason, or by being cancelled."""
        call: IncomingCall | None = None
        try:
            call = self.call = await self._asked(waiting)
            await self._answer(call)
        finally:
            if call is None and waiting.came.done() and not waiting.came.cancelled():
                call = waiting.came.result()
            if call is not None:
                await hang_up(self.link, call)

    async def _asked(self, waiting: Waiting) -> IncomingCall:
        """MESSAGE, its answer, and the device's INVITE, which overtakes the answer at times."""
        link, asked = self.link, waiting.asked
        sn = link.next_sn()
        with link.expecting(sn, BroadcastReply) as reply:
            told = asyncio.create_task(
                link.tell(link.external_id, orders.broadcast(sn, asked.source, asked.target)), name="broadcast"
            )
            waits: set[asyncio.Future[Any]] = {told, reply, waiting.came}
            try:
                async with asyncio.timeout(self.patience_s):
                    while not waiting.came.done():
                        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                        if told.done() and not waiting.came.done():
                            self._taken(told)
                            waits.discard(told)
                        if reply.done() and not waiting.came.done():
                            self._agreed(reply.result())
                            waits.discard(reply)
            except TimeoutError as exc:
                said = "agreed" if reply.done() else "did not answer"
                raise LinkDown(
                    f"{link} {said} to the broadcast to {asked.target} and sent no INVITE in {self.patience_s:g} s",
                    code="broadcast-no-invite",
                ) from exc
            finally:
                told.cancel()
                await asyncio.gather(told, return_exceptions=True)
        return waiting.came.result()

    def _taken(self, told: asyncio.Task[None]) -> None:
        try:
            told.result()
        except PeerError as exc:
            code = "device-busy" if exc.status in BUSY else "broadcast-refused"
            raise PeerError(f"{self.link} refused the broadcast: {exc}", status=exc.status, code=code) from exc

    def _agreed(self, reply: BroadcastReply) -> None:
        if not reply.ok:
            busy = "busy" in reply.reason.lower()
            raise PeerError(
                f"{self.link} answered the broadcast to {self.target} with ERROR {reply.reason}".rstrip(),
                status="ERROR",
                code="device-busy" if busy else "broadcast-refused",
            )

    async def _answer(self, call: IncomingCall) -> None:
        link, config = self.link, self.link.station.config
        try:
            side = read_side(call.request.body)
        except RemoteProtocolError as exc:
            call.reject(488, "No audio that could be sent")
            raise PeerError(
                f"{link}: the INVITE for the broadcast: {exc}", status=488, code="codec-unsupported"
            ) from exc
        chosen = side.choose(self.way.codec)
        if chosen is None:
            call.reject(488, "G.711 only")
            raise PeerError(f"{link} asks for no G.711", status=488, code="codec-unsupported")
        self._say_odd(side)
        udp, tcp = link.station.context.media.bind_rtp_pair(config.listen.host)
        ours = link.station.ssrcs.take()
        try:
            y, ssrc = chosen_y(side, ours)
            us = answer_to(side, chosen, platform=config.id, host=self._our_host(udp), port=udp.getsockname()[1], y=y)
            call.accept(us.sdp(), "Application/SDP", contact_user=config.id)
            link.running.add(call.call_id)
            if (dialog := dialog_taken(call)) is not None:
                link.keep_dialog(dialog)
            sound = Sound(us.codec, us.pt, ssrc, config.id, link.quirks.talk.send)
            gone = asyncio.ensure_future(call.ended())
            acked = asyncio.ensure_future(call.acked())
            try:
                await self._play(side, sound, udp, tcp, gone, acked)
            finally:
                for future in (gone, acked):
                    future.cancel()
                await asyncio.gather(gone, acked, return_exceptions=True)
        finally:
            link.running.discard(call.call_id)
            if link.alive:
                link.drop_dialog(call.call_id)
            udp.close()  # does nothing where the media plane took it
            tcp.close()
            link.station.ssrcs.give_back(ours)

    # — s=Talk —

    async def talk(self) -> None:
        """As `broadcast`, by our own INVITE."""
        link, station = self.link, self.link.station
        hop = link.way()
        udp, tcp = station.context.media.bind_rtp_pair(station.config.listen.host)
        y = station.ssrcs.take()
        try:
            us = OurSide(
                station.config.id,
                self._our_host(udp),
                udp.getsockname()[1],
                y,
                tcp=self.way.media == "tcp-passive",
                name="Talk",
            )
            call = self.call = await station.line.invite(
                hop, self.target, subject(self.target, y, station.config.id), us.sdp()
            )
            dialog = None
            try:
                side = await self._talk_answered(call)
                link.running.add(call.call_id)
                dialog = dialog_of(call, await call.answered())
                if dialog is not None:
                    link.keep_dialog(dialog)
                codec, pt = side.choose(self.way.codec) or ("pcma", 8)
                _, ssrc = chosen_y(side, y)
                sound = Sound(codec, pt, ssrc, station.config.id, link.quirks.talk.send)
                gone = asyncio.ensure_future(call.ended())
                try:
                    await self._play(side, sound, udp, tcp, gone, None)
                finally:
                    gone.cancel()
                    await asyncio.gather(gone, return_exceptions=True)
            finally:
                link.running.discard(call.call_id)
                if link.alive:
                    link.drop_dialog(call.call_id)
                await hang_up(link, call, dialog)
        finally:
            udp.close()
            tcp.close()
            station.ssrcs.give_back(y)

    async def _talk_answered(self, call: InviteCall) -> VoiceSide:
        link = self.link
        try:
            answer = await call.answered(link.station.config.invite_timeout)
        except PeerError as exc:
            code = "device-busy" if exc.status in BUSY else "invite-refused"
            raise PeerError(f"{link} refused s=Talk: {exc}", status=exc.status, code=code) from exc
        await call.ack()
        try:
            side = read_side(answer.body)
        except RemoteProtocolError as exc:
            raise PeerError(f"{link}: the answer to s=Talk: {exc}", status=200, code="codec-unsupported") from exc
        self._say_odd(side)
        return side

    # — both —

    def _our_host(self, udp: socket.socket) -> str:
        """As for pictures: devices with several networks drop what does not come from where they sent to."""
        return self.link.quirks.sdp_ip or bound_to(udp) or self.link.way().local[0]

    def _say_odd(self, side: VoiceSide) -> None:
        for oddity in side.oddities:
            self.link.once(f"voice sdp {oddity}", "asks for sound with %s", oddity)

    def _known(self, side: VoiceSide) -> set[str]:
        hops = (self.link.hop,)
        return {side.host, *(hop.remote[0] for hop in hops if hop is not None)}

    async def _play(
        self,
        side: VoiceSide,
        sound: Sound,
        udp: socket.socket,
        tcp: socket.socket,
        gone: asyncio.Future[CallEnd],
        acked: asyncio.Future[Any] | None,
    ) -> None:
        """Begin at the moment that the way says, then hold until either side ends it. `acked` None: it is."""
        link = self.link
        self.tcp = side.tcp
        leg = VoiceLeg(link.station.context.media, self.line, sound, str(link))
        connection: socket.socket | None = None
        try:
            if side.tcp:
                self.line.say("opening", "TCP")
                connection = await self._before(gone, self._connection(side, tcp))
            if acked is not None and (self.way.start == "ack" or (not side.tcp and self.way.start != "answer")):
                await self._acknowledged(gone, acked)
            if connection is not None:
                leg.over_tcp(connection)
            else:
                host = side.where(link.way().remote[0], link.quirks.talk.address)
                leg.over_udp(udp, host, side.port, lambda: self._known(side))
            await self._hold(leg, gone, acked)
        except codecs.MediaError as exc:
            raise LinkDown(f"no leg for sound to {link}: {exc}") from exc
        finally:
            leg.close()
            if connection is not None:
                connection.close()

    async def _before(self, gone: asyncio.Future[CallEnd], work: Awaitable[T]) -> T:
        """`work`, unless the device hangs up before it is done."""
        task = asyncio.ensure_future(work)
        try:
            ends: list[asyncio.Future[Any]] = [task, gone]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise LinkDown(f"{self.link} hung up before there was any sound", code="source-ended")
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _connection(self, side: VoiceSide, tcp: socket.socket) -> socket.socket:
        link = self.link
        patience = link.station.config.invite_timeout
        try:
            async with asyncio.timeout(patience):
                if not side.we_dial:
                    return await accepted(tcp, lambda: self._known(side), str(link))
                connection = await dial(dial_hosts(side, link.way().remote[0]))
        except TimeoutError:
            connection = None
        if connection is None:
            who = f"we reached nobody at {side.host}:{side.port}" if side.we_dial else "it did not connect"
            raise LinkDown(f"{link} agreed on TCP for sound, and {who} in {patience:g} s", code="talk-no-connection")
        return connection

    async def _acknowledged(self, gone: asyncio.Future[CallEnd], acked: asyncio.Future[Any]) -> None:
        patience = self.link.station.config.invite_timeout
        try:
            async with asyncio.timeout(patience):
                await self._before(gone, asyncio.shield(acked))
        except TimeoutError as exc:
            raise LinkDown(f"{self.link} sent no ACK in {patience:g} s", code="broadcast-no-ack") from exc
        except PeerError as exc:
            raise LinkDown(f"{self.link} hung up before there was any sound", code="source-ended") from exc

    async def _hold(self, leg: VoiceLeg, gone: asyncio.Future[CallEnd], acked: asyncio.Future[Any] | None) -> None:
        """Raises at the end, always: who ended it and how."""
        link = self.link
        over = asyncio.ensure_future(leg.ended())
        ends: list[asyncio.Future[Any]] = [gone, over]
        try:
            await asyncio.wait(ends, timeout=STANDS_S, return_when=asyncio.FIRST_COMPLETED)
            if gone.done() or over.done():
                raise LinkDown(f"{link} ended the call when sound came", code="talk-dropped")
            self.stands = True
            link.remember(talk=str(self.way))
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if not gone.done():
                raise LinkDown(f"sound to {link} ended", code=over.result())
            if gone.result().by == "link" and acked is not None and not acked.done():
                raise LinkDown(f"{link} never acknowledged our answer", code="broadcast-no-ack")
            raise LinkDown(f"{link} hung up: {gone.result().detail}".rstrip(": "), code="source-ended")
        finally:
            over.cancel()
            await asyncio.gather(over, return_exceptions=True)


def next_way_helps(exc: GatewayError) -> bool:
    """Whether another way of asking may do where this one failed."""
    return exc.code in (
        "broadcast-refused",
        "broadcast-no-invite",
        "invite-refused",
        "invite-timeout",
        "talk-no-connection",
    )
