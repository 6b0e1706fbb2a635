"""A camera's life on fakes of the core: signing in, what it offers, and the ways real cameras are wrong."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from adapters.onvif import alarms, control
from adapters.onvif.camera import Camera
from adapters.onvif.config import OnvifConfig
from adapters.onvif.settings import Setting, is_near
from gateway.base.errors import GatewayError, PeerError, Unsupported
from gateway.contract.device import GoesToPlaces, SetsPicture
from gateway.core.snapshots import jpeg_size
from gateway.model.device import DeviceState
from gateway.model.ids import StreamId
from gateway.model.picture import DayNight, PictureLevel, PictureSettings
from gateway.model.ptz import CruiseOp, LensMove, Preset, PresetOp, PtzMove, PtzPlace
from tests.unit.gb28181.fakes import FakeAttached
from tests.unit.onvif.fake_camera import FakeCamera, Quirks
from tests.unit.onvif.rig import QUICK, Context, adapter, camera_of

RIGHT = PtzMove(pan=0.5)
STOP = PtzMove()


def online(attached: FakeAttached) -> bool:
    return bool(attached.states) and attached.states[-1][0] in (DeviceState.ONLINE, DeviceState.DEGRADED)


async def there(context: Context, slug: str = "gate") -> FakeAttached:
    attached = await camera_of(context, slug)
    await attached.until(online, 15)
    return attached


def config(camera: FakeCamera, **more: Any) -> dict[str, Any]:
    address = f"{camera.host}:{camera.port}"
    return {"devices": {"gate": {"address": address, "password": camera.password, **more}}}


async def test_profiles_become_channels_and_streams(tmp_path: Path) -> None:
    async with FakeCamera() as camera, adapter(tmp_path, **config(camera)) as context:
        attached = await there(context)
        assert attached.states[-1] == (DeviceState.ONLINE, "")
        assert attached.described == {
            "manufacturer": "Fake",
            "model": "F-1",
            "firmware": "1.2",
            "name": "Gate 门",
            "version": "profile S",
        }
        # The largest picture is the main one, whatever order the camera tells them in.
        assert list(attached.reports) == ["B", "S"]
        assert attached.reports["S"].parent == "B"
        capabilities = attached.reports["B"].capabilities
        assert capabilities.ptz and capabilities.zoom and capabilities.focus and capabilities.iris
        offer = await context.streams.offered("kit1/gate/ch1")
        assert offer.title == "gate big"
        opening = asyncio.create_task(offer.open(_Publication()))  # type: ignore[arg-type,var-annotated]
        url = await asyncio.wait_for(context.sources.opened.get(), 10)
        assert str(url) == f"rtsp://{camera.host}:554/main"
        assert url.path == "/main?profile=B&unicast=true"
        assert (url.user, url.password) == ("admin", camera.password)
        opening.cancel()


async def test_profile_t_tells_h265_and_talk_back(tmp_path: Path) -> None:
    async with FakeCamera(Quirks(profile_t=True)) as camera, adapter(tmp_path, **config(camera)) as context:
        attached = await there(context)
        assert attached.described["version"] == "profile T"
        assert attached.reports["B"].capabilities.talk_back
        opening = asyncio.create_task(context.streams.offers["kit1/gate/ch1"].open(_Publication()))  # type: ignore
        url = await asyncio.wait_for(context.sources.opened.get(), 10)
        assert url.path.startswith("/main?profile=B") and url.options == {"talk": "1"}
        opening.cancel()


@pytest.mark.parametrize(
    "quirks",
    [
        Quirks(clock_off_s=-3600.0 * 24 * 365),  # 1 year behind: a camera without a battery
        Quirks(clock_off_s=7200.0, clock_settable=False),
        Quirks(clock_wants_token=True),
        Quirks(signing="digest"),
        Quirks(signing="either"),
        Quirks(refuse_status=400),
        Quirks(xaddr="relative"),
        Quirks(xaddr="nat"),
        Quirks(old=True),
        Quirks(events="none"),
    ],
    ids=lambda q: " ".join(f"{k}={v}" for k, v in vars(q).items() if v != getattr(Quirks(), k)),
)
async def test_signs_in_whatever_the_camera_is_like(tmp_path: Path, quirks: Quirks) -> None:
    async with FakeCamera(quirks) as camera, adapter(tmp_path, **config(camera)) as context:
        attached = await there(context)
        assert set(attached.reports) == {"B", "S"}
        # No address but the one it was reached at was ever connected to.
        assert set(context.reach.asked) == {(camera.host, camera.port)}
        await attached.handler.move("B", RIGHT)
        assert camera.velocity == (0.5, 0.0, 0.0)
        await attached.handler.move("B", STOP)
        assert not camera.moving


@pytest.mark.parametrize("profile_t", [False, True])
async def test_its_encoder_sends_less_for_a_while(tmp_path: Path, profile_t: bool) -> None:
    async with FakeCamera(Quirks(profile_t=profile_t)) as camera:
        async with adapter(tmp_path, **config(camera)) as context:
            attached = await there(context)
            small = context.streams.offers[StreamId("kit1/gate/ch2")]
            assert small.larger == "kit1/gate/ch1" and context.streams.offers[StreamId("kit1/gate/ch1")].larger is None
            assert small.encoder is not None
            await small.encoder(260_000)
            assert camera.bitrates == {"ES": 260, "EB": 4096}
            await small.encoder(9_000_000)
            assert camera.bitrates["ES"] == 512, "never more than it was set to"
            await small.encoder(10)
            assert camera.bitrates["ES"] == 64
            await small.encoder(0)
            assert camera.bitrates["ES"] == 512 and "bitrates" not in attached.remembered
            camera.encoder_refuses = True
            with pytest.raises(GatewayError):
                await small.encoder(260_000)
            camera.encoder_refuses = False
            await small.encoder(260_000)
            kept = attached.remembered
        # We were stopped before it was given back: that is done when it is found again.
        assert camera.bitrates["ES"] == 260
        async with adapter(tmp_path, kept, **config(camera)) as context:
            await there(context)
            assert camera.bitrates["ES"] == 512


async def test_clock_is_set_and_told_where_it_can_not_be(tmp_path: Path) -> None:
    async with FakeCamera(Quirks(clock_off_s=-86400.0)) as camera, adapter(tmp_path, **config(camera)) as context:
        attached = await there(context)
        assert camera.clock_set == 1 and abs(camera.clock_off_s) < 2
        assert attached.states[-1] == (DeviceState.ONLINE, "")
    async with (
        FakeCamera(Quirks(clock_off_s=-86400.0)) as camera,
        adapter(tmp_path, **config(camera, set_clock=False)) as context,
    ):
        attached = await there(context)
        assert camera.clock_set == 0
        assert attached.states[-1] == (DeviceState.DEGRADED, "onvif-clock")


async def test_stream_behind_nat_is_opened_where_the_camera_is(tmp_path: Path) -> None:
    async with (
        FakeCamera(Quirks(xaddr="nat")) as camera,
        adapter(tmp_path, **config(camera, rtsp_port=10554)) as context,
    ):
        await there(context)
        opening = asyncio.create_task(context.streams.offers["kit1/gate/ch1"].open(_Publication()))  # type: ignore
        url = await asyncio.wait_for(context.sources.opened.get(), 10)
        assert (url.host, url.port) == (camera.host, 10554)
        opening.cancel()


async def test_wrong_password_is_said_and_not_tried_on(tmp_path: Path) -> None:
    async with FakeCamera() as camera:
        said = config(camera)
        said["devices"]["gate"]["password"] = "wrong"
        async with adapter(tmp_path, **said) as context:
            attached = await camera_of(context)
            await attached.until(lambda a: (DeviceState.OFFLINE, "onvif-auth") in a.states, 15)
            wrong = camera.wrong
            assert wrong <= 2
            await asyncio.sleep(1.0)  # several times retry_first: a lock-out would begin here
            assert camera.wrong == wrong


async def test_locked_user_is_told_as_such(tmp_path: Path) -> None:
    async with FakeCamera(Quirks(locked=True)) as camera, adapter(tmp_path, **config(camera)) as context:
        attached = await camera_of(context)
        await attached.until(lambda a: (DeviceState.OFFLINE, "onvif-locked") in a.states, 15)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"<html>hello</html>", "not-onvif"),
        (b"", "not-onvif"),
        (b"\0\xff" * 100, "not-onvif"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><Envelope/>', "not-onvif"),
        (b"<Envelope>" + b"<a>" * 50000, "not-onvif"),
    ],
)
async def test_what_is_no_camera_is_said_to_be_none(tmp_path: Path, answer: bytes, code: str) -> None:
    async with FakeCamera(Quirks(extra_xml=answer or b" ")) as camera, adapter(tmp_path, **config(camera)) as context:
        attached = await camera_of(context)
        await attached.until(lambda a: (DeviceState.OFFLINE, code) in a.states, 15)


async def test_gone_and_back(tmp_path: Path) -> None:
    async with FakeCamera() as camera, adapter(tmp_path, **config(camera)) as context:
        attached = await there(context)
        await camera.vanish()
        await attached.until(lambda a: a.states[-1] == (DeviceState.OFFLINE, "onvif-unreachable"), 20)
        assert "kit1/gate/ch1" in context.streams.offers, "viewers wait; the stream is not taken away"
        await camera.come_back()
        await attached.until(lambda a: a.states[-1] == (DeviceState.ONLINE, ""), 20)


async def test_a_mistake_of_ours_over_what_it_says_costs_one_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    describe, mistakes = Camera._describe, [ValueError("what nobody thought of")]

    async def mistaken(self: Camera) -> None:
        if mistakes:
            raise mistakes.pop()
        await describe(self)

    monkeypatch.setattr(Camera, "_describe", mistaken)
    async with FakeCamera() as camera, adapter(tmp_path, **config(camera)) as context:
        attached = await there(context)
        assert (DeviceState.OFFLINE, "internal") in attached.states and not mistakes
        assert attached.states[-1] == (DeviceState.ONLINE, "")


async def test_another_camera_at_its_address_gets_no_orders(tmp_path: Path) -> None:
    async with FakeCamera() as camera, adapter(tmp_path, **config(camera)) as context:
        attached = await there(context)
        await camera.vanish()
        await attached.until(lambda a: a.states[-1][0] is DeviceState.OFFLINE, 20)
        camera.serial = "SN-2"
        await camera.come_back()
        await attached.until(lambda a: a.states[-1] == (DeviceState.OFFLINE, "onvif-other-camera"), 20)


@pytest.mark.parametrize(
    ("follow", "near", "far"), [("subnet", True, False), ("anywhere", True, True), ("never", False, False)]
)
async def test_an_announcement_leads_no_farther_than_it_may(tmp_path: Path, follow: str, near: bool, far: bool) -> None:
    """Anybody can say Hello in the camera's name: who is followed gets a sign-in."""
    for host, followed in (("127.0.0.9", near), ("127.0.1.1", far)):
        context = Context(tmp_path)
        admitted = context.devices.declare("onvif", "127.0.0.1:9", "gate", "gate")
        settings = OnvifConfig(**{**QUICK, "follow": follow})  # type: ignore[arg-type]
        camera = Camera(admitted, Setting("127.0.0.1", 9, "admin", "secret"), settings, context)  # type: ignore[arg-type]
        running = asyncio.create_task(camera.run(lambda _: None))
        try:
            attached = await camera_of(context)
            await attached.until(lambda a: bool(a.states) and a.states[-1][1] == "onvif-unreachable")
            camera.announced(host, 8080, "/onvif/device_service")
            if followed:
                async with asyncio.timeout(10):
                    while (host, 8080) not in context.reach.asked:  # noqa: ASYNC110
                        await asyncio.sleep(0)
            else:
                asked = len(context.reach.asked)
                await attached.until(lambda a: a.states[-1][1] == "onvif-moved")
                async with asyncio.timeout(10):
                    while len(context.reach.asked) < asked + 2:  # noqa: ASYNC110
                        await asyncio.sleep(0)
                assert {there for there, _ in context.reach.asked} == {"127.0.0.1"}
                assert attached.states[-1] == (DeviceState.OFFLINE, "onvif-moved") and attached.detail == f"{host}:8080"
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def test_what_is_near() -> None:
    assert is_near("192.168.1.77", "192.168.1.64") and is_near("fd00::1:2", "fd00::9") and is_near("cam", "cam")
    assert not is_near("192.168.2.64", "192.168.1.64") and not is_near("fd00:0:0:1::9", "fd00::9")
    assert not is_near("203.0.113.9", "cam") and not is_near("fd00::9", "192.168.1.64")


