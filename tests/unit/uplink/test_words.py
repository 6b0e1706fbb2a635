"""What a kit tells fits into what its center takes, however much there is of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgpack
import pytest

from adapters.uplink import words
from adapters.uplink.protocol import Rpc
from adapters.uplink.words import Lists, parts, shaped
from gateway.base.errors import RemoteProtocolError
from gateway.contract.device import ChannelReport
from gateway.model.device import Capabilities, Channel, Device, DeviceState
from gateway.model.ids import DeviceId, StreamId
from gateway.wire.records import record
from tests.unit.uplink.rig import VERA, a_pair, until


def recorder(count: int, name: str = "Gate") -> Device:
    channels = tuple(
        Channel(
            f"ch{number}",
            f"3402000000132{number:07}",
            f"{name} {number}",
            capabilities=Capabilities(ptz=bool(number % 2)),
            parent="34020000002000000001",
            stream=StreamId(f"kit7/nvr/ch{number}"),
        )
        for number in range(count)
    )
    return Device(DeviceId("kit7/nvr"), "gb28181", "34020000001180000001", "NVR", DeviceState.ONLINE, channels=channels)


def carried(name: str, args: Any) -> Any:
    """Through the two ends, with all their bounds."""
    one, other = Rpc(), Rpc()
    one.notice(name, args)
    other.receive_data(one.data_to_send())
    event = other.next_event()
    assert event is not None
    return event.args  # type: ignore[union-attr]


@pytest.mark.parametrize("count", [0, 1, 1515, 2000])
def test_a_large_recorder_is_told_whole(count: int) -> None:
    device = recorder(count)
    lists = Lists()
    (part,) = parts("device", [device])
    found = lists.take(carried("list", part))
    assert found is not None and record(Device, found[1][0]) == device
    assert record(Device, carried("item", {"value": shaped(device)})["value"]) == device


@pytest.mark.parametrize(("count", "name"), [(4096, "Gate"), (4096, "北" * 90), (4096, "a" * 200)])
def test_of_a_larger_one_as_much_as_a_message_holds(count: int, name: str) -> None:
    device = recorder(count, name)
    told = record(Device, carried("item", {"value": shaped(device)})["value"])
    assert 800 < len(told.channels) < count and told.channels == device.channels[: len(told.channels)]
    assert told.detail == f"{len(told.channels)} of its {count} channels are told here"
    assert replace(told, channels=(), detail="") == replace(device, channels=())


def test_what_is_as_by_itself_is_left_out() -> None:
    """A message of 20 devices of a kit on a thin link."""
    off = replace(recorder(1), channels=(Channel("ch1", "", "", online=False),))
    assert msgpack.unpackb(msgpack.packb(shaped(off)))["channels"] == [
        {"key": "ch1", "external_id": "", "name": "", "online": False}
    ]
    assert record(Device, shaped(off)) == off


def test_lists_that_never_end_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kit that has been taken over: parts without a last one, of every kind."""
    monkeypatch.setattr(words, "MOST_LISTS_BYTES", 1_000_000)
    lists, item = Lists(), {"id": "x" * 4000}
    with pytest.raises(RemoteProtocolError) as refused:
        for number in range(1000):
            kind = words.KINDS[number % 4]
            lists.take({"kind": kind, "items": [item] * 10, "first": number < 4, "last": False})
    assert refused.value.code == "kit-too-many" and 20 < number < 40
    # One after the other, they count one at a time.
    lists = Lists()
    for _ in range(100):
        for last in (False, True):
            lists.take({"kind": "device", "items": [item] * 50, "first": not last, "last": last})


async def test_a_kit_with_a_large_recorder_is_let_in(tmp_path: Path) -> None:
    async with a_pair(tmp_path) as pair:
        await pair.here()
        hold = pair.kit.core.devices.attach(DeviceId("kit7/ball-1"), pair.ball)
        reports = [ChannelReport(f"3402000000132{number:07}", f"Gate {number}") for number in range(4096)]
        hold.state(DeviceState.ONLINE)
        hold.channels(reports)
        (own,) = pair.kit.core.directory.devices(VERA)
        assert len(own.channels) == 4096
        pair.net.down("kit7", "link-down")
        pair.net.connect("kit7")
        await pair.here()
        directory = pair.center.core.directory
        await until("it is told", lambda: any(len(one.channels) == 4096 for one in directory.devices(VERA)))
        await pair.kit.core.devices.rename(DeviceId("kit7/ball-1"), "North")
        await until("the new name", lambda: [one.name for one in directory.devices(VERA)] == ["North"])
        assert pair.net.upped == 2, "on the same session"
