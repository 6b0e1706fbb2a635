"""Sockets that come and go with the machine's addresses."""

from __future__ import annotations

import asyncio
import socket

import pytest

from adapters.webrtc import WebRtc
from adapters.webrtc.config import WebRtcConfig
from adapters.webrtc.ports import LocalPort, Ports, choose_ports, local_candidates, usable_address
from gateway.base.errors import ConfigError, LinkDown
from gateway.model.doctor import Grade
from gateway.net.one_port import Lane
from tests.unit.webrtc.fakes import FakeContext, FakeEngine


async def test_follows_the_addresses() -> None:
    engine, own = FakeEngine(), ["127.0.0.2"]
    ports = Ports(engine, 0, [], lambda: own)  # type: ignore[arg-type]
    assert ports.refresh() and {one.host for one in ports.all} == {"127.0.0.2", "127.0.0.1"}
    assert not ports.refresh()
    own[:] = ["127.0.0.3"]
    assert ports.refresh() and {one.host for one in ports.all} == {"127.0.0.3", "127.0.0.1"}
    assert len(engine.ports) == 2
    ports.close()
    assert not engine.ports


@pytest.mark.parametrize("bound", ["127.0.0.1", "0.0.0.0", "::"])
async def test_one_socket_of_the_shared_port_stands_for_all_its_addresses(bound: str) -> None:
    engine, own = FakeEngine(), ["127.0.0.2", "127.0.0.3"]

    def lane(lane: Lane, port: int) -> socket.socket | None:
        assert (lane, port) == (Lane.BROWSERS, 0)
        made = socket.socket(socket.AF_INET6 if ":" in bound else socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((bound, 0))
        return made

    ports = Ports(engine, 0, [], lambda: own, lane)  # type: ignore[arg-type]
    assert ports.refresh() and not ports.refresh()
    if bound == "127.0.0.1":  # what comes to others does not come to it
        assert {one.host for one in ports.all} == {"127.0.0.1", "127.0.0.2", "127.0.0.3"} and len(engine.ports) == 3
    else:
        (one,) = ports.all
        assert (one.host, one.also, len(engine.ports)) == ("127.0.0.2", ("127.0.0.3", "127.0.0.1"), 1)
        own[:] = ["127.0.0.3", "127.0.0.4"]
        assert ports.refresh() and [(two.handle, two.host) for two in ports.all] == [(one.handle, "127.0.0.3")]
    ports.close()
    assert not engine.ports


def test_of_a_shared_port_each_address_is_told_once() -> None:
    ports = [LocalPort(1, "192.0.2.2", 8444, (126 << 24) + (65535 << 8) + 255, ("10.0.0.1", "127.0.0.1"))]
    outside = choose_ports(ports, "203.0.113.7")
    assert [one.also for one in outside] == [("10.0.0.1",)]
    assert [one.also for one in choose_ports(ports, "10.0.0.1")] == [("10.0.0.1", "127.0.0.1")]
    told = local_candidates(outside, "203.0.113.1", {})
    assert [(one.host, one.related) for one in told] == [
        ("192.0.2.2", None),
        ("10.0.0.1", None),
        ("203.0.113.1", ("192.0.2.2", 8444)),
    ]
    assert len({one.priority for one in told}) == 3 and told[0].priority > told[1].priority > told[2].priority


async def test_a_shared_port_that_is_taken_is_said() -> None:
    def taken(_lane: Lane, _port: int) -> socket.socket | None:
        raise OSError(98, "Address already in use")

    with pytest.raises(ConfigError) as caught:
        Ports(FakeEngine(), 8444, [], list, taken).refresh()  # type: ignore[arg-type]
    assert caught.value.code == "port-in-use"


async def test_a_taken_port_names_the_key() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        number = taken.getsockname()[1]
        context = FakeContext(FakeEngine())
        adapter = WebRtc(WebRtcConfig(port=number), context)
        with pytest.raises(ConfigError) as caught:
            await asyncio.wait_for(adapter.run(), 5)
        assert (caught.value.code, caught.value.key) == ("port-in-use", "port")
        findings = {one.check: one for one in await WebRtc.checks(WebRtcConfig(port=number))}
        assert (findings["webrtc.port"].grade, findings["webrtc.port"].code) == (Grade.FAIL, "port-in-use")
    findings = {one.check: one for one in await WebRtc.checks(WebRtcConfig(port=number))}
    assert {one.grade for one in findings.values()} == {Grade.OK}


async def test_an_address_that_is_not_ours_is_skipped_and_none_at_all_is_an_error() -> None:
    engine = FakeEngine()
    ports = Ports(engine, 0, ["198.51.100.1", "127.0.0.1"], list)  # type: ignore[arg-type]
    ports.refresh()
    assert [one.host for one in ports.all] == ["127.0.0.1"]
    ports.close()
    with pytest.raises(LinkDown):
        Ports(engine, 0, ["198.51.100.1"], list).refresh()  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["fe80::1", "::1", "0.0.0.0", "224.0.0.1", "nonsense", ""])
def test_addresses_that_a_browser_can_not_be_told(text: str) -> None:
    assert not usable_address(text)


def test_loopback_is_told_only_to_this_machine() -> None:
    ports = [LocalPort(1, "192.0.2.2", 8189, 9), LocalPort(2, "127.0.0.1", 8189, 1)]
    assert [one.handle for one in choose_ports(ports, "192.0.2.77")] == [1]
    assert [one.handle for one in choose_ports(ports, "192.0.2.2")] == [1, 2]
    assert [one.handle for one in choose_ports(ports, "")] == [1, 2]
    assert [one.handle for one in choose_ports(ports[1:], "192.0.2.77")] == [2]  # better than none


def test_the_outer_address_of_a_nat_is_told_as_well() -> None:
    ports = [LocalPort(1, "192.0.2.2", 8189, 9), LocalPort(2, "127.0.0.1", 8189, 1)]
    told = local_candidates(ports, "203.0.113.1", {})
    assert [(one.host, one.related) for one in told][2] == ("203.0.113.1", ("192.0.2.2", 8189))
    assert len(local_candidates(ports, "", {})) == 2
    seen = local_candidates(ports, "", {1: ("203.0.113.9", 40000)})
    assert (seen[2].host, seen[2].port, seen[2].related) == ("203.0.113.9", 40000, ("192.0.2.2", 8189))
    assert len(local_candidates(ports, "", {1: ("192.0.2.2", 8189)})) == 2  # no NAT: nothing to add