async def test_admitted_camera_and_one_forgotten(tmp_path: Path) -> None:
    async with FakeCamera() as camera, adapter(tmp_path) as context:
        address = f"{camera.host}:{camera.port}"
        context.devices.admit(address, "gate", camera.password)
        attached = await there(context)
        assert attached.remembered and "SN-1" in attached.remembered
        context.devices.forget(address)
        await attached.until(lambda a: a.detached)
        assert "kit1/gate/ch1" in context.streams.withdrawn


async def test_streams_have_names_before_the_camera_answers(tmp_path: Path) -> None:
    async with FakeCamera() as camera, adapter(tmp_path) as context:
        address = f"{camera.host}:{camera.port}"
        context.devices.admit(address, "gate", camera.password)
        kept = (await there(context)).remembered
    async with adapter(tmp_path) as context:
        context.devices.admit(address, "gate", camera.password, remembered=kept)
        await context.streams.offered("kit1/gate/ch2")


@pytest.mark.parametrize("xaddr", ["right", "nat", "relative"])
async def test_a_picture_of_the_cameras_own(tmp_path: Path, xaddr: str) -> None:
    async with FakeCamera(Quirks(xaddr=xaddr)) as camera, adapter(tmp_path, **config(camera)) as context:
        await there(context)
        still = context.streams.offers["kit1/gate/ch1"].still  # type: ignore[index]
        assert still is not None
        assert jpeg_size(await still()) == (640, 360)


