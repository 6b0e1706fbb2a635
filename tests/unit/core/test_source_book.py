"""Sources that people add: kept over restarts, tried, refused in words, and never shown with their secrets."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest

from gateway.base.errors import Denied, LinkDown, RemoteProtocolError
from gateway.base.url import SourceUrl
from gateway.config.sources import Program
from gateway.contract.media import Publication
from gateway.model.command import Action, ArgValue, Command, CommandResult, Outcome
from gateway.model.doctor import Grade
from gateway.model.ids import DeviceId, StreamId
from gateway.model.media import StreamState
from gateway.model.principal import Principal
from gateway.model.reason import REASONS
from gateway.model.source import SourceOrigin
from tests.fakes.loop import advance, by_hand, settle
from tests.unit.core.house import ADMIN, AUDITOR, OPERATOR, TECHNICIAN, VIEWER, House, a_house, housed
from tests.unit.core.test_push_points import Sender, program, programs, publish
from tests.unit.core.test_sources import URL, Opener, source, sources
from tests.unit.core.test_streams import turn

GATE = StreamId("kit1/gate/main")
NUMBERS = itertools.count()


async def order(
    house: House, action: Action, target: str, who: Principal = TECHNICIAN, **args: ArgValue
) -> CommandResult:
    deadline = house.clock.wall() + 10
    return await house.core.commands.execute(Command(f"order-{next(NUMBERS)}", who, action, target, deadline, args))


@by_hand
async def test_one_that_was_added_is_there_after_a_restart(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        done = await order(house, Action.SOURCE_ADD, "gate", url=URL, sub_url="rtsp://192.168.1.64/102", name="Gate")
        assert done.outcome is Outcome.DONE and done.data == {"device": "kit1/gate", "stream": GATE}
        (info,) = house.core.source_view.sources(VIEWER)
        assert (info.origin, info.added_by, info.title) == (SourceOrigin.PERSON, "tina", "Gate")
        assert [(c.channel, c.url) for c in info.channels] == [
            ("main", "rtsp://192.168.1.64:554/101"),
            ("sub", "rtsp://192.168.1.64/102"),
        ]
        rows = [row for row in await house.core.audit.read(AUDITOR) if row.act == "source.add"]
        assert len(rows) == 1 and "192.168.1.64" in rows[0].detail
        assert "s3cret" not in repr([rows, info, done, house.core.source_book.wanted()])
    async with a_house(tmp_path) as house:
        opener = Opener()
        house.core.sources.scheme("rtsp", opener.open)
        async with house.core.streams.view(GATE, VIEWER, "whep"):
            await settle()
            assert opener.urls[0].password == "s3cret"
        done = await order(house, Action.SOURCE_REMOVE, "gate")
        assert done.outcome is Outcome.DONE and not house.core.streams.has(GATE)
    async with a_house(tmp_path) as house:
        assert house.core.source_view.sources(VIEWER) == []


@housed
async def test_what_is_refused(house: House) -> None:
    sources(house, {"yard": source("rtsp://192.168.1.65/1")})
    await house.core.devices.admit("gb28181", "34020000001320000001", slug="ball-1", by="test")
    for target, args, code in (
        ("yard", {"url": URL}, "name-taken"),
        ("ball-1", {"url": URL}, "name-taken"),
        ("gate", {"url": "rtsp://"}, "bad-url"),
        ("gate", {"url": "rtsp://host/\r\n"}, "bad-url"),
        ("gate", {}, "bad-request"),
        ("Gate", {"url": URL}, "bad-request"),
        ("talk", {"url": URL}, "bad-request"),
        ("gate", {"url": URL, "name": "a\nb"}, "bad-request"),
    ):
        result = await order(house, Action.SOURCE_ADD, target, **args)  # type: ignore[arg-type]
        assert (result.outcome is not Outcome.DONE, result.code) == (True, code), (target, result)
        assert "s3cret" not in result.detail
    assert (await order(house, Action.SOURCE_ADD, "gate", OPERATOR, url=URL)).code == "denied"
    scoped = Principal("tom", TECHNICIAN.role, "s", scope="kit1/gate")
    assert (await order(house, Action.SOURCE_ADD, "gate", scoped, url=URL)).code == "denied"
    assert (await order(house, Action.SOURCE_REMOVE, "yard")).code == "name-taken"
    assert (await order(house, Action.SOURCE_REMOVE, "none")).code == "not-found"
    named = await order(house, Action.SOURCE_ADD, "", url=URL)
    assert named.data["device"] == "kit1/rtsp-1"
    # Changing one's own again is no conflict; forgetting the device removes the source.
    assert (await order(house, Action.SOURCE_ADD, "rtsp-1", url="rtsp://192.168.1.66/1")).outcome is Outcome.DONE
    assert (await order(house, Action.DEVICE_FORGET, "kit1/rtsp-1")).outcome is Outcome.DONE
    assert [info.name for info in house.core.source_view.sources(VIEWER)] == ["yard"]
    assert house.core.devices.known(DeviceId("kit1/rtsp-1")) is None


@housed
async def test_the_configurations_counts_where_both_have_a_name(house: House) -> None:
    assert (await order(house, Action.SOURCE_ADD, "gate", url=URL)).outcome is Outcome.DONE
    sources(house, {"gate": source("rtsp://192.168.1.99/1")})
    (info,) = house.core.source_view.sources(VIEWER)
    assert info.origin is SourceOrigin.CONFIG and info.channels[0].url == "rtsp://192.168.1.99/1"
    sources(house, {})
    (info,) = house.core.source_view.sources(VIEWER)
    assert info.origin is SourceOrigin.PERSON


@housed
async def test_forgetting_a_device_that_is_a_source_or_a_name(house: House) -> None:
    sources(house, {"yard": source("rtsp://192.168.1.65/1")})
    programs(house, drone=Program(publish=["drone-1", "truck-*"]))
    for ref in ("yard", "drone-1"):
        refused = await order(house, Action.DEVICE_FORGET, ref)
        assert (refused.outcome, refused.code) == (Outcome.REFUSED, "name-taken")
    sender = Sender()
    sending = publish(house, program(house), sender, "truck-1")
    await settle()
    assert (await order(house, Action.DEVICE_FORGET, "truck-1")).outcome is Outcome.DONE
    with pytest.raises(Denied) as revoked:
        await sending
    assert revoked.value.code == "push-revoked" and house.core.devices.known(DeviceId("kit1/truck-1")) is None
    # It may come back: nobody said that it may not.
    sender = Sender()
    sending = publish(house, program(house), sender, "truck-1")
    await settle()
    assert sender.opened == 1
    sender.hung_up.set()
    await sending


@housed
async def test_trying_a_url(house: House) -> None:
    view, opener = house.core.source_view, Opener()
    off = await view.test(TECHNICIAN, URL)
    assert (off.ok, off.code, off.url) == (False, "adapter-off", "rtsp://192.168.1.64:554/101")
    house.core.sources.scheme("rtsp", opener.open)

    async def dead(url: SourceUrl, publication: Publication) -> None:
        raise LinkDown("nobody there", code="connect-timeout")

    house.core.sources.scheme("srt", dead)
    assert (await view.test(TECHNICIAN, "srt://192.168.1.1:9000")).code == "connect-timeout"
    trying = asyncio.create_task(view.test(TECHNICIAN, URL))
    await settle()
    leg = house.engine.newest_leg()
    house.engine.media(leg)
    house.engine.track(house.engine.legs[leg])
    await turn()
    house.engine.track(house.engine.legs[leg], "pcma")
    await turn()
    good = await trying
    assert good.ok and [track.codec for track in good.tracks] == ["h264", "pcma"] and opener.urls[-1].trusted
    silent = asyncio.create_task(view.test(TECHNICIAN, URL))
    await advance(13)
    assert (await silent).code == "no-media"
    words = REASONS["no-media"]
    assert "agreed" not in words.cause_en and "sender" in words.cure_en, (
        "of `udp://:5004` nobody was asked for anything"
    )
    assert house.engine.streams == {} and opener.ended == len(opener.urls) == 2
    with pytest.raises(RemoteProtocolError):
        await view.test(TECHNICIAN, "not a url")
    with pytest.raises(Denied):
        await view.test(OPERATOR, URL)


@housed
async def test_the_doctor_of_a_running_daemon(house: House) -> None:
    await house.core.devices.admit("gb28181", "34020000001320000001", slug="ball-1", by="test")
    sources(house, {"gate": source(), "ball-1": source("rtsp://192.168.1.65/1")})
    found = {finding.check: finding for finding in house.core.source_view.findings()}
    assert (found["source gate/main"].grade, found["source gate/main"].code) == (Grade.FAIL, "adapter-off")
    assert found["source ball-1"].code == "name-taken"
    house.core.sources.scheme("rtsp", Opener().open)
    found = {finding.check: finding for finding in house.core.source_view.findings()}
    assert found["source gate/main"].grade is Grade.OK
    assert house.core.streams.status(GATE).state is StreamState.IDLE
    assert not any("s3cret" in finding.measured for finding in found.values())


@housed
async def test_the_doctor_opens_what_nobody_watches(house: House) -> None:
    sources(house, {"gate": source(), "yard": source("srt://192.168.1.9:9000")})
    opener = Opener()
    house.core.sources.scheme("rtsp", opener.open)

    async def wrong(url: SourceUrl, publication: Publication) -> None:
        raise RemoteProtocolError("404 Not Found", code="rtsp-not-found")

    house.core.sources.scheme("srt", wrong)
    asking = asyncio.create_task(house.core.source_view.ask())
    await settle()
    leg = house.engine.newest_leg()
    house.engine.media(leg)
    house.engine.track(house.engine.legs[leg])
    await turn()
    await advance(2)
    found = {finding.check: finding for finding in await asking}
    assert (found["source gate/main"].grade, found["source gate/main"].code) == (Grade.OK, "")
    assert "h264" in found["source gate/main"].measured and "s3cret" not in found["source gate/main"].measured
    assert (found["source yard/main"].grade, found["source yard/main"].code) == (Grade.WARN, "rtsp-not-found")
    assert house.core.streams.status(GATE).state is StreamState.IDLE and house.engine.streams == {}


@housed
async def test_programs_as_people_see_them(house: House) -> None:
    programs(house, drone=Program(publish=["drone-1"]), off=Program(enabled=False))
    view = house.core.source_view
    drone, off = view.programs(TECHNICIAN)
    assert (drone.name, drone.made, off.enabled, drone.last_seen) == ("drone", True, False, None)
    secret = await view.renew_program(ADMIN, "drone")
    house.core.programs.by_key(secret, "192.0.2.7")
    drone, _ = view.programs(TECHNICIAN)
    assert drone.address == "192.0.2.7" and secret not in repr(drone)
    rows = [row for row in await house.core.audit.read(AUDITOR) if row.act == "program.secret"]
    assert len(rows) == 1 and secret not in repr(rows)
    for who in (VIEWER, OPERATOR):
        with pytest.raises(Denied):
            view.programs(who)
    with pytest.raises(Denied):
        await view.renew_program(TECHNICIAN, "drone")
