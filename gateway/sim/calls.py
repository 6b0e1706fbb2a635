"""INVITEs for live pictures and what becomes of them. GB/T 28181-2022 §9.2."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gateway.base.errors import GatewayError
from gateway.net.sip import IncomingCall
from gateway.sim import messages
from gateway.sim.encoder import Source
from gateway.sim.leg import Leg
from gateway.sim.offer import Carrier, Offer, read_offer, write_answer
from gateway.sim.profile import Profile

CAPACITY = 8  # calls at once; more are answered 486 (§9.2 note 17)
_ACK_S = 10.0


class Calls:
    """The calls of one life of a ball."""

    def __init__(self, profile: Profile, source: Source, report: Callable[..., None]) -> None:
        self._profile, self._source, self._report = profile, source, report
        self._live: dict[str, tuple[IncomingCall, Leg]] = {}  # by Subject's sender stream, or Call-ID
        self.vanish = asyncio.Event()

    @property
    def legs(self) -> list[Leg]:
        return [leg for _, leg in self._live.values()]

    async def on_call(self, call: IncomingCall) -> None:
        faults = self._profile.faults
        offer = read_offer(messages.decode(call.request.body))
        if faults.once("busy-once") or len(self._live) >= CAPACITY:
            call.reject(486)
            return
        known = (*self._profile.video_ids, self._profile.wire_id)
        if call.request.target.user not in known:
            call.reject(404)
            return
        if offer is None:
            call.reject(488)
            return
        subject = (call.request.headers.get("Subject") or "").partition(",")[0].strip()
        key = f"{subject} {offer.ssrc_text}" if subject else call.call_id
        if key in self._live:  # annex K: the same stream asked anew means that the old call is stale
            await self._live[key][0].bye()
        leg = self._leg(offer)
        try:
            leg.open()
        except OSError as exc:
            self._report("refused", f"no socket for media: {exc}")
            call.reject(500)
            return
        self._live[key] = (call, leg)
        try:
            await self._hold(call, leg, offer)
        finally:
            leg.close()
            if self._live.get(key, (None,))[0] is call:
                del self._live[key]

    def _leg(self, offer: Offer) -> Leg:
        faults = self._profile.faults
        carrier = Carrier.UDP if "udp-only" in faults else offer.carrier
        ssrc = offer.ssrc if offer.ssrc is not None else 0x28181
        if "other-ssrc" in faults or "silent-ssrc" in faults:
            ssrc = other_ssrc(ssrc)
        return Leg(carrier, (offer.host, offer.port), ssrc, self._profile.video, faults)

    async def _hold(self, call: IncomingCall, leg: Leg, offer: Offer) -> None:
        faults = self._profile.faults
        ssrc_text = f"{leg.rtp.ssrc:010d}" if "other-ssrc" in faults else offer.ssrc_text
        answer = write_answer(
            call.request.target.user or self._profile.wire_id,
            leg.host,
            leg.port,
            leg.carrier,
            ssrc_text="" if "no-ssrc" in faults else ssrc_text,
            video="5" if self._profile.video.codec == "h265" else "2",
            audio=self._profile.video.audio,
            port_zero="port-zero" in faults,
            unroutable="unroutable-c" in faults,
        )
        call.accept(answer.encode("ascii"))
        try:
            await call.acked(_ACK_S)
        except GatewayError as exc:
            self._report("call-lost", f"the call came to nothing: {exc}")
            return
        target = f"{offer.host}:{offer.port}"
        self._report("playing", f"playing to {target} ({leg.carrier})", target=target, ssrc=leg.rtp.ssrc)
        play = asyncio.create_task(leg.play(self._source), name="play")
        over = asyncio.create_task(call.ended(), name="ended")
        limit = asyncio.create_task(self._limit(), name="limit")
        try:
            await asyncio.wait({play, over, limit}, return_when=asyncio.FIRST_COMPLETED)
            if limit.done() and "no-bye" in faults:
                play.cancel()
                self._report("silent", "media stopped without a BYE")
                await over
            elif not over.done():
                await call.bye()
        finally:
            for task in (play, over, limit):
                task.cancel()
            await asyncio.gather(play, over, limit, return_exceptions=True)
        self._report("stopped", f"stopped playing to {target}, {leg.sent} packets sent", packets=leg.sent)

    async def _limit(self) -> None:
        """Ends when a fault wants the call's media to end; the fault vanish takes the whole ball with it."""
        faults = self._profile.faults
        if faults.once("vanish"):
            await asyncio.sleep(faults["vanish"])
            self.vanish.set()
            await asyncio.Event().wait()
        for name in ("bye-after", "no-bye"):
            if name in faults:
                await asyncio.sleep(faults[name])
                return
        await asyncio.Event().wait()

    def rebind(self) -> None:
        """New media ports in the middle of every UDP call."""
        for _, leg in self._live.values():
            leg.rebind()

    async def hang_up(self) -> None:
        """BYE to all."""
        await asyncio.gather(*(call.bye() for call, _ in list(self._live.values())), return_exceptions=True)


def other_ssrc(ssrc: int) -> int:
    """Another SSRC that still fits ten digits beginning with 0."""
    return (ssrc + 60_205_514) % 1_000_000_000