async def test_one_that_nobody_has_set_up_and_what_it_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with FakeCamera(Quirks(profiles=False)) as camera, adapter(tmp_path, **config(camera)) as context:
        attached = await there(context)
        assert attached.states[-1] == (DeviceState.DEGRADED, "onvif-no-media")
    async with FakeCamera() as camera, adapter(tmp_path, **config(camera)) as context:
        await there(context)
        monkeypatch.setattr(camera, "_GetSnapshotUri", lambda *_: (500, camera._fault("ter:Busy", "not now")))
        still = context.streams.offers["kit1/gate/ch1"].still  # type: ignore[index]
        assert still is not None
        with pytest.raises(PeerError, match="not now") as refused:
            await still()
    assert refused.value.code == "onvif-fault"


# — PTZ —


async def test_moves_carry_the_cameras_own_dead_man(tmp_path: Path) -> None:
    async with FakeCamera() as camera, adapter(tmp_path, **config(camera)) as context:
        handler = (await there(context)).handler
        await handler.move("S", PtzMove(0.25, -0.5, 1.0))
        assert camera.velocity == (0.25, -0.5, 1.0) and camera.timeouts == ["PT2S"]


async def test_timeout_refused_is_left_out_from_then_on(tmp_path: Path) -> None:
    async with FakeCamera(Quirks(timeout="refused")) as camera, adapter(tmp_path, **config(camera)) as context:
        handler = (await there(context)).handler
        await handler.move("B", RIGHT)
        await handler.move("B", PtzMove(pan=-1))
        assert camera.timeouts == ["", ""] and camera.asked.count("ContinuousMove") == 3


