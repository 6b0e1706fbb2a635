"""Names under which somebody publishes: who may, who wins, and what viewers live through."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from gateway.base.errors import Busy, Denied, GatewayError, LinkDown, NotFound, RemoteProtocolError
from gateway.config.sources import Program, Security
from gateway.contract.media import Publication
from gateway.contract.source import PushInfo
from gateway.model.device import DeviceState
from gateway.model.ids import DeviceId, StreamId
from gateway.model.media import StreamState
from gateway.model.principal import Principal, Role
from tests.fakes.loop import advance, settle
from tests.unit.core.house import OPERATOR, TECHNICIAN, VIEWER, House, housed
from tests.unit.core.test_streams import goes_live, turn

DRONE = StreamId("kit1/drone-1/main")
INFO = PushInfo("rtmp", "192.0.2.7:40000", "DJI RC Pro")


@dataclass
class Sender:
    """An adapter's connection that publishes: one leg, until it is hung up."""

    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    opened: int = 0

    async def open(self, publication: Publication) -> None:
        self.opened += 1
        leg = publication.rtp(None, hint="h264")
        ends = {asyncio.ensure_future(leg.ended()), asyncio.ensure_future(self.hung_up.wait())}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
            leg.close()


def programs(house: House, **given: Program) -> None:
    house.config.program.clear()
    house.config.program.update(given)
    house.core.sources_changed()


def program(house: House, name: str = "drone") -> Principal:
    secret = house.core.programs.secret(name)
    assert secret
    return house.core.programs.by_key(secret, "192.0.2.7")


def publish(house: House, who: Principal, sender: Sender, name: str = "drone-1") -> asyncio.Task[None]:
    points = house.core.push_points
    return asyncio.create_task(points.publish(points.resolve(name, who), who, INFO, sender.open))


@housed
async def test_viewers_stay_over_publishers(house: House) -> None:
    programs(house, drone=Program(publish=["drone-*"]))
    streams, first, second = house.core.streams, Sender(), Sender()
    sending = publish(house, program(house), first)
    await goes_live(house, DRONE)
    assert streams.status(DRONE).state is StreamState.LIVE
    source = streams.status(DRONE).source
    assert source is not None
    assert (source.protocol, source.address, source.software, source.who) == (*_info(), "drone")
    device = house.core.devices.known(DeviceId("kit1/drone-1"))
    assert device is not None and device.state is DeviceState.ONLINE and device.row.model == "DJI RC Pro"
    async with streams.view(DRONE, VIEWER, "whep") as viewing:
        handle = viewing.handle
        first.hung_up.set()
        await sending
        await settle()
        assert (viewing.status.state, viewing.status.code) == (StreamState.OFFLINE, "publisher-gone")
        assert device.state is DeviceState.OFFLINE and house.engine.streams, "the last picture stays"
        await advance(300)
        assert first.opened == 1, "nobody is asked again: publishers come by themselves"
        sending = publish(house, program(house), second)
        house_leg = await _media(house)
        assert viewing.status.state is StreamState.LIVE and viewing.handle == handle
        assert house.engine.streams[house.engine.legs[house_leg]].name == DRONE
    second.hung_up.set()
    await sending


def _info() -> tuple[str, str, str]:
    return INFO.protocol, INFO.address, INFO.software


async def _media(house: House) -> int:
    """The tracks are known already."""
    await settle()
    leg = house.engine.newest_leg(DRONE)
    house.engine.media(leg)
    house.engine.leg_event(leg, "picture")
    await turn()
    return leg


@housed
async def test_a_second_publisher_is_refused_in_words(house: House) -> None:
    programs(house, drone=Program(publish=["drone-*"]))
    first = Sender()
    sending = publish(house, program(house), first)
    await goes_live(house, DRONE)
    with pytest.raises(Busy) as taken:
        await publish(house, OPERATOR, Sender())
    assert taken.value.code == "push-taken" and "192.0.2.7:40000" in str(taken.value)
    assert house.core.streams.status(DRONE).state is StreamState.LIVE
    first.hung_up.set()
    await sending


