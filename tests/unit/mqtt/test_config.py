"""Brokers' addresses and what a technician may write; a socket in time."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from pydantic import ValidationError

from adapters.mqtt.adapter import Mqtt
from adapters.mqtt.address import Broker, parse_broker
from adapters.mqtt.config import MqttConfig
from adapters.mqtt.dial import ClientTls, Dialler
from adapters.mqtt.local import bind_unix, short
from gateway.base.errors import ConfigError, GatewayError, LinkDown
from gateway.model.doctor import Grade


@pytest.mark.parametrize(
    ("text", "broker"),
    [
        ("mqtts://a.example", Broker("tls", "a.example", 8883)),
        ("mqtt://10.0.0.1:1884", Broker("tcp", "10.0.0.1", 1884)),
        ("mqtts://[2001:db8::1]:8884", Broker("tls", "2001:db8::1", 8884)),
        ("mqtt+unix:///run/mqtt.sock", Broker("unix", "/run/mqtt.sock")),
        ("uplink:county/mqtt", Broker("uplink", "county", 0, "mqtt")),
    ],
)
def test_addresses(text: str, broker: Broker) -> None:
    assert parse_broker(text) == broker == parse_broker(str(broker))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.example",
        "http://a",
        "mqtts://",
        "mqtts://u:p@a",
        "mqtts://a/b",
        "mqtts://a:99999",
        "uplink:../x",
        "mqtt+unix://a/b",
    ],
)
def test_what_is_no_address_is_said(text: str) -> None:
    with pytest.raises(ValueError):
        parse_broker(text)


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        ({"brokers": ["embedded", "mqtts://a"]}, "stands alone"),
        ({"brokers": ["nonsense"]}, "mqtts://host"),
        ({"centers": ["county.1"]}, "no dot"),
        ({"certificate": "/a.crt"}, "belong together"),
        ({"password": "x"}, "without a user"),
        ({"bind_address": "wwan0"}, "IP address"),
        ({"unknown": 1}, "Extra inputs"),
    ],
)
def test_configurations_that_can_not_be(keys: dict[str, object], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        MqttConfig.model_validate(keys)


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(MqttConfig(user="u", password="secret"))


async def test_certificates_that_can_not_be_used_are_found_before_anything_runs(tmp_path: Path) -> None:
    assert list(await Mqtt.checks(MqttConfig())) == []
    (tmp_path / "x").write_text("no certificate")
    (found,) = await Mqtt.checks(MqttConfig(ca=tmp_path / "x"))
    assert found.grade is Grade.FAIL and found.code == "config"
    with pytest.raises(ConfigError):
        ClientTls(tmp_path / "x").context()


async def code(dialler: Dialler, broker: Broker, timeout_s: float = 5.0) -> str:
    try:
        (await dialler.dial(broker, timeout_s)).close()
    except GatewayError as exc:
        return exc.code
    return ""


async def test_a_socket_in_time_or_a_reason(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        here = Broker("tcp", "127.0.0.1", port)
        assert await code(Dialler(), here) == ""
        assert await code(Dialler(interface="lo"), here) == ""
        assert await code(Dialler(bind_address="127.0.0.2"), here) == ""
        assert await code(Dialler(interface="none0"), here) == "connect-refused"
        assert await code(Dialler(bind_address="192.0.2.9"), here) == "connect-refused"
        assert await code(Dialler(), Broker("tls", "127.0.0.1", port), 0.3) == "connect-timeout", "never shakes hands"
    assert await code(Dialler(), here) == "connect-refused"
    assert await code(Dialler(), Broker("tcp", "no.such.host.invalid", 1)) == "dns-failed"
    assert await code(Dialler(), Broker("unix", str(tmp_path / "none"))) == "connect-refused"
    assert await code(Dialler(), Broker("uplink", "county", 0, "mqtt")) == "kit-unreachable"


async def test_a_stream_of_the_uplink_is_a_socket_like_any(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()

    async def stream(center: str, service: str) -> socket.socket:
        assert (center, service) == ("county", "mqtt")
        return ours

    made = await Dialler(uplink=stream).dial(Broker("uplink", "county", 0, "mqtt"), 1.0)
    theirs.send(b"x")
    assert made.recv(1) == b"x"
    made.close()
    theirs.close()


async def test_unix_sockets_in_deep_folders(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a-long-name-of-a-folder"] * 8)
    deep.mkdir(parents=True)
    path = deep / "broker.sock"
    for _ in range(2):  # one that a dead process left is no hindrance
        server = await asyncio.start_unix_server(lambda _r, w: w.close(), sock=bind_unix(path))
        assert path.stat().st_mode & 0o777 == 0o600
        assert await code(Dialler(), Broker("unix", str(path))) == ""
        server.close()
        await server.wait_closed()
    with short(tmp_path / "s") as name:
        assert name == str(tmp_path / "s") or name.startswith("/proc/")
    with pytest.raises(LinkDown):
        await Dialler().dial(Broker("unix", str(deep / "none")), 1.0)