@pytest.mark.parametrize("stop", ["any", "flags-refused", "refused"])
async def test_stop_in_whichever_way_it_takes(tmp_path: Path, stop: str) -> None:
    async with (
        FakeCamera(Quirks(stop=stop, timeout="ignored")) as camera,
        adapter(tmp_path, **config(camera)) as context,
    ):
        handler = (await there(context)).handler
        for _ in range(2):
            await handler.move("B", RIGHT)
            assert camera.moving
            await handler.move("B", STOP)
            assert not camera.moving
        # The second time it began with what worked the first time.
        ladder = {"any": 2, "flags-refused": 3, "refused": 2}
        assert camera.asked.count("Stop") == ladder[stop]


async def test_stop_that_is_answered_and_ignored_is_seen(tmp_path: Path) -> None:
    async with (
        FakeCamera(Quirks(stop="ignored", timeout="ignored")) as camera,
        adapter(tmp_path, **config(camera)) as context,
    ):
        attached = await there(context)
        await attached.handler.move("B", RIGHT)
        await attached.handler.move("B", STOP)
        assert camera.moving
        await attached.until(lambda a: '"stop":"zero-move"' in a.remembered, 15)
        await attached.handler.move("B", RIGHT)
        await attached.handler.move("B", STOP)
        assert not camera.moving, "it is told in the way that works, at once"