@housed
async def test_a_sender_that_comes_back_is_not_shut_out_by_its_own_dead_connection(house: House) -> None:
    programs(house, drone=Program(publish=["drone-*"]))
    first, second = Sender(), Sender()
    dead = publish(house, program(house), first)
    leg = await goes_live(house, DRONE)
    with pytest.raises(Busy):
        await publish(house, program(house), Sender())
    house.engine.leg_event(leg, "stalled")
    await turn()
    with pytest.raises(Busy) as other:
        await publish(house, OPERATOR, Sender())
    assert other.value.code == "push-taken", "somebody else has to wait until it is given up"
    back = publish(house, program(house), second)
    with pytest.raises(Busy) as replaced:
        await dead
    assert replaced.value.code == "push-replaced"
    await _media(house)
    assert house.core.streams.status(DRONE).state is StreamState.LIVE
    second.hung_up.set()
    await back


@housed
async def test_a_second_publisher_replaces_the_first_where_that_is_the_policy(house: House) -> None:
    programs(house, drone=Program(publish=["drone-*"], push_policy="replace"))
    first, second = Sender(), Sender()
    sending = publish(house, program(house), first)
    await goes_live(house, DRONE)
    async with house.core.streams.view(DRONE, VIEWER, "whep") as viewing:
        after = publish(house, program(house), second)
        with pytest.raises(Busy) as replaced:
            await sending
        assert replaced.value.code == "push-replaced"
        await _media(house)
        assert viewing.status.state is StreamState.LIVE and (first.opened, second.opened) == (1, 1)
        second.hung_up.set()
        await after


@housed
async def test_a_publisher_whose_connection_ends_or_who_sends_nothing(house: House) -> None:
    programs(house, drone=Program(publish=["drone-*"]))
    silent, other = Sender(), Sender()
    sending = publish(house, program(house), silent)
    await advance(house.config.streams.open_patience + 1)
    with pytest.raises(LinkDown) as nothing:
        await sending
    assert nothing.value.code == "no-media" and silent.opened == 1
    assert house.core.streams.status(DRONE).code == "publisher-gone"
    sending = publish(house, program(house), other)
    await goes_live(house, DRONE)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    assert sending.cancelled() and house.engine.legs == {}
    assert house.core.streams.status(DRONE).code == "publisher-gone"


@housed
async def test_what_a_sender_calls_its_picture(house: House) -> None:
    programs(house, drone=Program(publish=["drone-1"]))
    points, who = house.core.push_points, program(house)
    for title, shown in (("No Name", "drone-1/main"), ("Dam\x00 north", "Dam north"), ("-", "Dam north")):
        sender = Sender()
        sending = asyncio.create_task(
            points.publish(DRONE, who, PushInfo("rtsp", "192.0.2.7", title=title), sender.open)
        )
        await settle()
        assert house.core.streams.status(DRONE).title == shown
        sender.hung_up.set()
        await sending


@pytest.mark.parametrize(
    "name",
    [
        "../etc", "drone-1/../ball-1", "a/b/c", "", "/", "drone 1", "drone\n1", "drone-1\x00", "Drone", "d" * 131,
        "talk", "talk/ops", "drone-1//main", "无人机", "drone%2f1", ".hidden", "kit2/drone-1/main", "..",
    ],
)  # fmt: skip
def test_names_that_are_none(name: str, tmp_path: object) -> None:
    @housed
    async def refused(house: House) -> None:
        with pytest.raises(RemoteProtocolError) as bad:
            house.core.push_points.resolve(name, OPERATOR)
        assert bad.value.code == "bad-name"

    refused(tmp_path)


