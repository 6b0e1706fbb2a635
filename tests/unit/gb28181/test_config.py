from __future__ import annotations

import socket

import pytest
from pydantic import ValidationError

from adapters.gb28181.config import Config, DeviceOverride, Gb28181Config
from adapters.gb28181.session import Gb28181Access
from gateway.config.units import HostPort
from gateway.model.doctor import Grade
from tests.unit.gb28181.rig import free_port
from tests.unit.gb28181.scripted import HOST


def test_defaults_stand_alone_and_survive_the_file() -> None:
    config = Gb28181Config()
    assert str(config.listen) == "0.0.0.0:5060" and config.offline_after_s == 180.0
    assert Gb28181Config.model_validate(config.model_dump(mode="json")) == config
    assert Config is Gb28181Config


def test_every_field_is_described() -> None:
    for model in (Gb28181Config, DeviceOverride):
        assert [name for name, field in model.model_fields.items() if not field.description] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "3402"},
        {"domain": "domain"},
        {"sdp_ip": "camera"},
        {"media_ladder": ()},
        {"media_ladder": ("pigeon",)},
        {"keepalive_interval": 60},
        {"surprise": 1},
        {"devices": {"1": {"sdp_line": "a=x\r\nc=IN IP4 1.2.3.4"}}},
        {"devices": {"1": {"surprise": 1}}},
        {"listen": "5060"},
    ],
)
def test_what_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Gb28181Config.model_validate(wrong)


async def test_the_doctor_finds_a_taken_port() -> None:
    port = free_port()
    config = Gb28181Config(listen=HostPort(HOST, port))
    assert [f.grade for f in await Gb28181Access.checks(config)] == [Grade.OK, Grade.OK]
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        taken.bind((HOST, port))
        udp, tcp = await Gb28181Access.checks(config)
    assert (udp.grade, udp.code, tcp.grade) == (Grade.FAIL, "port-in-use", Grade.OK)
