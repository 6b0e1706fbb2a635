"""The smaller parts of the uplink: figures, lists in parts, a line's ends, settings, which links are used."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.uplink import line as lines
from adapters.uplink.bundle import Bundle
from adapters.uplink.center import _bind
from adapters.uplink.config import Link, UplinkConfig
from adapters.uplink.figures import LinkFigures, voice_playout_ms
from adapters.uplink.line import Line
from adapters.uplink.paths import Wish, bound, wishes
from adapters.uplink.words import PART_BYTES, Lists, number, parts, text, whole
from gateway import codecs
from gateway.base.clock import Clock
from gateway.base.errors import Busy, Denied, GatewayError, LinkDown, PeerError, RemoteProtocolError
from gateway.config.links import Links as LinksConfig
from gateway.config.links import LinkSection
from gateway.core.links import Links
from gateway.core.messages import Bus
from gateway.model.device import Device, DeviceState
from gateway.model.ids import DeviceId
from gateway.model.kit import LinkState, LinkUse
from gateway.net.rtnetlink import Interface, interfaces
from tests.fakes.engine import FakeEngine

DEVICE = Device(DeviceId("kit7/ball-1"), "gb28181", "34020000001320000001", "Ball", DeviceState.ONLINE)


# — figures —


def test_figures_of_paths_and_of_all() -> None:
    figures = LinkFigures()
    stats: dict[str, int | float | str] = {
        "usable_bps": 3_000_000,
        "wanted_bps": 1_000_000,
        "units_given_up": 0,
        "path.wwan0.1.state": "in",
        "path.wwan0.1.rtt_ms": 35.5,
        "path.wwan0.1.loss": 0.02,
        "path.wwan0.1.usable_bps": 2e6,
        "path.wwan0.1.bytes_out": 1000,
        "path.sat.state": "out",
        "path.sat.code": "link-silent",
        "path.sat.rtt_ms": -1,
        "path.new.state": "unproved",
        "out.3.class": "voice",
        "out.3.bytes": 1000,
        "out.4.class": "video",
        "out.4.bytes": 500_000,
    }
    first = figures.look(stats, 1.0)
    lte = first.links["wwan0.1"].state("wwan0.1", "lte", "wwan0", 3)
    assert (lte.state, lte.rtt_ms, lte.loss, lte.usable_bps, lte.bytes_out, lte.cost) == (
        LinkUse.IN,
        35.5,
        0.02,
        2e6,
        1000,
        3,
    )
    sat = first.links["sat"]
    assert (sat.use, sat.code, sat.rtt_ms) == (LinkUse.OUT, "link-silent", None)
    assert first.links["new"].use is LinkUse.TRYING and not first.pressed
    second = figures.look(stats | {"out.3.bytes": 5000, "units_given_up": 2}, 1.0)
    assert second.pressed and second.beside_bps == 32_000.0
    assert not figures.look(stats | {"out.3.bytes": 10, "units_given_up": 2}, 1.0).pressed
    assert figures.look(stats | {"wanted_bps": 9e6, "units_given_up": 2}, 1.0).pressed
    assert LinkFigures().look({}, 1.0).links == {}


def test_voices_wait_longer_for_a_satellite() -> None:
    lte = [LinkState(f"lte-{n}", "lte", state=LinkUse.IN) for n in range(2)]
    satellite = LinkState("sat", "satellite", state=LinkUse.IN)
    assert voice_playout_ms(0.2, []) == voice_playout_ms(0.2, lte) == voice_playout_ms(0.2, [*lte, satellite]) == 200
    assert voice_playout_ms(0.2, [lte[0], satellite]) == voice_playout_ms(0.2, [satellite]) == 400
    assert voice_playout_ms(0.6, [satellite]) == 600
    assert voice_playout_ms(0.2, [lte[0], replace(satellite, state=LinkUse.OUT)]) == 200


# — lists in parts —


def test_long_lists_go_in_parts() -> None:
    devices = [replace(DEVICE, id=DeviceId(f"kit7/ball-{n}"), model="m" * 180) for n in range(2000)]
    lists, got = Lists(), None
    sent = list(parts("device", devices))
    assert len(sent) > 3 and all(len(str(part)) < 4 * PART_BYTES for part in sent)
    for part in sent:
        assert got is None
        got = lists.take(part)
    assert got is not None and got[0] == "device" and len(got[1]) == 2000
    (empty,) = parts("stream", [])
    assert lists.take(empty) == ("stream", [])


@pytest.mark.parametrize(
    "args",
    [
        {},
        {"kind": "device", "items": [], "first": False, "last": True},
        {"kind": "shoes", "items": [], "first": True, "last": True},
        {"kind": "device", "items": {}, "first": True, "last": True},
        {"kind": "device", "items": [], "first": 1, "last": True},
        {"kind": "device", "items": [0] * 50_001, "first": True, "last": False},
    ],
)
def test_lists_that_are_none(args: Mapping[str, Any]) -> None:
    with pytest.raises(RemoteProtocolError) as refused:
        Lists().take(args)
    assert refused.value.code == "record-damaged"


def test_arguments_are_what_they_should_be() -> None:
    assert text({}, "a") == "" and text({"a": "x"}, "a") == "x" and whole({"a": 7}, "a") == 7
    assert number({}, "a", 0, 1, 0.5) == 0.5
    for wrong in ({"a": 5}, {"a": "x" * 201}, {"a": None}):
        with pytest.raises(RemoteProtocolError):
            text(wrong, "a")
    for wrong in ({}, {"a": "1"}, {"a": True}, {"a": float("nan")}, {"a": -1}, {"a": 1 << 60}):
        with pytest.raises(RemoteProtocolError):
            whole(wrong, "a")


# — a line —


@asynccontextmanager
async def two_ends() -> AsyncIterator[tuple[Line, Line, list[asyncio.Task[None]]]]:
    one, other = socket.socketpair()
    ends = Line("kit", one), Line("center", other)
    tasks = [asyncio.create_task(end.run()) for end in ends]
    try:
        yield *ends, tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            end.close()


async def test_questions_and_their_answers() -> None:
    async with two_ends() as (kit, center, _):
        heard: list[Any] = []
        failing: list[Exception] = [Denied("not yours"), ValueError("a mistake of ours")]

        async def add(args: Mapping[str, Any]) -> Any:
            return args["a"] + args["b"]

        async def fail(_args: Mapping[str, Any]) -> Any:
            raise failing.pop(0)

        center.serve("add", add)
        center.serve("fail", fail)
        center.hear("news", heard.append)
        assert await asyncio.gather(*(kit.ask("add", {"a": n, "b": 1}) for n in range(50))) == list(range(1, 51))
        assert kit.notice("news", {"x": 1}) and kit.notice("unheard")
        for code in ("denied", "internal"):
            with pytest.raises(PeerError) as refused:
                await kit.ask("fail")
            assert refused.value.code == code
        with pytest.raises(PeerError) as unknown:
            await kit.ask("sing")
        assert unknown.value.code == "unsupported" and heard == [{"x": 1}]


async def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    async with two_ends() as (kit, center, tasks):
        never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        cancelled = asyncio.Event()

        async def hang(_args: Mapping[str, Any]) -> Any:
            try:
                await never
            finally:
                cancelled.set()

        center.serve("hang", hang)
        with pytest.raises(LinkDown) as late:
            await kit.ask("hang", within_s=0.05)
        assert late.value.code == "kit-unreachable"
        waiting = asyncio.create_task(kit.ask("hang"))
        await asyncio.sleep(0.05)
        cancelled.clear()
        tasks[0].cancel()
        with pytest.raises(GatewayError):
            await waiting
        await asyncio.wait_for(cancelled.wait(), 10)
        with pytest.raises(LinkDown):
            await kit.ask("hang")
        assert not kit.notice("news")


async def test_nonsense_ends_the_line() -> None:
    one, other = socket.socketpair()
    with other:
        line = Line("stranger", one)
        task = asyncio.create_task(line.run())
        other.sendall(b"\xff" * 64)
        with pytest.raises(RemoteProtocolError) as damaged:
            await asyncio.wait_for(task, 10)
        assert damaged.value.code == "rpc-damaged"


async def test_a_line_that_is_full_says_so() -> None:
    one, other = socket.socketpair()
    with other:
        line = Line("deaf", one)
        assert line.notice("n", {"blob": bytes(800_000)})
        sent = 1
        while line.notice("n", {"blob": bytes(800_000)}):
            sent += 1
        assert 5 <= sent <= 12 and line.waiting > 4_000_000
        with pytest.raises(Busy):
            await line.ask("n", {"blob": bytes(800_000)})
        line.close()
    assert lines.SERVED >= 16


# — settings and links —


@pytest.mark.parametrize(
    "wrong",
    [
        {"links": []},
        {"links": [{"name": "a"}, {"name": "a"}]},
        {"links": [{"name": "A b"}]},
        {"links": [{"name": f"l{n}"} for n in range(9)]},
        {"services": {"SIP": "127.0.0.1:1"}},
        {"services": {"sip": "127.0.0.1"}},
        {"services": {"sip": "127.0.0.1:0"}},
        {"forwards": [{"listen": "127.0.0.1:1", "service": "s", "peer": "No Such"}]},
        {"mode": "sideways"},
        {"colour": "red"},
    ],
)
def test_settings_that_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        UplinkConfig.model_validate(wrong)


def test_which_links_are_used() -> None:
    lte = Interface(2, "wwan0", True, 1400, ["10.1.0.2"], [], True, False)
    cable = Interface(3, "eth0", True, 1500, ["192.168.1.5"], ["2001:db8::5"], True, True)
    bridge = Interface(4, "docker0", True, 1500, ["172.17.0.1"], [], True)
    down = Interface(5, "wwan1", False, 1500, ["10.2.0.2"], [], True)
    alone = Interface(6, "eth9", True, 1500, ["192.168.9.1"], [])
    config = UplinkConfig.model_validate({"without": ["docker*"], "metered": {"wwan0": 5}})
    used = wishes(config, [lte, cable, bridge, down, alone])
    assert [(w.name, w.v4, w.v6, w.cost, w.mtu) for w in used] == [
        ("wwan0", "10.1.0.2", "", 5, 1350),
        ("eth0", "192.168.1.5", "2001:db8::5", 0, 1350),
    ]
    named = UplinkConfig(
        links=[Link(name="lte", interface="wwan0", cost=2), Link(name="sat", interface="eth7", bearer="satellite")]
    )
    first, second = wishes(named, [replace_mtu(lte, 1000), cable])
    assert (first.name, first.interface, first.cost, first.mtu, first.off) == ("lte", "wwan0", 2, 952, False)
    assert (second.name, second.bearer, second.off) == ("sat", "satellite", True)
    (free,) = wishes(UplinkConfig(links=[Link(name="any")]), [])
    assert (free.interface, free.off) == ("", False)
    many = [Interface(n, f"wwan{n}", True, 1500, [f"10.{n}.0.2"], [], True) for n in range(12)]
    assert len(wishes(UplinkConfig(), many)) == 8


def test_a_links_classes_are_those_of_its_path() -> None:
    """By the core's own links: what `classes` leaves out the bundle does not put there, and a change makes it anew."""
    config, said = LinksConfig(), {"sat": LinkSection(interface="eth1", classes=["voice", "control", "data"])}
    links = Links("kit1", Bus(), Clock(lambda: 1.0, lambda: 1.0), lambda: config, lambda: said)
    found = [
        Interface(2, "wwan0", True, v4=["10.1.0.2"], out4=True),
        Interface(3, "eth1", True, v4=["10.2.0.2"], out4=True),
    ]
    links.found(found)
    changes: list[int] = []
    links.on_change(lambda: changes.append(1))

    def barred() -> dict[str, tuple[str, ...]]:
        return {one.name: one.barred for one in wishes(UplinkConfig(), found, links)}

    assert barred() == {"wwan0": (), "eth1": ("still", "video", "bulk")}
    named = UplinkConfig(links=[Link(name="up", interface="eth1"), Link(name="any")])
    assert [one.barred for one in wishes(named, found, links)] == [("still", "video", "bulk"), ()]
    for classes, without in (
        (["voice"], ("control", "stream", "still", "video", "bulk")),
        (["control"], ("voice", "still", "video", "bulk")),
        (["video", "bulk"], ("control", "voice", "stream")),
        (["data"], ("control", "voice", "still", "video", "bulk")),
    ):
        said["sat"] = LinkSection(interface="eth1", classes=classes)
        links.config_changed()
        assert barred()["eth1"] == without and changes
        changes.clear()


