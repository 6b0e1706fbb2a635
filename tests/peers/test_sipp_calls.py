"""SIPp as the far side of calls with a media session: each of their rules against a program that we did not write."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from gateway.base.errors import GatewayError, LinkDown
from gateway.net.sip import CallEnd, CallOptions, IncomingCall, Listen, SipEndpoint
from gateway.wire.sip.core import CoreLimits
from gateway.wire.sip.session_timer import SessionTimer
from gateway.wire.sip.transaction import Timers
from tests.peers import test_sipp as rig
from tests.peers.programs import need
from tests.unit.net.phones import TAGS, Session, invite, session

CALLS = 10
pytestmark = pytest.mark.peer

Act = Callable[[IncomingCall, Session], Awaitable[None]]


@pytest.fixture(autouse=True)
def sipp_is_here() -> None:
    need("sipp")


class Ua:
    """Takes each call by `act`; what went wrong in it, and how each call ended, are kept."""

    def __init__(self, sip: SipEndpoint, act: Act, **options: Any) -> None:
        self.ends: list[CallEnd] = []
        self.wrong: list[BaseException] = []
        self.sessions: list[Session] = []
        self._act = act
        self._options = options
        sip.on_call(self._take)

    async def _take(self, call: IncomingCall) -> None:
        mine = session(5000)
        self.sessions.append(mine)
        try:
            call.use(CallOptions(session=mine, follow="source", **self._options))
            await self._act(call, mine)
            self.ends.append(await asyncio.wait_for(call.ended(), 40))
        except (GatewayError, AssertionError, TimeoutError) as exc:
            self.wrong.append(exc)
            await call.bye()


async def plain(call: IncomingCall, _: Session) -> None:
    call.ringing()
    call.accept()
    await call.acked(30)


def phone(transport: str = "udp", **more: Any) -> SipEndpoint:
    return SipEndpoint([Listen(transport, "127.0.0.1", 0)], supported=TAGS, **more)  # type: ignore[arg-type]


def run(
    folder: Path, transport: str, name: str, *args: object
) -> AbstractAsyncContextManager[asyncio.subprocess.Process]:
    """SIPp with one scenario; its own -m of test_sipp is overridden by ours, which stands later."""
    return rig.sipp(folder, transport, "-sf", rig.scenario(name, folder), "-m", CALLS, "-r", 20, *args)


async def scenario(folder: Path, name: str, act: Act, transport: str = "udp", **options: Any) -> Ua:
    async with phone(transport) as sip:
        ua = Ua(sip, act, **options)
        async with run(folder, transport, name, f"127.0.0.1:{sip.bound[0].port}") as process:
            await rig.finish(process, folder)
        assert not ua.wrong, ua.wrong
        assert sip.counters.get("bad", 0) == 0 and len(ua.sessions) == CALLS
    return ua


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize(
    ("name", "port"),
    [("ua_late", 6000), ("ua_update", 6010), pytest.param("ua_lost_ack", 6000, marks=pytest.mark.long)],
)
async def test_sipp_calls_us(name: str, port: int, transport: str, tmp_path: Path) -> None:
    ua = await scenario(tmp_path, name, plain, transport)
    assert [end.by for end in ua.ends] == ["remote"] * CALLS
    assert [s.port for s in ua.sessions] == [port] * CALLS
    assert (ua.sessions[0].asked[0] == "offer") is (name == "ua_late")


async def test_reliable_early_media(tmp_path: Path) -> None:
    async def act(call: IncomingCall, mine: Session) -> None:
        call.ringing(183, media=True)
        call.accept()
        await call.acked(30)

    ua = await scenario(tmp_path, "ua_prack", act)
    assert [end.by for end in ua.ends] == ["remote"] * CALLS and {s.port for s in ua.sessions} == {6000}


async def test_cancelled_while_ringing(tmp_path: Path) -> None:
    async def act(call: IncomingCall, mine: Session) -> None:
        call.ringing()

    ua = await scenario(tmp_path, "ua_cancel", act)
    assert [end.by for end in ua.ends] == ["cancelled"] * CALLS


async def test_reinvite_meets_491_and_is_tried_again(tmp_path: Path) -> None:
    async def act(call: IncomingCall, mine: Session) -> None:
        await plain(call, mine)
        mine.n.hold(True)
        await call.reoffer()
        assert mine.asked[-4:] == ["offer", "rolled back", "offer", "answered"]
        await call.bye()

    ua = await scenario(tmp_path, "ua_glare", act)
    assert [end.by for end in ua.ends] == ["local"] * CALLS


async def test_we_transfer_a_call(tmp_path: Path) -> None:
    async def act(call: IncomingCall, mine: Session) -> None:
        await plain(call, mine)
        transfer = await call.refer("sip:8002@127.0.0.1")
        assert await transfer.done(20) == 200
        await call.bye()

    ua = await scenario(tmp_path, "ua_refer", act)
    assert [end.by for end in ua.ends] == ["local"] * CALLS


class Quick(SessionTimer):
    """Its seconds are hundredths."""

    @property
    def refresh_after_s(self) -> float:
        return super().refresh_after_s / 100

    @property
    def over_after_s(self) -> float:
        return super().over_after_s / 100 + 5


async def test_we_refresh_the_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.net.sip.ua.SessionTimer", Quick)
    ua = await scenario(tmp_path, "ua_refresh", plain)
    assert [end.by for end in ua.ends] == ["remote"] * CALLS


async def test_a_phone_that_never_acknowledges_is_hung_up(tmp_path: Path) -> None:
    async def act(call: IncomingCall, mine: Session) -> None:
        call.ringing()
        call.accept()
        with pytest.raises(LinkDown):
            await call.acked(30)

    timing = Timers(t1=0.05, t2=0.4)
    async with phone(timing=timing) as sip:
        ua = Ua(sip, act)
        async with run(tmp_path, "udp", "ua_never_ack", "-nr", f"127.0.0.1:{sip.bound[0].port}") as process:
            await rig.finish(process, tmp_path)
        assert not ua.wrong and [end.by for end in ua.ends] == ["link"] * CALLS
        assert sip.standing["dialogs"] == 0


async def test_an_invite_flood_is_bounded(tmp_path: Path) -> None:
    """Ten times more calls than may stand: the rest is told 503, what is kept stays within bounds, and one who calls
    after it is served."""
    limits = CoreLimits(max_transactions=400, max_dialogs=100)

    async def act(call: IncomingCall, mine: Session) -> None:
        call.ringing()
        call.accept()

    async with phone(core_limits=limits, timing=Timers(t1=0.05, t2=0.2, t4=0.2)) as sip:
        ua = Ua(sip, act)
        where = f"127.0.0.1:{sip.bound[0].port}"
        most = 0
        async with rig.sipp(tmp_path, "udp", "-sn", "uac", "-m", 1000, "-r", 500, "-d", 4000, "-nr", where) as process:
            while process.returncode is None:
                standing = sip.standing
                most = max(most, standing["transactions"], standing["dialogs"])
                try:
                    await asyncio.wait_for(process.wait(), 0.05)
                except TimeoutError:
                    continue
        assert most <= 400 and sip.counters["full"] > 0
        async with asyncio.timeout(20):
            while sip.standing["dialogs"] >= 90:  # noqa: ASYNC110 - the calls of the flood end by themselves
                await asyncio.sleep(0.05)
        async with phone() as caller:
            hop = await caller.hop_to("udp", ("127.0.0.1", sip.bound[0].port))
            call = await caller.invite(invite(hop), hop, options=CallOptions(session=session()))
            await call.answered(10)
            await call.bye()
        del ua


@pytest.mark.parametrize(("transport", "lost"), [("udp", 0), ("tcp", 0), ("udp", 20)])
async def test_we_call_sipp(transport: str, lost: int, tmp_path: Path, sipp_port: int) -> None:
    answer = rig.scenario("ua_answer", tmp_path, lost)
    async with (
        phone(transport) as sip,
        rig.sipp(tmp_path, transport, "-sf", answer, "-m", CALLS, "-p", sipp_port) as process,
    ):
        if transport == "tcp":
            await rig.listening(sipp_port)
        hop = await sip.hop_to(transport, ("127.0.0.1", sipp_port))  # type: ignore[arg-type]

        async def one() -> str:
            mine = session()
            call = await sip.invite(invite(hop), hop, options=CallOptions(session=mine))
            await call.answered(40)
            assert mine.port == 6000
            return (await asyncio.wait_for(call.ended(), 40)).by

        ends = await asyncio.gather(*(one() for _ in range(CALLS)))
        await rig.finish(process, tmp_path)
    assert ends == ["remote"] * CALLS