@housed
async def test_who_may_publish_what(house: House) -> None:
    programs(house, drone=Program(publish=["drone-1", "truck-*/front"]), other=Program(publish=["other"]))
    points, who = house.core.push_points, program(house)
    assert points.resolve("drone-1", who) == DRONE == points.resolve("/kit1/drone-1/main", who)
    assert points.resolve("truck-7/front", who) == "kit1/truck-7/front"
    for name, kind, code in (
        ("truck-7/rear", NotFound, "push-unknown"),
        ("elsewhere", NotFound, "push-unknown"),
        ("other", Denied, "push-denied"),
    ):
        with pytest.raises(kind) as refused:
            points.resolve(name, who)
        assert isinstance(refused.value, GatewayError) and refused.value.code == code
    with pytest.raises(Denied):
        points.resolve("drone-1", VIEWER)
    with pytest.raises(Denied):
        points.resolve("drone-1", Principal("otto", OPERATOR.role, "s", scope="kit1/ball-1"))
    assert points.resolve("drone-1", OPERATOR) == DRONE
    # A device that registers by itself is never published over.
    await house.core.devices.admit("gb28181", "34020000001320000001", slug="ball-9", by="test")
    with pytest.raises(Denied) as own:
        points.resolve("ball-9", TECHNICIAN)
    assert own.value.code == "push-denied"


@housed
async def test_who_may_read_what(house: House) -> None:
    programs(house, wall=Program(read=["drone-*"]), drone=Program(publish=["drone-1", "secret-1"]))
    points, wall = house.core.push_points, program(house, "wall")
    assert points.reading("drone-1", wall) == DRONE
    for name in ("secret-1", "nothing-there", "kit1/secret-1/main"):
        with pytest.raises(Denied) as refused:
            points.reading(name, wall)
        assert refused.value.code == "read-denied"
    with pytest.raises(NotFound):
        points.reading("drone-2", wall)
    assert points.reading("secret-1", VIEWER) == "kit1/secret-1/main"
    with pytest.raises(Denied):
        points.reading("secret-1", Principal("v", VIEWER.role, "s", scope="kit1/drone-1"))
    programs(house)
    with pytest.raises(Denied) as gone:
        points.reading("drone-1", wall)
    assert gone.value.code == "program-unknown"


@housed
async def test_a_reader_whose_right_is_taken_is_told_that_it_is_over(house: House) -> None:
    drone, wall = Program(publish=["drone-1"]), Program(read=["drone-*"])
    programs(house, drone=drone, wall=wall)
    stream, reader = house.core.push_points.reading("drone-1", program(house, "wall")), program(house, "wall")
    async with (
        house.core.streams.view(stream, reader, "rtsp") as viewing,
        house.core.streams.view(stream, VIEWER, "whep") as person,
    ):
        last: list[tuple[StreamState, str]] = []

        async def follow() -> None:
            async for status in viewing.changes():
                last.append((status.state, status.code))

        following = asyncio.create_task(follow())
        await settle()
        programs(house, drone=drone, wall=wall, other=Program(read=["x"]))
        await settle()
        assert not following.done() and last[-1][0] is StreamState.OFFLINE
        programs(house, drone=drone, wall=Program(read=["truck-*"]))
        await asyncio.wait_for(following, 5)
        assert last[-1] == (StreamState.REMOVED, "read-denied")
        assert person.status.state is StreamState.OFFLINE and house.core.streams.has(stream)


@housed
async def test_names_of_the_configuration_are_listed_and_others_are_forgotten(house: House) -> None:
    programs(house, drone=Program(publish=["drone-1", "extra-*"]))
    streams = house.core.streams
    assert (streams.status(DRONE).state, streams.status(DRONE).code) == (StreamState.OFFLINE, "publisher-awaited")
    extra, sender = StreamId("kit1/extra-1/main"), Sender()
    sending = publish(house, program(house), sender, "extra-1")
    await goes_live(house, extra)
    sender.hung_up.set()
    await sending
    keep = house.config.security.push_keep
    async with streams.view(extra, VIEWER, "whep"):
        await advance(keep + 1)
        assert streams.has(extra), "somebody looks at its last picture"
    await advance(keep + 1)
    assert not streams.has(extra) and streams.has(DRONE)
    assert house.core.devices.known(DeviceId("kit1/extra-1")) is None
    sender = Sender()
    sending = publish(house, program(house), sender)
    await goes_live(house, DRONE)
    sender.hung_up.set()
    await sending
    await advance(keep + 1)
    assert streams.status(DRONE).code == "publisher-awaited" and house.engine.streams == {}
    programs(house)
    await settle()
    assert not streams.has(DRONE) and house.core.devices.known(DeviceId("kit1/drone-1")) is None


