"""What a firewall form asks for: every listener of the configuration, nothing that is not one."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from gateway.config.load import load_config
from gateway.config.ports import FIELDS, Center, PortUse, ports_of, shared_udp
from gateway.config.units import HostPort
from gateway.registry import Installed

NO_LISTENER = {("roip", "listen"), ("roip", "peer"), ("sip", "listen"), ("onvif", "rtsp_port")}
"""Radios' ports are named for each channel; SIP has a list of its own."""


def of(tmp_path: Path, text: str) -> list[PortUse]:
    file = tmp_path / "c.toml"
    file.write_text(text)
    return ports_of(load_config(file, Installed()))


def test_a_center_needs_one_tcp_and_one_udp_port_for_kits(tmp_path: Path) -> None:
    text = '[gateway]\nid = "county"\nrole = "center"\n[api]\nport = 443\n[adapter.mqtt]\nenabled = false\n'
    uses = of(tmp_path, text)
    assert {(use.protocol, use.ports) for use in uses if use.who == "kits"} == {("udp", "8444"), ("tcp", "443")}
    assert not [use for use in uses if use.outward], "a center never calls a kit"
    with_broker = of(tmp_path, text.replace("enabled = false", ""))
    assert {use.ports for use in with_broker if use.who == "kits"} == {"443", "8444", "8883"}


def test_a_center_has_one_udp_port_for_kits_and_browsers(tmp_path: Path) -> None:
    center = '[gateway]\nid = "county"\nrole = "center"\n[adapter.mqtt]\nenabled = false\n'
    ours = {"kits", "people"}
    assert {(use.protocol, use.ports) for use in of(tmp_path, center) if use.who in ours} == {
        ("udp", "8444"),
        ("tcp", "8443"),
    }

    def shared(text: str) -> HostPort | None:
        file = tmp_path / "c.toml"
        file.write_text(text)
        return shared_udp(load_config(file, Installed()))

    assert shared(center) == ("0.0.0.0", 8444)
    assert shared(center + '[adapter.uplink]\nlisten_udp = "10.0.0.1:9000"\n[adapter.webrtc]\nmax_sessions = 9\n') == (
        "10.0.0.1",
        9000,
    )
    assert shared(center + "[adapter.webrtc]\nport = 8189\n") is None, "as it is said"
    assert shared(center + '[adapter.uplink]\nlisten_udp = "0.0.0.0:0"\n') is None
    assert shared(center + "[adapter.uplink]\nenabled = false\n") is None
    assert shared(center.replace("center", "edge") + "[adapter.webrtc]\nport = 8444\n") is None
    browsers = [use for use in of(tmp_path, center.replace("center", "edge")) if use.part == "webrtc"]
    assert [use.ports for use in browsers] == ["8189"]


def test_a_kit_is_never_called_by_its_center(tmp_path: Path) -> None:
    uses = of(tmp_path, '[gateway]\nid = "kit1"\n[adapter.uplink]\n')
    assert [use for use in uses if use.who == "kits"] == []


def test_devices_phones_and_programs(tmp_path: Path) -> None:
    text = """
[adapter.gb28181]
[adapter.sip]
listen = ["udp:0.0.0.0:5070", "tls:127.0.0.1:5061"]
[adapter.rtsp]
[adapter.srt]
"""
    uses = of(tmp_path, text)
    by = {(use.protocol, use.ports): use for use in uses}
    assert {("udp", "5060"), ("tcp", "5060"), ("udp", "5070"), ("tcp", "8554"), ("udp", "8890")} <= set(by)
    assert by["tcp", "5061"].local and not by["udp", "5070"].local
    assert {("udp", "30000-30499"), ("tcp", "30000-30499")} <= set(by)
    assert uses[-1].local, "what no firewall asks for stands last"
    assert all(use.purpose_zh for use in uses)


@pytest.mark.parametrize("type_", Installed().types)
def test_no_adapters_listener_is_forgotten(type_: str) -> None:
    told = {row[0] for row in FIELDS.get(type_, ())}
    fields = Installed().model(type_).model_fields
    listens = {
        name
        for name, field in fields.items()
        if HostPort in (field.annotation, *get_args(field.annotation)) and (type_, name) not in NO_LISTENER
    }
    assert listens <= told


def test_where_a_kit_calls(tmp_path: Path) -> None:
    text = '[gateway]\nid = "kit1"\n[adapter.uplink]\n[adapter.mqtt]\n'
    assert [(use.protocol, use.ports, use.far) for use in of(tmp_path, text) if use.outward] == [
        ("tcp", "8883", ""),
        ("tcp", "8443", ""),
        ("udp", "8444", ""),
    ]
    file = tmp_path / "c.toml"
    paired = [Center(("county.example", "192.0.2.9"), 9444, 443)]
    uses = ports_of(load_config(file, Installed()), paired)
    out = {(use.protocol, use.ports): use.far for use in uses if use.outward}
    assert out["udp", "9444"] == out["tcp", "443"] == "county.example, 192.0.2.9"
    file.write_text(text + 'brokers = ["mqtts://mq.example:8884", "mqtt+unix:///run/mq", "uplink:county/mqtt"]\n')
    assert [(use.ports, use.far) for use in ports_of(load_config(file, Installed())) if use.part == "mqtt"] == [
        ("8884", "mq.example")
    ]


def test_each_port_stands_once_for_whoever_comes(tmp_path: Path) -> None:
    uses = of(tmp_path, '[adapter.sip]\nlisten = ["udp:0.0.0.0:5070", "udp:[::]:5070"]\n')
    assert [use.part for use in uses if (use.protocol, use.ports) == ("udp", "5070")] == ["sip"]