async def test_one_that_can_not_be_stopped_is_told_until_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "LOOK_AFTER_S", 0.01)
    async with (
        FakeCamera(Quirks(stop="never", timeout="ignored")) as camera,
        adapter(tmp_path, **config(camera)) as context,
    ):
        attached = await there(context)
        await attached.handler.move("B", RIGHT)
        await attached.handler.move("B", STOP)
        await attached.until(lambda a: a.states[-1] == (DeviceState.DEGRADED, "ptz-not-stopped"), 15)
        assert camera.moving
        camera.quirks.stop = "any"
        await attached.handler.move("B", STOP)
        await attached.until(lambda a: a.states[-1] == (DeviceState.ONLINE, ""), 15)


async def test_presets_places_and_home(tmp_path: Path) -> None:
    async with FakeCamera() as camera, adapter(tmp_path, **config(camera)) as context:
        attached = await there(context)
        assert isinstance(attached.handler, GoesToPlaces)
        handler: Any = attached.handler
        assert await handler.presets("B") == [Preset(1, "gate"), Preset(2, "parking lot")]
        await handler.preset("B", PresetOp.CALL, 2, "")
        assert camera.place == "parking"
        await handler.preset("B", PresetOp.SET, 7, "门口")
        assert camera.presets["t2"] == "门口"
        await handler.preset("B", PresetOp.CALL, 7, "")
        assert camera.place == "t2"
        await handler.preset("B", PresetOp.SET, 1, "gate again")
        assert camera.presets["1"] == "gate again"
        await handler.preset("B", PresetOp.DELETE, 1, "")
        assert "1" not in camera.presets
        with pytest.raises(GatewayError):
            await handler.preset("B", PresetOp.CALL, 99, "")
        await handler.go("B", PtzPlace(0.25, -0.5, 0.75))
        assert camera.place == ("0.25", "-0.5", "0.75")
        await handler.go("B", None)
        assert camera.home == 1
        with pytest.raises(Unsupported):
            await handler.cruise("B", CruiseOp.START, 1)
        await handler.key_frame("B")
        assert camera.asked[-1] == "SetSynchronizationPoint"


async def test_focus_and_iris(tmp_path: Path) -> None:
    async with FakeCamera() as camera, adapter(tmp_path, **config(camera)) as context:
        handler = (await there(context)).handler
        await handler.lens("B", LensMove(focus=-0.5))
        assert camera.focus == -0.5
        await handler.lens("B", LensMove(iris=1.0))
        assert camera.iris == 30.0, "open is less attenuation"
        await handler.lens("B", LensMove())
        assert camera.asked[-1] == "Stop"