@housed
async def test_a_right_that_is_taken_ends_what_it_allowed(house: House) -> None:
    programs(house, drone=Program(publish=["drone-*"]), truck=Program(publish=["truck-1"]))
    drone, truck = Sender(), Sender()
    first, second = publish(house, program(house), drone), publish(house, program(house, "truck"), truck, "truck-1")
    await goes_live(house, DRONE)
    programs(house, drone=Program(publish=["other"]), truck=house.config.program["truck"])
    with pytest.raises(Denied) as revoked:
        await first
    assert revoked.value.code == "push-revoked"
    await settle()
    assert not second.done(), "who may still publish notices nothing"
    truck.hung_up.set()
    await second


@housed
async def test_no_more_names_than_are_allowed(house: House) -> None:
    programs(house, drone=Program(publish=["drone-*"]))
    most = house.config.security.push_most
    senders = []
    for number in range(most):
        sender = Sender()
        senders.append((sender, publish(house, program(house), sender, f"drone-{number}")))
        await asyncio.sleep(0)
    with pytest.raises(Busy) as full:
        await publish(house, program(house), Sender(), "drone-more")
    assert full.value.code == "sources-full" and most == Security().push_most
    for sender, sending in senders:
        sender.hung_up.set()
        await sending


@housed
async def test_a_thousand_publishers_leave_nothing_behind(house: House) -> None:
    programs(house, drone=Program(publish=["drone-1"]))
    tasks = 0
    for number in range(1000):
        sender = Sender()
        sending = publish(house, program(house), sender)
        await goes_live(house, DRONE) if number % 100 == 0 else await settle()
        assert sender.opened == 1, number
        sender.hung_up.set()
        await sending
        await settle()
        tasks = tasks or len(asyncio.all_tasks())
    # One of the core's own may come or go.
    assert len(asyncio.all_tasks()) <= tasks + 1 and house.engine.legs == {} and len(house.engine.streams) == 1
    assert house.core.push_points.publishers() == [] and len(house.core.plane._legs) == 0


@housed
async def test_an_invited_phone_publishes_its_own_device_and_no_other(house: House) -> None:
    devices, points = house.core.devices, house.core.push_points
    devices.declare("phone", "phone-1", "phone-1", "Wang")
    devices.declare("radio", "radio-1", "radio-1", "Radio")
    phone = Principal("phone-1", Role.INFORMANT, "s-phone", scope="kit1/phone-1")
    stream = points.resolve("phone-1/ch1", phone)
    for who, name in ((phone, "drone-1"), (phone, "radio-1"), (OPERATOR, "phone-1"), (OPERATOR, "radio-1")):
        with pytest.raises(Denied) as refused:
            points.resolve(name, who)
        assert refused.value.code == "push-denied"
    for _ in range(2):
        sender = Sender()
        sending = publish(house, phone, sender, "phone-1/ch1")
        await settle()
        assert sender.opened == 1 and house.core.streams.has(stream)
        sender.hung_up.set()
        await sending
        assert house.core.streams.status(stream).code == "publisher-gone"
        # Its invitation is revoked: the stream goes, and may come again with another one.
        house.core.streams.forget_device(DeviceId("kit1/phone-1"))
        await settle()
        assert not house.core.streams.has(stream)
    known = devices.known(DeviceId("kit1/phone-1"))
    assert known is not None and known.row.scheme == "phone"
