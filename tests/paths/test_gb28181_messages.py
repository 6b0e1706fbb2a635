"""What devices tell: catalogues in pieces, alarms, positions, one-key reports; and what they are told to do."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path

import pytest

from adapters.gb28181.protocol import ptz
from gateway.base.errors import GatewayError, LinkDown, PeerError, Unsupported
from gateway.model.device import DeviceState
from gateway.model.ids import StreamId
from gateway.model.position import PositionSource
from gateway.model.ptz import CruiseOp, LensMove, PresetOp, PtzMove
from tests.unit.gb28181.rig import STREAM, rigged, soon
from tests.unit.gb28181.scripted import BALL, CHANNEL, catalog, item, keepalive, value


def cam(number: int) -> str:
    return f"34020000001320001{number:03d}"


def alarm(sn: int = 9, method: int = 5, time: str = "2026-11-23T12:00:00", kind: int = 2, latitude: str = "") -> str:
    return (
        f"<Notify><CmdType>Alarm</CmdType><SN>{sn}</SN><DeviceID>{CHANNEL}</DeviceID><AlarmPriority>1</AlarmPriority>"
        f"<AlarmMethod>{method}</AlarmMethod><AlarmTime>{time}</AlarmTime><AlarmDescription>越界</AlarmDescription>"
        f"<Longitude>104.1</Longitude><Latitude>{latitude}</Latitude><Info><AlarmType>{kind}</AlarmType></Info></Notify>"
    )


# — catalogues —


async def test_pages_one_item_each_with_one_twice(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.context.devices.admit(BALL)
        ball = await rig.device(
            pages=lambda sn: [catalog(sn, [item(cam(n), f"枪机{n}")], 4) for n in (0, 1, 1, 2, 3)],
        )
        await ball.register()
        await rig.attached.until(lambda a: len(a.reports) == 4)
        assert rig.attached.complete[-1] and rig.attached.reports[cam(2)].name == "枪机2"
        assert len([r for r in ball.seen if b"Catalog" in r.body and r.method == "MESSAGE"]) == 1


async def test_a_lost_page_is_asked_for_again(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        asked: list[str] = []

        def pages(sn: str) -> list[str]:
            asked.append(sn)
            every = [catalog(sn, [item(cam(n))], 3) for n in range(3)]
            return every[1:] if len(asked) == 1 else every[:2]

        ball = await rig.online(pages=pages)
        await rig.attached.until(lambda a: len(a.reports) == 3)
        assert len(asked) == 2 and asked[0] != asked[1] and rig.attached.complete[-1]
        assert ball.seen


async def test_what_stays_incomplete_is_said(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        turn = iter(range(100))
        await rig.online(pages=lambda sn: [catalog(sn, [item(cam(next(turn)))], 9)])
        await rig.until_state(DeviceState.DEGRADED, "catalog-incomplete")
        assert len(rig.attached.reports) == 2 and rig.attached.complete[-1] is False
        await rig.context.streams.offered(STREAM)


async def test_a_sum_that_always_lies_is_not_believed(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.online(pages=lambda sn: [catalog(sn, [item(cam(1)), item(cam(2))], 5)])
        await rig.until_state(DeviceState.ONLINE, "")
        assert rig.attached.complete[-1] and len(rig.attached.reports) == 2


async def test_xml_that_lies_about_its_encoding(tmp_path: Path) -> None:
    """UTF-8 under the label GB2312; then what we send it is UTF-8 as well."""
    async with rigged(tmp_path) as rig:
        ball = await rig.online(
            pages=lambda sn: [catalog(sn, [item(CHANNEL, "前门球机")])],
            wrap=lambda text: f'<?xml version="1.0" encoding="GB2312"?>\n{text}'.encode(),
        )
        assert rig.attached.reports[CHANNEL].name == "前门球机"
        await rig.attached.handler.preset(CHANNEL, PresetOp.SET, 7, "大门")
        order = await ball.got(lambda r: b"PresetName" in r.body)
        assert "大门".encode() in order.body


async def test_broken_xml_and_unescaped_signs(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.online(
            pages=lambda sn: [catalog(sn, [item(CHANNEL, "A&B road").replace("</Item>", "</Item></Item>")])]
        )
        assert rig.attached.reports[CHANNEL].name.startswith("A")


async def test_a_body_that_is_no_xml_is_refused_and_hurts_nobody(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await rig.online()
        assert (await ball.message(b"no xml at all")).status == 400
        assert (await ball.message(b"<?xml version='1.0'?><Notify></Notify>")).status == 400
        assert (await ball.message(b"")).status == 200
        unknown = "<Notify><CmdType>VendorThing</CmdType><SN>1</SN></Notify>"
        assert (await ball.message(unknown)).status == 200
        assert (await ball.message(keepalive())).status == 200


async def test_changes_of_the_catalogue(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await rig.online()
        await ball.got(lambda r: r.method == "SUBSCRIBE")

        def notice(items: str) -> str:
            return (
                f"<Notify><CmdType>Catalog</CmdType><SN>4</SN><DeviceID>{BALL}</DeviceID><SumNum>1</SumNum>"
                f'<DeviceList Num="1">{items}</DeviceList></Notify>'
            )

        added = item(cam(5), "new").replace("</Item>", "<Event>ADD</Event></Item>")
        assert (await ball.notify(notice(added))).status == 200
        await rig.attached.until(lambda a: cam(5) in a.reports)
        await rig.context.streams.offered("kit1/ball-1/ch2")
        await ball.notify(notice(f"<Item><DeviceID>{cam(5)}</DeviceID><Event>OFF</Event></Item>"))
        await rig.attached.until(lambda a: a.online.get(cam(5)) is False)
        await ball.notify(notice(f"<Item><DeviceID>{cam(5)}</DeviceID><Event>ON</Event></Item>"))
        await rig.attached.until(lambda a: a.online.get(cam(5)) is True)
        await ball.notify(notice(f"<Item><DeviceID>{cam(5)}</DeviceID><Event>DEL</Event></Item>"))
        await soon(lambda: rig.context.streams.withdrawn, rig.context.streams.changed)
        assert rig.context.streams.withdrawn == [StreamId("kit1/ball-1/ch2")]


async def test_a_storm_of_off_is_checked_not_believed(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        every = [item(cam(n)) for n in range(20)]
        ball = await rig.online(pages=lambda sn: [catalog(sn, every)])
        await ball.got(lambda r: b"<CmdType>Catalog" in r.body and r.method == "MESSAGE")
        storm = "".join(f"<Item><DeviceID>{cam(n)}</DeviceID><Event>OFF</Event></Item>" for n in range(20))
        await ball.message(
            f"<Notify><CmdType>Catalog</CmdType><SN>4</SN><DeviceID>{BALL}</DeviceID><SumNum>20</SumNum>"
            f"<DeviceList>{storm}</DeviceList></Notify>"
        )
        await ball.got(lambda r: b"<CmdType>Catalog" in r.body and r.method == "MESSAGE")
        assert not any(rig.attached.online.values()) and rig.attached.online == {}


# — alarms and positions —


async def test_an_alarm_is_stored_before_it_is_confirmed(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await rig.online()
        rig.context.messages.stored.clear()
        assert (await ball.message(alarm())).status == 200, "the message itself is answered at once"
        got = await asyncio.wait_for(rig.context.messages.alarms.get(), 5)
        assert (got.kind, got.channel, got.description, got.severity) == ("motion", "ch1", "越界", "critical")
        assert rig.context.messages.positions.empty(), "half a place is none"
        assert not any(b"<Result>" in r.body for r in ball.seen)
        rig.context.messages.stored.set()
        answer = await ball.got(lambda r: b"<Result>" in r.body)
        assert (value(answer.body, "CmdType"), value(answer.body, "SN"), value(answer.body, "Result")) == (
            "Alarm",
            "9",
            "OK",
        )


async def test_the_place_of_an_alarm_is_a_position(tmp_path: Path) -> None:
    """Never a bare pair of numbers: with its datum, source and age, and once however often the alarm is repeated."""
    async with rigged(tmp_path) as rig:
        ball = await rig.online()
        for _ in range(2):
            await ball.message(alarm(latitude="30.6"))
            assert await ball.order("Result") == "OK"
        got = await asyncio.wait_for(rig.context.messages.alarms.get(), 5)
        place = await asyncio.wait_for(rig.context.messages.positions.get(), 5)
        assert (place.longitude, place.latitude, place.datum, place.channel) == (104.1, 30.6, "WGS-84", "ch1")
        assert place.source is PositionSource.GNSS and place.taken_at == got.raised_at
        assert rig.context.messages.positions.empty() and not {"longitude", "latitude"} & asdict(got).keys()


async def test_the_same_alarm_again_is_confirmed_and_stored_once(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await rig.online()
        for _ in range(3):
            await ball.message(alarm())
            assert await ball.order("Result") == "OK"
        await ball.message(alarm(sn=10))
        assert await ball.order("Result") == "OK"
        assert rig.context.messages.alarms.qsize() == 2


async def test_an_alarm_that_can_not_be_kept_is_not_confirmed(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await rig.online()
        rig.context.messages.refuse = GatewayError("full", code="disk-full")
        await ball.message(alarm())
        assert await ball.order("Result") == "ERROR"
        rig.context.messages.refuse = None
        await ball.message(alarm())
        assert await ball.order("Result") == "OK", "it is stored at its next try"


async def test_a_device_alarm_is_reset_so_that_the_next_one_comes(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await rig.online()
        await ball.message(alarm(method=2, kind=1))
        reset = await ball.got(lambda r: b"AlarmCmd" in r.body)
        assert value(reset.body, "AlarmCmd") == "ResetAlarm" and value(reset.body, "AlarmMethod") == "2"


async def test_positions_flat_listed_by_message_and_by_notify(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await rig.online()
        flat = (
            f"<Notify><CmdType>MobilePosition</CmdType><SN>3</SN><DeviceID>{BALL}</DeviceID>"
            "<Time>2026-11-23T12:00:00</Time><Longitude>104.06</Longitude><Latitude>30.67</Latitude>"
            "<Speed>36.0</Speed><Direction>90</Direction><Altitude>500</Altitude></Notify>"
        )
        await ball.message(flat)
        first = await asyncio.wait_for(rig.context.messages.positions.get(), 5)
        assert (first.longitude, first.speed_kmh, first.channel, first.datum) == (104.06, 36.0, "", "WGS-84")
        listed = (
            f"<Notify><CmdType>MobilePosition</CmdType><SN>4</SN><Time>2026-11-23T12:00:05</Time><SumNum>1</SumNum>"
            f'<DeviceList Num="1"><Item><DeviceID>{CHANNEL}</DeviceID><CaptureTime>2026-11-23T12:00:04</CaptureTime>'
            "<Longitude>104.07</Longitude><Latitude>30.68</Latitude></Item></DeviceList></Notify>"
        )
        for _ in range(3):
            await ball.got(lambda r: r.method == "SUBSCRIBE")
        assert (await ball.notify(listed, subscription=2)).status == 200
        second = await asyncio.wait_for(rig.context.messages.positions.get(), 5)
        assert second.channel == "ch1" and second.taken_at - first.taken_at == 4


async def test_a_position_of_the_catalogue_says_that_it_was_typed_in(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.online(
            pages=lambda sn: [catalog(sn, [item(Longitude="104.5", Latitude="30.5"), item(cam(1), Longitude="")])]
        )
        got = await asyncio.wait_for(rig.context.messages.positions.get(), 5)
        assert got.source is PositionSource.CATALOG and got.channel == "ch1"


async def test_subscriptions_ask_for_all_three_and_refusal_is_taken(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await rig.online(subscribe_status=489)
        wanted = [await ball.got(lambda r: r.method == "SUBSCRIBE") for _ in range(3)]
        assert {value(r.body, "CmdType") for r in wanted} == {"Catalog", "Alarm", "MobilePosition"}
        assert value(wanted[2].body, "Interval") == "5" and wanted[0].headers.get("Expires") == "600"
        assert (await ball.message(keepalive())).status == 200


async def test_one_key_report_opens_the_picture_at_once(tmp_path: Path) -> None:
    async with rigged(tmp_path, media_ladder=("udp",)) as rig:
        ball = await rig.online()
        await ball.message(
            f"<Notify><CmdType>VideoUploadNotify</CmdType><SN>6</SN><DeviceID>{BALL}</DeviceID>"
            "<Time>2026-11-23T12:00:00</Time><Longitude>104.1</Longitude><Latitude>30.1</Latitude></Notify>"
        )
        notice = await asyncio.wait_for(rig.context.messages.alarms.get(), 5)
        assert (notice.kind, notice.channel) == ("live-offered", "ch1")
        position = await asyncio.wait_for(rig.context.messages.positions.get(), 5)
        assert position.latitude == 30.1
        offer = rig.context.streams.offers[StreamId(STREAM)]
        assert not offer.on_demand
        pub, task = rig.run_open(offer)
        await asyncio.wait_for(pub.live.wait(), 5)
        await ball.bye()
        with pytest.raises(LinkDown):
            await task
        assert rig.context.streams.offers[StreamId(STREAM)].on_demand, "ended by the field: not kept open any more"


@pytest.mark.parametrize("viewers", [0, 1])
async def test_one_key_report_is_not_for_ever(tmp_path: Path, viewers: int) -> None:
    async with rigged(tmp_path, media_ladder=("udp",), live_offer_hold=0.5) as rig:
        ball = await rig.online()
        streams = rig.context.streams
        streams.viewers = viewers
        await ball.message(
            f"<Notify><CmdType>VideoUploadNotify</CmdType><SN>6</SN><DeviceID>{BALL}</DeviceID></Notify>"
        )
        await soon(lambda: not streams.offers[StreamId(STREAM)].on_demand, streams.changed)
        pub, task = rig.run_open(streams.offers[StreamId(STREAM)])
        await asyncio.wait_for(pub.live.wait(), 5)
        await soon(lambda: streams.offers[StreamId(STREAM)].on_demand, streams.changed)
        if viewers:
            assert not task.done(), "whoever watches goes on"
            return
        with pytest.raises(LinkDown):
            await asyncio.wait_for(task, 5)
        await ball.got(lambda r: r.method == "BYE")


# — what it says of itself —


async def test_a_fault_that_the_device_tells(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await rig.online(
            status="<Online>ONLINE</Online><Status>ERROR</Status><Reason>硬盘故障</Reason><Encode>OFF</Encode>"
        )
        await rig.until_state(DeviceState.DEGRADED, "device-fault")
        # A catalogue that comes after it does not hide it.
        await rig.attached.handler.refresh()
        await rig.attached.until(lambda a: a.states.count((DeviceState.DEGRADED, "device-fault")) > 1)
        ball.status = "<Online>ONLINE</Online><Status>OK</Status><Encode>OFF</Encode><Record>OFF</Record>"
        await rig.attached.handler.refresh()
        await rig.until_state(DeviceState.ONLINE)


# — orders —


async def test_moves_and_the_stop_that_is_said_again(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await rig.online()
        control = rig.attached.handler
        await control.move(CHANNEL, PtzMove(pan=1.0))
        order = await ball.got(lambda r: b"PTZCmd" in r.body)
        assert order.target.user == CHANNEL and value(order.body, "DeviceID") == CHANNEL
        assert ptz.parse(value(order.body, "PTZCmd")).instruction == 0x01
        await control.move(CHANNEL, PtzMove())
        stops = [await ball.order("PTZCmd") for _ in range(3)]
        assert stops == [ptz.STOP.hex()] * 3


async def test_a_new_move_ends_the_row_of_stops(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await rig.online()
        control = rig.attached.handler
        await control.move(CHANNEL, PtzMove())
        await control.move(CHANNEL, PtzMove(tilt=1.0))
        await control.lens(CHANNEL, LensMove(focus=1.0))
        await control.cruise(CHANNEL, CruiseOp.START, 2)
        await asyncio.wait_for(rig.adapter.book.find(BALL).link.crew.drain(3), 5)  # type: ignore[union-attr]
        orders = [ptz.parse(value(r.body, "PTZCmd")).instruction for r in ball.seen if b"PTZCmd" in r.body]
        assert orders == [0x00, 0x08, 0x41, 0x88]


async def test_presets(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await rig.online()
        control = rig.attached.handler
        (preset,) = await control.presets(CHANNEL)
        assert (preset.number, preset.name) == (3, "大门")
        await control.preset(CHANNEL, PresetOp.CALL, 3, "")
        assert await ball.order("PTZCmd") == ptz.preset(PresetOp.CALL, 3).hex()
        with pytest.raises(Unsupported):
            await control.preset(CHANNEL, PresetOp.CALL, 0, "")


async def test_orders_that_fail_say_who_failed(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await rig.online()
        control = rig.attached.handler
        await control.refresh()
        await ball.got(lambda r: b"<CmdType>Catalog" in r.body)
        ball.reply_status = 403
        with pytest.raises(PeerError) as refused:
            await control.move(CHANNEL, PtzMove(pan=1))
        assert refused.value.status == 403
        await ball.register(expires=0)
        for order in (control.key_frame(CHANNEL), control.refresh(), control.presets(CHANNEL)):
            with pytest.raises(LinkDown) as gone:
                await order
            assert gone.value.code == "device-offline"


# — limits —


async def test_a_device_without_catalogue_is_its_own_channel(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.online(pages=lambda sn: [catalog(sn, [])])
        assert list(rig.attached.reports) == [BALL] and rig.attached.complete[-1]
        assert (await rig.context.streams.offered(STREAM)).title == "ball-1"


async def test_a_catalogue_nobody_asked_for(tmp_path: Path) -> None:
    """Some send it by themselves after registering, with an SN of their own."""
    async with rigged(tmp_path) as rig:
        ball = await rig.online()
        await ball.message(catalog("1", [item(cam(8), "unasked")]))
        await rig.attached.until(lambda a: cam(8) in a.reports)
        assert not rig.context.streams.withdrawn


async def test_channels_over_the_limit_are_left_out(tmp_path: Path) -> None:
    async with rigged(tmp_path, max_channels=3) as rig:
        ball = await rig.online(pages=lambda sn: [catalog(sn, [item(cam(n)) for n in range(10)])])
        assert len(rig.attached.reports) == 3 and rig.attached.complete[-1]
        await ball.message(catalog("1", [item(cam(50))]))
        assert (await ball.message(keepalive())).status == 200
        assert len(rig.attached.reports) == 3


async def test_a_body_over_the_limit(tmp_path: Path) -> None:
    async with rigged(tmp_path, max_body=8192) as rig:
        ball = await rig.online()
        big = keepalive().replace("</Notify>", f"<Info>{'x' * 9000}</Info></Notify>")
        assert (await ball.message(big)).status == 413
        assert (await ball.message(keepalive())).status == 200


async def test_more_alarms_at_once_than_can_wait_are_not_confirmed(tmp_path: Path) -> None:
    """While the disk is slow: those that do not fit get no OK, so the device says them again."""
    async with rigged(tmp_path, max_pending=4, subscribe_alarm=False) as rig:
        ball = await rig.online()
        rig.context.messages.stored.clear()
        for sn in range(10):
            assert (await ball.message(alarm(sn=sn))).status == 200
        rig.context.messages.stored.set()
        confirmed = [value((await ball.got(lambda r: b"<Result>" in r.body)).body, "SN") for _ in range(4)]
        assert len(set(confirmed)) == 4 and rig.context.messages.alarms.qsize() == 4
        lost = next(str(sn) for sn in range(10) if str(sn) not in confirmed)
        await ball.message(alarm(sn=int(lost)))
        assert value((await ball.got(lambda r: b"<Result>" in r.body)).body, "SN") == lost


async def test_a_call_from_the_device_is_declined(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await rig.online()
        assert (await ball.request("INVITE", [("Content-Type", "application/sdp")], b"v=0\r\n")).status == 403
