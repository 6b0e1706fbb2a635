"""What a technician may write, and what he is told."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from adapters.roip.config import RoipConfig, SerialChannel, UsrpChannel
from adapters.roip.session import Roip
from gateway.base.errors import ConfigError
from gateway.model.doctor import Grade


def test_three_kinds() -> None:
    config = RoipConfig.model_validate(
        {
            "channels": {
                "radio-1": {"kind": "usrp", "peer": "10.0.0.9:32001"},
                "radio-2": {"kind": "rtp", "peer": "10.0.0.8:5004", "squelch": "vox"},
                "radio-3": {"kind": "serial", "port": "/dev/serial/by-id/usb-x", "ptt": "dtr", "squelch": "dcd"},
            }
        }
    )
    assert isinstance(config.channels["radio-1"], UsrpChannel)
    assert isinstance(config.channels["radio-3"], SerialChannel)
    assert config.channels["radio-2"].tail == pytest.approx(0.4)


@pytest.mark.parametrize(
    "channel",
    [
        {"kind": "serial", "port": "/etc/passwd"},
        {"kind": "serial", "port": "/dev/../etc/passwd"},
        {"kind": "serial", "port": "/dev/ttyUSB0", "audio": "-f /dev/sda"},
        {"kind": "serial", "port": "/dev/ttyUSB0", "audio": "--dump"},
        {"kind": "serial", "port": "/dev/ttyUSB0", "audio": "default; reboot"},
        {"kind": "carrier-pigeon"},
        {"kind": "usrp", "transmit_timeout": "2h"},
    ],
)
def test_nothing_of_the_file_becomes_a_command_or_a_path_elsewhere(channel: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        RoipConfig.model_validate({"channels": {"radio-1": channel}})


@pytest.mark.parametrize("name", ["talk", "Radio 1", "../x", ""])
def test_names_that_can_be_no_device(name: str) -> None:
    with pytest.raises(ValidationError):
        RoipConfig.model_validate({"channels": {name: {"kind": "usrp"}}})


async def test_doctor_names_what_is_missing() -> None:
    config = RoipConfig.model_validate(
        {"channels": {"r1": {"kind": "serial", "port": "/dev/serial/by-id/not-there"}, "r2": {"kind": "usrp"}}}
    )
    found = {finding.check: finding for finding in await Roip.checks(config)}
    assert found["roip.r1.serial"].grade is Grade.FAIL
    assert found["roip.r1.serial"].code == "serial-lost"
    assert found["roip.r2.port"].grade is Grade.OK


async def test_no_channel_is_no_fault() -> None:
    assert [finding.grade for finding in await Roip.checks(RoipConfig())] == [Grade.OFF]


async def test_two_channels_at_one_address_are_refused_by_name() -> None:
    from tests.unit.roip.rig import Rig

    config = RoipConfig.model_validate({"channels": {"r1": {"kind": "usrp"}, "r2": {"kind": "usrp"}}})
    with pytest.raises(ConfigError, match=r"channels\.r2.*taken by the channel r1"):
        await Roip(config, Rig().context).run()
