"""A ball: it registers, keeps the line, answers, and comes back by itself whatever happens.

    away ──start──► registering ──200──► registered ──silence, 401/403/404──► registering (wait: 1, 2, 4 … 15 s)
                                             └──vanish, TeleBoot──► away (5 s) ──► registering
    any ──stop──► BYE to all calls, REGISTER Expires 0, gone

Run one by `python -m gateway.sim.ball` or `fieldgate sim ball`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable
from functools import lru_cache
from typing import Literal

from gateway.base.errors import GatewayError, LinkDown, PeerError
from gateway.net.sip import IncomingCall, Listen, SipEndpoint
from gateway.sim import messages
from gateway.sim.calls import Calls
from gateway.sim.ear import Ear
from gateway.sim.encoder import LiveEncoder, Microphone, Source, VideoSettings
from gateway.sim.head import Head
from gateway.sim.line import Line
from gateway.sim.nat import Nat
from gateway.sim.offer import read_voice
from gateway.sim.orders import Orders
from gateway.sim.panorama import panorama
from gateway.sim.profile import Profile
from gateway.sim.replay import Replay
from gateway.sim.report import Report, plain
from gateway.sim.sound import Air, tone
from gateway.sim.voice import Voices

_NEEDS_NAT = ("nat-rebind", "garbage-sip")
_GOODBYE_S = 3.0


@lru_cache(maxsize=8)
def shared_replay(settings: VideoSettings) -> Replay:
    """One replay for every ball of the process with the same picture."""
    return Replay(settings)


class Ball:
    """`run` until cancelled. `press_alarm` and `press_upload` are its two buttons; `ear` knows what it played."""

    def __init__(self, profile: Profile, report: Report = plain) -> None:
        self.profile = profile
        self._report = report
        self.head = Head()
        self.ear = Ear(self.tell)
        self.source: Source
        if profile.replay:
            self.source = shared_replay(profile.video)
        else:
            self.source = LiveEncoder(profile.video, self.head, f"BALL {profile.device_id[-4:]}", self._microphone())
        self.registered = asyncio.Event()
        self._orders: Orders | None = None
        self._tasks: set[asyncio.Future[None]] = set()

    def tell(self, event: str, words: str = "", **data: object) -> None:
        self._report(event, self.profile.wire_id, words, **data)

    def _microphone(self) -> Microphone:
        if "echo" not in self.profile.faults:
            return tone
        air = Air(self.profile.faults["echo"])
        self.ear.listeners.append(air.played)
        return air.microphone

    def press_alarm(self) -> None:
        if self._orders is not None:
            self._spawn(self._orders.alarm())

    def press_upload(self) -> None:
        if self._orders is not None:
            self._spawn(self._orders.want_to_be_seen())

    async def run(self) -> None:
        if not self.profile.replay:
            await asyncio.to_thread(panorama)  # drawn before anybody waits for a picture
        while True:
            try:
                await self._life()
            except GatewayError as exc:  # the port is taken, the network is away
                self.tell("failed", f"{exc}")
            await asyncio.sleep(self.profile.away_s)

    # -- one life ---------------------------------------------------------------------------------------------

    async def _life(self) -> None:
        """From power on until it vanishes (returns) or is stopped (cancelled: says goodbye)."""
        nat = None
        if self.profile.transport == "udp" and any(name in self.profile.faults for name in _NEEDS_NAT):
            nat = Nat(self.profile.server)
            await nat.open()
        host = "::" if ":" in self.profile.server[0] else "0.0.0.0"  # noqa: S104 - the route decides the address
        try:
            async with SipEndpoint([Listen("udp", host, 0)], product="SimBall/1.0") as endpoint:
                await self._live_on(endpoint, nat)
        finally:
            self._orders = None
            self.registered.clear()
            if nat is not None:
                nat.close()

    async def _live_on(self, endpoint: SipEndpoint, nat: Nat | None) -> None:
        profile = self.profile
        line = Line(profile, endpoint, nat)
        calls = Calls(profile, self.source, self.tell)
        voices = Voices(profile, line, endpoint, self.ear, self._spawn, self.tell)
        orders = self._orders = Orders(profile, line, self.head, self.source, voices, self._spawn, self.tell)

        async def on_call(call: IncomingCall) -> None:
            text = messages.decode(call.request.body)
            if "m=audio" in text and "m=video" not in text:
                await voices.on_call(call, read_voice(text))
            else:
                await calls.on_call(call)

        endpoint.on_request("MESSAGE", orders.on_message)
        endpoint.on_request("SUBSCRIBE", orders.on_subscribe)
        endpoint.on_call(on_call)
        if profile.alarm_every_s:
            self._spawn(self._alarms(orders, line))
        if nat is not None and "nat-rebind" in profile.faults:
            self._spawn(self._rebind(nat, calls, line))
        going = asyncio.create_task(self._stay_registered(line), name="line")
        ends = [asyncio.create_task(event.wait()) for event in (calls.vanish, orders.boot)]
        try:
            await asyncio.wait({going, *ends}, return_when=asyncio.FIRST_COMPLETED)
            if going.done():
                going.result()  # it ends by an error only
            self.tell("vanished", "vanished")
        except asyncio.CancelledError:
            await self._stop_tasks(going)
            with contextlib.suppress(GatewayError, TimeoutError):
                async with asyncio.timeout(_GOODBYE_S):
                    await voices.hang_up()
                    await calls.hang_up()
                    await line.unregister()
            self.tell("unregistered", "stopped")
            raise
        finally:
            await self._stop_tasks(going, *ends, *self._tasks)

    async def _stay_registered(self, line: Line) -> None:
        wait = self.profile.retry_s
        server = f"{self.profile.server[0]}:{self.profile.server[1]}"
        while True:
            try:
                self.tell("registering", f"registering with {server}", server=server)
                await line.register(fresh=True)
                wait = self.profile.retry_s
                self.registered.set()
                self.tell("registered", f"registered with {server}", server=server)
                await line.keep_alive()
            except (LinkDown, PeerError) as exc:
                self.registered.clear()
                line.registered.clear()
                self.tell("unregistered", f"not registered: {exc}", status=getattr(exc, "status", 0))
            await asyncio.sleep(wait * random.uniform(0.8, 1.2))
            wait = min(self.profile.retry_max_s, wait * 2)

    async def _alarms(self, orders: Orders, line: Line) -> None:
        while True:
            await asyncio.sleep(self.profile.alarm_every_s)
            await line.registered.wait()
            await orders.alarm()

    async def _rebind(self, nat: Nat, calls: Calls, line: Line) -> None:
        await line.registered.wait()
        await asyncio.sleep(self.profile.faults["nat-rebind"])
        await nat.rebind()
        calls.rebind()
        self.tell("rebound", "everything comes from new ports now")

    # -- tasks ------------------------------------------------------------------------------------------------

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._reap)

    def _reap(self, task: asyncio.Future[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (exc := task.exception()) is not None:
            self.tell("failed", f"{type(exc).__name__}: {exc}")

    @staticmethod
    async def _stop_tasks(*tasks: asyncio.Future[None] | asyncio.Future[Literal[True]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    from gateway.sim.command import main

    main()