async def test_the_picture_is_set_as_far_as_the_camera_tells_of_it(tmp_path: Path) -> None:
    async with FakeCamera() as camera, adapter(tmp_path, **config(camera)) as context:
        handler = (await there(context)).handler
        assert isinstance(handler, SetsPicture)
        before = await handler.picture_now("S")
        assert before.levels == (PictureLevel("brightness", 0, 200, 0.25), PictureLevel("sharpness", -5, 5, 0.5))
        assert (before.modes, before.day_night) == ((DayNight.DAY, DayNight.NIGHT), DayNight.DAY)
        await handler.picture("S", PictureSettings(brightness=0.25, sharpness=1.0, day_night=DayNight.NIGHT))
        # In its own ranges, in the order of the schema; what was not asked for is not said.
        assert list(camera.picture.items()) == [("Brightness", "50"), ("IrCutFilter", "OFF"), ("Sharpness", "5")]
        assert camera.iris == 40.0
        for beyond in (PictureSettings(brightness=1.0, contrast=0.5), PictureSettings(day_night=DayNight.AUTO)):
            with pytest.raises(Unsupported) as refused:
                await handler.picture("S", beyond)
            assert refused.value.code == "no-picture-setting" and camera.picture["Brightness"] == "50"
        camera.picture["Brightness"] = "300"
        after = await handler.picture_now("S")
        assert [level.now for level in after.levels] == [1.0, 1.0], "what stands outside its range is at the end of it"
        assert after.day_night is DayNight.NIGHT


# — events —


async def test_one_without_events_is_told_with_its_words_until_it_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarms, "PAUSE_FIRST_S", 0.01)
    async with FakeCamera(Quirks(events="refused")) as camera, adapter(tmp_path, **config(camera)) as context:
        attached = await there(context)
        await attached.until(lambda a: a.states[-1] == (DeviceState.DEGRADED, "onvif-no-events"), 15)
        assert "no more subscriptions" in attached.detail
        camera.quirks.events = "address"
        await attached.until(lambda a: a.states[-1] == (DeviceState.ONLINE, ""), 15)


@pytest.mark.parametrize("way", ["reference", "address", "forgets"])
async def test_events_become_alarms(tmp_path: Path, way: str) -> None:
    async with FakeCamera(Quirks(events=way, clock_off_s=-50.0, clock_settable=False)) as camera:
        async with adapter(tmp_path, **config(camera)) as context:
            await there(context)
            camera.happens("RuleEngine/CellMotionDetector/Motion", "L1", "IsMotion", "false", "Initialized")
            camera.happens("RuleEngine/CellMotionDetector/Motion", "L1", "IsMotion", "true")
            alarm = await asyncio.wait_for(context.messages.alarms.get(), 20)
            assert (alarm.kind, alarm.channel, alarm.cleared) == ("motion", "ch1", False)
            assert abs(alarm.raised_at - alarm.received_at) < 5, "dated by the camera's clock, put right"
            camera.happens("RuleEngine/CellMotionDetector/Motion", "L1", "IsMotion", "false")
            over = await asyncio.wait_for(context.messages.alarms.get(), 20)
            assert (over.key, over.cleared) == (alarm.key, True)
            camera.happens("Device/Trigger/DigitalInput", "IN1", "LogicalState", "true")
            camera.happens("VideoSource/GlobalSceneChange/ImagingService", "L1", "State", "true")
            camera.happens("Nothing/Known", "L1", "State", "true")
            kinds = [(await asyncio.wait_for(context.messages.alarms.get(), 20)).kind for _ in range(2)]
            assert kinds == ["digital-input", "tamper"]
        await camera.until("Unsubscribe")
        assert not camera.subscriptions


class _Publication:
    def say(self, code: str, detail: str = "") -> None:
        pass

    def remark(self, code: str, detail: str = "") -> None:
        pass

    def on_key_frame_wanted(self, ask: Any) -> None:
        pass
