"""The ball's loudspeaker: voice broadcast (GB/T 28181-2022 §9.12) and 2016's s=Talk. One at a time, as in the field."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from gateway.base.errors import GatewayError
from gateway.net.sip import IncomingCall, InviteCall, SipEndpoint
from gateway.sim import messages
from gateway.sim.dialling import bound
from gateway.sim.ear import Ear
from gateway.sim.line import Line
from gateway.sim.offer import Carrier, VoiceOffer, read_voice, write_voice
from gateway.sim.profile import Profile
from gateway.sim.sound import decoded
from gateway.sim.voiceleg import VoiceLeg
from gateway.wire.sip import new_request

_ANSWER_S = 10.0
_ACK_S = 10.0
_EARLY_S = 2.0
CARRIERS = {"udp": Carrier.UDP, "tcp": Carrier.DIAL, "tcp-listen": Carrier.LISTEN}


class Voices:
    """Of one life of a ball. `spawn` runs a task that ends with that life."""

    def __init__(
        self,
        profile: Profile,
        line: Line,
        endpoint: SipEndpoint,
        ear: Ear,
        spawn: Callable[[Awaitable[None]], None],
        report: Callable[..., None],
    ) -> None:
        self._profile, self._line, self._endpoint, self._ear = profile, line, endpoint, ear
        self._spawn, self._report = spawn, report
        self._call: InviteCall | IncomingCall | None = None
        self._asked = False

    @property
    def busy(self) -> bool:
        return "talk-busy" in self._profile.faults

    # -- broadcast --------------------------------------------------------------------------------------------

    async def broadcast(self, body: str, sn: str) -> None:
        """Answer OK or ERROR, then invite the source."""
        profile, faults = self._profile, self._profile.faults
        source, target = messages.field(body, "SourceID"), messages.field(body, "TargetID")
        willing = (
            profile.talk != "none"
            and "broadcast-refused" not in faults
            and target in (profile.wire_id, profile.voice_id, *profile.video_ids)
            and not (self._asked or self._call)
        )
        await self._line.say(messages.result("Broadcast", sn, target or profile.wire_id, ok=willing))
        if willing and "broadcast-silent" not in faults:
            self._asked = True
            self._spawn(self._invite(source, target))

    async def _invite(self, source: str, target: str) -> None:
        profile, faults = self._profile, self._profile.faults
        try:
            await asyncio.sleep(faults.get("broadcast-late", 0.0))
            carrier = CARRIERS[profile.talk]
            ssrc_text = "" if "talk-no-ssrc" in faults else f"0{profile.domain[3:8]}{random.randrange(10_000):04d}"
            leg = VoiceLeg(carrier, "pcmu" if "talk-pcmu" in faults else "pcma", self._hear)
            decoy = None
            try:
                leg.open(profile.server[0])
                port = leg.port
                if "talk-other-port" in faults and carrier is Carrier.UDP:
                    decoy = bound(socket.SOCK_DGRAM, leg.host)  # nobody reads it
                    port = int(decoy.getsockname()[1])
                text = write_voice(target, leg.host, port, carrier, leg.codec, ssrc_text=ssrc_text)
                await self._talk_to(source, target, ssrc_text, text, leg)
            finally:
                leg.close()
                if decoy is not None:
                    decoy.close()
        except (GatewayError, OSError) as exc:
            self._report("call-lost", f"the broadcast came to nothing: {exc}")
        finally:
            self._asked = False

    async def _talk_to(self, source: str, target: str, ssrc_text: str, text: str, leg: VoiceLeg) -> None:
        profile, faults = self._profile, self._profile.faults
        hop = await self._line.way()
        caller, callee = (source, target) if "talk-ids-swapped" in faults else (target, source)
        request = new_request(
            "INVITE",
            f"sip:{source}@{profile.domain}",
            from_=f"sip:{caller}@{profile.domain}",
            to=f"sip:{callee}@{profile.domain}",
            hop=hop,
            contact_user=profile.wire_id,
            headers=[("Subject", f"{source}:{ssrc_text or '0'},{target}:0")],
            body=text.encode("ascii"),
            content_type="APPLICATION/SDP",
        )
        call = self._call = await self._endpoint.invite(request, hop)
        try:
            answer = await call.answered(_ANSWER_S)
            theirs = read_voice(messages.decode(answer.body))
            if theirs is None:
                await call.bye()
                raise GatewayError("the answer has no sound in it")
            leg.target = (theirs.host, theirs.port)
            leg.ssrc = None if "talk-no-ssrc" in faults else theirs.ssrc
            early = "talk-dials-early" in faults
            if early and not await self._connected(leg):
                return
            if early:
                running = asyncio.create_task(leg.run())
                with suppress(TimeoutError):
                    await asyncio.wait_for(leg.first_packet.wait(), _EARLY_S)
                self._report("early", "sound came before our ACK" if leg.received else "no sound before our ACK")
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
            if "talk-no-ack" not in faults:
                await call.ack()
            if early or await self._connected(leg):
                await self._listen(call, leg, silence="talk-other-port" in faults)
        finally:
            self._call = None
            if call.end is None and "talk-no-ack" not in faults:
                await call.bye()

    async def _connected(self, leg: VoiceLeg) -> bool:
        if "tcp-refuses" in self._profile.faults and leg.carrier is not Carrier.UDP:
            self._report("silent", "agreed on TCP and does nothing")
            call = self._call
            if call is not None:
                await call.ended()
            return False
        return await leg.connect()

    # -- s=Talk -----------------------------------------------------------------------------------------------

    async def on_call(self, call: IncomingCall, offer: VoiceOffer | None) -> None:
        """2022 has dropped s=Talk, so a ball of 2022 refuses it."""
        profile, faults = self._profile, self._profile.faults
        refused = offer is None or offer.kind != "Talk" or profile.version == "2022" or profile.talk == "none"
        if refused or "talk-refused" in faults:
            call.reject(488)
            return
        assert offer is not None  # noqa: S101 - refused above
        if self.busy or self._call is not None or self._asked:
            call.reject(486)
            return
        ssrc = None if "talk-no-ssrc" in faults else offer.ssrc
        leg = VoiceLeg(offer.carrier, "pcmu" if "talk-pcmu" in faults else "pcma", self._hear, ssrc=ssrc)
        leg.target = (offer.host, offer.port)
        self._call = call
        try:
            leg.open(offer.host)
            text = write_voice(
                call.request.target.user or profile.wire_id, leg.host, leg.port, leg.carrier, leg.codec,
                ssrc_text=offer.ssrc_text, kind="Talk",
            )  # fmt: skip
            call.accept(text.encode("ascii"), "APPLICATION/SDP")
            await call.acked(_ACK_S)
            if await self._connected(leg):
                await self._listen(call, leg, speaks=True)
        except (GatewayError, OSError) as exc:
            self._report("call-lost", f"the talk came to nothing: {exc}")
        finally:
            self._call = None
            leg.close()
            if call.end is None:
                await call.bye()

    # -- both -------------------------------------------------------------------------------------------------

    async def _listen(
        self, call: InviteCall | IncomingCall, leg: VoiceLeg, *, speaks: bool = False, silence: bool = False
    ) -> None:
        """Play what comes until either side ends it."""
        target = f"{leg.target[0]}:{leg.target[1]}"
        self._report("talk", f"the loudspeaker is on: {target} ({leg.carrier}, {leg.codec})", target=target)
        tasks: list[asyncio.Future[Any]] = [asyncio.create_task(leg.run()), asyncio.create_task(call.ended())]
        if "talk-bye" in self._profile.faults or self._profile.faults.once("talk-bye-once"):
            tasks.append(asyncio.create_task(leg.first_packet.wait()))
        extra = [asyncio.create_task(leg.speak(leg.ssrc or 0x28181, silence=silence))] if speaks or silence else []
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*tasks, *extra):
                task.cancel()
            await asyncio.gather(*tasks, *extra, return_exceptions=True)
            self._ear.over()
            self._report(
                "talk-over",
                f"the loudspeaker is off: {leg.received} packets, {self._ear.heard_s:.1f} s of speech heard",
                packets=leg.received,
                strange=leg.strange,
                heard_s=round(self._ear.heard_s, 1),
            )

    def _hear(self, payload: bytes, codec: str) -> None:
        self._ear.play(decoded(payload, codec))

    async def hang_up(self) -> None:
        if self._call is not None:
            await self._call.bye()
