"""Orders: rights, deadlines, once only, audited."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest

from gateway.base.errors import Unsupported
from gateway.contract.device import ChannelReport
from gateway.model.command import Action, ArgValue, Command, Outcome
from gateway.model.device import Capabilities, DeviceState
from gateway.model.picture import DayNight, PictureLevel, PictureNow, PictureSettings
from gateway.model.principal import Principal, Role
from tests.fakes.device import FakeHandler
from tests.fakes.loop import advance, by_hand
from tests.unit.core.house import ADMIN, AUDITOR, OPERATOR, TECHNICIAN, VIEWER, House, a_house, housed

_numbers = itertools.count(1)


def order(
    house: House,
    actor: Principal,
    action: Action,
    target: str = "",
    *,
    id_: str = "",
    left_s: float = 5.0,
    **args: ArgValue,
) -> Command:
    return Command(id_ or f"order-{next(_numbers)}", actor, action, target, house.clock.wall() + left_s, args)


async def ball(house: House) -> FakeHandler:
    done = await house.core.commands.execute(
        order(house, TECHNICIAN, Action.DEVICE_ADMIT, "ball-1", external_id="1", name="ball", password="very-secret")
    )
    assert (done.outcome, done.data) == (Outcome.DONE, {"device": "kit1/ball-1"})
    handler = FakeHandler()
    hold = house.core.devices.attach(house.core.devices.ref("ball-1").device_id, handler)
    hold.channels([ChannelReport("a", "A", capabilities=Capabilities(ptz=True, focus=True))])
    hold.state(DeviceState.ONLINE)
    return handler


@housed
async def test_every_action_has_its_act(house: House) -> None:
    assert set(house.core.commands._acts) == set(Action)


@housed
async def test_the_same_order_twice_is_carried_out_once(house: House) -> None:
    handler, commands = await ball(house), house.core.commands
    twice = order(house, OPERATOR, Action.PTZ_PRESET, "ball-1/ch1", op="set", number=3, name="gate")
    first, second = await asyncio.gather(commands.execute(twice), commands.execute(twice))
    assert first == second and first.outcome is Outcome.DONE
    assert handler.asked == ["preset a set 3 gate"]
    thief = Command(twice.id, ADMIN, twice.action, twice.target, twice.deadline, twice.args)
    refused = await commands.execute(thief)
    assert (refused.outcome, refused.code) == (Outcome.REFUSED, "denied")


@by_hand
async def test_a_result_outlives_the_daemon(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await ball(house)
        rename = order(house, TECHNICIAN, Action.DEVICE_RENAME, "ball-1", name="first")
        first = await house.core.commands.execute(rename)
    async with a_house(tmp_path) as house:
        await house.core.devices.rename(house.core.devices.ref("ball-1").device_id, "second")
        assert await house.core.commands.execute(rename) == first
        assert house.core.directory.device(ADMIN, "ball-1").name == "second"


@housed
async def test_too_late_is_never_carried_out(house: House) -> None:
    handler = await ball(house)
    result = await house.core.commands.execute(order(house, OPERATOR, Action.PTZ_MOVE, "ball-1", left_s=-0.5, pan=1))
    assert (result.outcome, result.code) == (Outcome.REFUSED, "expired") and handler.moves == []
    handler.hangs = True
    hanging = asyncio.create_task(
        house.core.commands.execute(order(house, OPERATOR, Action.PTZ_PRESET, "ball-1", op="call", number=1))
    )
    await handler.called.wait()
    await advance(5.1)
    result = await hanging
    assert (result.outcome, result.code) == (Outcome.FAILED, "expired")


@pytest.mark.parametrize(
    ("who", "action", "may"),
    [
        (VIEWER, Action.PTZ_MOVE, False),
        (OPERATOR, Action.PTZ_MOVE, True),
        (OPERATOR, Action.DEVICE_FORGET, False),
        (TECHNICIAN, Action.ACCOUNT_ADD, False),
        (ADMIN, Action.AUDIT_READ, False),
        (AUDITOR, Action.AUDIT_READ, True),
        (AUDITOR, Action.PTZ_MOVE, False),
        (Principal("s", Role.OPERATOR, "s", scope="kit1/ball-10"), Action.PTZ_MOVE, False),
        (Principal("s", Role.OPERATOR, "s", scope="kit1/ball-1"), Action.PTZ_MOVE, True),
        (Principal("s", Role.ADMINISTRATOR, "s", scope="kit1/ball-1"), Action.DEVICE_ADMIT, False),
    ],
)
def test_who_may(who: Principal, action: Action, may: bool, tmp_path: Path) -> None:
    @by_hand
    async def runs() -> None:
        async with a_house(tmp_path) as house:
            await ball(house)
            target = "" if action is Action.AUDIT_READ else "ball-1"
            result = await house.core.commands.execute(order(house, who, action, target, pan=1))
            assert (result.code != "denied") is may, result
            assert may or result.outcome is Outcome.REFUSED

    runs()


@housed
async def test_acts_are_in_the_record_and_passwords_are_not(house: House) -> None:
    await ball(house)
    for pan in (0.5, 0.5, 0.5):
        await house.core.commands.execute(order(house, OPERATOR, Action.PTZ_MOVE, "ball-1", pan=pan))
    await house.core.commands.execute(order(house, VIEWER, Action.DEVICE_FORGET, "ball-1"))
    rows = await house.core.audit.read(AUDITOR)
    acts_ = [(row.name, row.act, row.outcome) for row in rows]
    assert acts_[0] == ("tina", "device.admit", "done")
    assert acts_.count(("otto", "ptz.move", "done")) == 1, "renewals are not recorded"
    assert ("vera", "device.forget", "refused") in acts_
    assert all("very-secret" not in row.detail for row in rows)


@housed
async def test_nonsense_is_refused_in_words(house: House) -> None:
    await ball(house)
    for args in ({"pan": "fast"}, {"pan": float("nan")}, {"hold_s": True, "pan": 1}):
        result = await house.core.commands.execute(order(house, OPERATOR, Action.PTZ_MOVE, "ball-1", **args))
        assert (result.outcome, result.code) == (Outcome.FAILED, "bad-request"), args
    for id_ in ("x" * 65, "a\nb"):
        result = await house.core.commands.execute(order(house, OPERATOR, Action.PTZ_STOP, "ball-1", id_=id_))
        assert result.code == "bad-request"
    for target in ("ball-9", "../../etc", ""):
        result = await house.core.commands.execute(order(house, OPERATOR, Action.PTZ_STOP, target))
        assert result.code == "not-found"
    result = await house.core.commands.execute(
        order(house, OPERATOR, Action.PTZ_PRESET, "ball-1", op="explode", number=1)
    )
    assert "set, call, delete" in result.detail


class Camera(FakeHandler):
    """A camera whose image settings can be set."""

    async def picture(self, channel: str, settings: PictureSettings) -> None:
        self.asked.append(f"{channel} {settings}")

    async def picture_now(self, channel: str) -> PictureNow:
        return PictureNow((PictureLevel(f"brightness of {channel}", 0, 100, 0.5),))


@housed
async def test_a_picture_is_set_where_the_camera_lets_it_be(house: House) -> None:
    await ball(house)

    async def told(who: Principal = OPERATOR, **args: ArgValue) -> str:
        return (await house.core.commands.execute(order(house, who, Action.PICTURE_SET, "ball-1/ch1", **args))).code

    assert await told(brightness=0.5) == "no-picture-setting"
    with pytest.raises(Unsupported) as refused:
        await house.core.pictures.now(VIEWER, "kit1/ball-1/ch1")
    assert refused.value.code == "no-picture-setting"
    camera = Camera()
    hold = house.core.devices.attach(house.core.devices.ref("ball-1").device_id, camera)
    hold.state(DeviceState.ONLINE)
    for moves in (True, False):
        hold.channels([ChannelReport("a", "A", capabilities=Capabilities(ptz=moves))])
        assert await told(brightness=0.5, day_night="night") == ""
    assert camera.asked == [f"a {PictureSettings(brightness=0.5, day_night=DayNight.NIGHT)}"] * 2
    assert await told(VIEWER, brightness=0.5) == "denied"
    shown = await house.core.pictures.now(VIEWER, "kit1/ball-1/ch1")
    assert shown.levels[0].name == "brightness of a"
    for wrong in ({}, {"brightness": 1.5}, {"contrast": "much"}, {"day_night": "dusk"}):
        assert await told(**wrong) == "bad-request", wrong  # type: ignore[arg-type]
    assert len(camera.asked) == 2


@housed
async def test_forgetting_takes_all_of_it(house: House) -> None:
    await ball(house)
    result = await house.core.commands.execute(order(house, TECHNICIAN, Action.DEVICE_FORGET, "ball-1"))
    assert result.outcome is Outcome.DONE
    assert house.core.directory.devices(ADMIN) == [] and house.core.devices.admitted("gb28181", "1") is None
