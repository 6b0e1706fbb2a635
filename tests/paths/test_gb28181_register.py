"""Registration on the wire: who gets in, what they are told, and how they come back. Issue: bad input and faults."""

from __future__ import annotations

import asyncio
from pathlib import Path

from adapters.gb28181.protocol.clock import date_header
from gateway.base.clock import Clock
from gateway.model.device import DeviceState
from tests.unit.gb28181.rig import STREAM, rigged
from tests.unit.gb28181.scripted import BALL, CHANNEL, PLATFORM, keepalive

STRANGER = "34020000001320000099"


async def test_a_known_device_gets_in_and_its_channels_are_offered(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.context.devices.admit(BALL)
        ball = await rig.device(version="3.0")
        first = await ball.request("REGISTER", [("Expires", "3600")], to_user=BALL)
        assert first.status == 401 and first.headers.get("X-GB-Ver") == "3.0"
        answer = await ball.register()
        assert answer.status == 200
        assert answer.headers.get("Expires") == "3600" and "expires=3600" in (answer.headers.get("Contact") or "")
        assert answer.headers.get("X-GB-Ver") == "3.0"
        date = answer.headers.get("Date") or ""
        assert len(date) == 23 and date[10] == "T", "Beijing time, not RFC 1123"
        offer = await rig.context.streams.offered(STREAM)
        assert offer.title == "ball" and offer.on_demand
        await rig.attached.until(lambda a: a.described.get("firmware"))
        assert rig.attached.described["name"] == "球机" and rig.attached.described["version"] == "2022"
        await rig.until_state(DeviceState.ONLINE)


async def test_over_tcp_everything_goes_down_its_one_connection(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await rig.online(tcp=True)
        assert any(b"Catalog" in r.body for r in ball.seen)
        await ball.close()
        await rig.until_state(DeviceState.OFFLINE, "link-down")


async def test_a_stranger_is_refused_and_shown(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        stranger = await rig.device(id=STRANGER)
        assert (await stranger.register()).status == 403
        assert (await stranger.message(keepalive(external=STRANGER))).status == 403
        assert rig.context.devices.knocks == [(STRANGER, "unknown-device")] * 2
        rig.context.devices.admit(STRANGER)
        assert (await stranger.register()).status == 200


async def test_a_wrong_id_is_refused(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        for wrong in ("camera", "123", "x" * 40):
            assert (await (await rig.device(id=wrong)).register()).status == 403
        assert rig.context.devices.knocks == [], "only ids that can be admitted are shown"


async def test_a_wrong_password_is_refused_and_the_right_one_let_in(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.context.devices.admit(BALL)
        ball = await rig.device()
        assert (await ball.register(password="guess")).status == 403
        assert rig.context.devices.knocks == [(BALL, "wrong-password")]
        assert all(state is DeviceState.OFFLINE for state, _ in rig.attached.states)
        assert (await ball.register()).status == 200


async def test_sha_256_where_it_is_offered(tmp_path: Path) -> None:
    async with rigged(tmp_path, digest=("SHA-256", "MD5")) as rig:
        ball = await rig.online()
        challenges = (await ball.request("REGISTER", to_user=BALL)).headers.all("WWW-Authenticate")
        assert "SHA-256" in challenges[0] and "MD5" in challenges[1]


async def test_one_device_does_not_answer_for_another(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.context.devices.admit(BALL)
        rig.context.devices.admit(STRANGER, "cam-1", "other")
        cam = await rig.device(id=STRANGER, password="other")
        cam.id = STRANGER
        answer = await cam.register()
        assert answer.status == 200
        # Its own name and password, but the other's id in To.
        challenge = (await cam.request("REGISTER", to_user=BALL)).headers.get("WWW-Authenticate")
        assert challenge is not None
        from gateway.wire.digest import Challenge, DigestClient

        mine = DigestClient(STRANGER, "other").answer(Challenge.parse(challenge), "REGISTER", f"sip:{PLATFORM}@x")
        again = await cam.request("REGISTER", [("Authorization", str(mine)), ("Expires", "60")], to_user=BALL)
        assert again.status == 403


async def test_signing_off(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await rig.online()
        answer = await ball.register(expires=0)
        assert answer.status == 200 and answer.headers.get("Expires") == "0"
        await rig.until_state(DeviceState.OFFLINE, "logged-out")
        assert (await ball.message(keepalive())).status == 403, "a nudge to register anew"
        assert (await ball.register()).status == 200
        await rig.until_state(DeviceState.ONLINE)


async def test_no_date_for_a_device_that_chokes_on_it(tmp_path: Path) -> None:
    async with rigged(tmp_path, devices={BALL: {"date_header": False}}) as rig:
        rig.context.devices.admit(BALL)
        answer = await (await rig.device()).register()
        assert answer.status == 200 and answer.headers.get("Date") is None


async def test_nat_gives_it_a_new_port_and_a_keepalive_tells(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await rig.online()
        ball.rebind()
        assert (await ball.message(keepalive())).status == 200
        await rig.attached.until(lambda a: str(ball.port) in a.addresses[-1])
        await rig.attached.handler.key_frame(CHANNEL)
        assert await ball.order("IFameCmd") == "Send", "orders go where it is now"
        assert f'"port":{ball.port}' in rig.attached.remembered


async def test_our_restart_then_one_keepalive(tmp_path: Path) -> None:
    """The device does not notice that we were gone: it never registers again by itself."""
    async with rigged(tmp_path) as rig:
        ball = await rig.online()
        ball.silent = True  # deaf while we start, so that the first question goes unanswered
        await rig.restart()
        assert rig.attached.states[0] == (DeviceState.OFFLINE, "restarted")
        await rig.context.streams.offered(STREAM)
        ball.silent = False
        ball.rebind()
        assert (await ball.message(keepalive(sn=77))).status == 200
        await rig.until_state(DeviceState.ONLINE)
        await ball.got(lambda r: b"<CmdType>Catalog" in r.body and r.method == "MESSAGE" and b"Query" in r.body)
        await ball.got(lambda r: r.method == "SUBSCRIBE")


async def test_our_restart_and_the_device_is_asked_where_it_was(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await rig.online()
        await rig.restart()
        await rig.until_state(DeviceState.ONLINE)
        assert any(b"DeviceStatus" in r.body for r in ball.seen)


async def test_silence_then_return_within_one_keepalive(tmp_path: Path) -> None:
    async with rigged(tmp_path, keepalive_interval=1.0, keepalive_misses=1, subscribe_catalog=False) as rig:
        ball = await rig.online()
        await rig.until_state(DeviceState.OFFLINE, "keepalive-lost")
        assert (await ball.message(keepalive())).status == 200
        await rig.until_state(DeviceState.ONLINE)


async def test_the_wall_clock_jumps(tmp_path: Path) -> None:
    """Set by GNSS or NTP, years on or back: nobody goes off line for it, and silence is still found. Registrations,
    keepalives and nonces live on the monotonic clock."""
    wall = [1.8e9]
    clock = Clock(wall=lambda: wall[0])
    async with rigged(tmp_path, clock=clock, keepalive_interval=2.0, keepalive_misses=1) as rig:
        ball = await rig.online()
        for jump in (10 * 365 * 86400.0, -20 * 365 * 86400.0):
            wall[0] += jump
            assert (await ball.message(keepalive())).status == 200
            answer = await ball.register()
            assert answer.status == 200 and answer.headers.get("Date") == date_header(wall[0])
            await rig.attached.handler.key_frame(CHANNEL)
            assert await ball.order("IFameCmd") == "Send"
        assert [state for state, _ in rig.attached.states].count(DeviceState.OFFLINE) == 1, "before it came, only"
        await rig.until_state(DeviceState.OFFLINE, "keepalive-lost")


async def test_forgotten_and_admitted_again(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await rig.online()
        old = rig.attached
        rig.context.devices.forget(BALL)
        await old.until(lambda a: a.detached)
        assert rig.context.streams.withdrawn == [STREAM]
        assert (await ball.register()).status == 403
        rig.context.devices.admit(BALL, password="secret")
        assert (await ball.register()).status == 200


async def test_more_devices_than_allowed(tmp_path: Path) -> None:
    async with rigged(tmp_path, max_devices=1) as rig:
        await rig.online()
        rig.context.devices.admit(STRANGER, "cam-1")
        assert (await (await rig.device(id=STRANGER)).register()).status == 503


async def test_garbage_is_survived(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await rig.online()
        for junk in (b"jaK\0", b"\r\n\r\n", b"\0" * 100, b"REGISTER", b"GET / HTTP/1.1\r\n\r\n", bytes(range(256))):
            ball.raw(junk)
        ball.raw(b"MESSAGE sip:x SIP/2.0\r\nCSeq: nonsense\r\n\r\n")
        assert (await ball.message(keepalive())).status == 200
        assert (await ball.request("OPTIONS")).status == 200
        assert (await ball.request("PUBLISH")).status == 405


async def test_options_and_stranger_at_once(tmp_path: Path) -> None:
    """Many that are refused do not keep out one that is admitted."""
    async with rigged(tmp_path) as rig:
        rig.context.devices.admit(BALL)
        strangers = [await rig.device(id=f"340200000013200001{n:02d}") for n in range(20)]
        ball = await rig.device()
        answers = await asyncio.gather(*(s.register() for s in strangers), ball.register())
        assert [a.status for a in answers] == [403] * 20 + [200]