def replace_mtu(one: Interface, mtu: int) -> Interface:
    return replace(one, mtu=mtu)


def test_sockets_leave_by_their_link() -> None:
    with bound(Wish("lo", "lo", v4="127.0.0.1"), socket.AF_INET, socket.SOCK_DGRAM) as sock:
        assert sock.getsockname()[0] == "127.0.0.1" and sock.getblocking() is False
        assert sock.getsockopt(socket.SOL_SOCKET, 25, 16).rstrip(b"\0") == b"lo", "SO_BINDTODEVICE"
    with bound(Wish("any"), socket.AF_INET, socket.SOCK_STREAM) as sock:
        assert sock.getsockname()[0] == "0.0.0.0" and sock.getsockopt(socket.SOL_SOCKET, 25, 16) == b""
    with pytest.raises(OSError, match=r"No such device|assign"):
        bound(Wish("gone", "nosuch0", v4="192.0.2.77"), socket.AF_INET, socket.SOCK_DGRAM)


def test_the_kernel_tells_its_interfaces() -> None:
    found = {one.name: one for one in interfaces()}
    assert "lo" not in found
    for one in found.values():
        assert one.mtu > 0 and one.bearer in ("lte", "wifi", "wire")


@pytest.mark.parametrize("host", ["127.0.0.1", "::", "::1"])
def test_a_centers_datagrams_are_never_fragmented(host: str) -> None:
    sock = _bind(UplinkConfig.model_validate({"listen_udp": f"[{host}]:0" if ":" in host else f"{host}:0"}))
    with sock:
        if sock.family == socket.AF_INET6:
            assert sock.getsockopt(socket.IPPROTO_IPV6, 23) == 3
        if host != "::1":
            assert sock.getsockopt(socket.IPPROTO_IP, 10) == 3


async def test_a_path_whose_name_comes_later_is_one_path() -> None:
    bundle = Bundle(SimpleNamespace(engine=FakeEngine()), 1, "kit7")  # type: ignore[arg-type]

    def told(number: int, name: str, code: str = "") -> None:
        bundle.event(codecs.BundleEvent(bundle=1, door=0, kind="path", number=number, name=name, code=code))

    told(0, "lte-1")
    told(1, "path-1")
    told(1, "sat")
    assert list(bundle.paths) == ["lte-1", "sat"]
    told(0, "lte-1", "path-silent")
    assert bundle.carries
    told(1, "sat", "path-silent")
    assert not bundle.carries, "what stood under its number alone carries nothing"
