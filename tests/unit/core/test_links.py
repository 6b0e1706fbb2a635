"""Bearers and interfaces among the links: what stands, what may be used, who is asked to recover."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from gateway.base.clock import Clock
from gateway.base.errors import Busy, LocalProtocolError
from gateway.config.links import Links as LinksConfig
from gateway.config.links import LinkSection
from gateway.core.links import Links
from gateway.core.messages import Bus
from gateway.model.link import BearerFacts, BearerKind, Link, LinkPhase, Recovery, Signal, TrafficClass
from gateway.net.rtnetlink import Interface

UP = BearerFacts(LinkPhase.UP, interface="wwan0", metered=False)
NOW = 1_796_000_000.0


class House:
    """Links, and time by hand."""

    def __init__(self, **said: LinkSection) -> None:
        self.now, self.wall = 100.0, NOW
        self.bus = Bus()
        self.config, self.said = LinksConfig(), said
        clock = Clock(lambda: self.now, lambda: self.wall)
        self.links = Links("kit1", self.bus, clock, lambda: self.config, lambda: self.said, {})
        self.changes = 0
        self.links.on_change(self._changed)

    def _changed(self) -> None:
        self.changes += 1

    def run(self, seconds: float, *answers: str) -> None:
        """Links named in `answers` are asked five times a second, and answer."""
        end = self.now + seconds
        while self.now < end:
            self.now += 0.2
            self.wall += 0.2
            for name in answers:
                entry = self.links.entries[name]
                entry.judge.sent(round(self.now * 10), self.now - 0.05)
                entry.judge.answered(round(self.now * 10), self.now)
                entry.heard_of = True
            self.links.update()

    def link(self, name: str) -> Link:
        return next(link for link in self.links.view() if link.name == name)

    def probed(self, *names: str) -> None:
        for name in names:
            self.links.entries[name].probe = "udp://198.51.100.1:8445"


def an_interface(name: str, index: int = 1, address: str = "10.0.0.2", out: bool = True, up: bool = True) -> Interface:
    return Interface(index, name, up, 1500, [address] if address else [], [], out)


@pytest.fixture
def house() -> Iterator[House]:
    yield House()


def test_a_bearer_is_shown_as_its_adapter_tells_it_and_stays_when_the_adapter_ends(house: House) -> None:
    links = house.links
    with links.offer("modem1", BearerKind.LTE) as seat:
        assert house.link("modem1").phase is LinkPhase.CONNECTING
        told = BearerFacts(
            LinkPhase.UP, interface="wwan0", device="EG25", recoveries=(Recovery("reopen", 2),), metered=True
        )
        seat.tell(told)
        assert house.link("modem1").code == "link-no-interface", (
            "its adapter says up, the kernel knows no such interface"
        )
        links.found([an_interface("wwan0", out=False)])
        link = house.link("modem1")
        assert (link.interface, link.usable, link.metered, link.device) == ("wwan0", True, True, "EG25")
        changes = house.changes
        seat.tell(told)
        assert house.changes == changes, "what is told again unchanged is no news"
        with pytest.raises(Busy), links.offer("modem1", BearerKind.NR):
            pass
    link = house.link("modem1")
    assert (link.phase, link.code, link.usable) == (LinkPhase.ABSENT, "link-untended", False)
    assert link.recoveries == (Recovery("reopen", 2),)
    seat.tell(told)
    assert house.link("modem1").phase is LinkPhase.ABSENT, "a seat that was given back says nothing any more"
    with links.offer("modem1", BearerKind.LTE):
        assert house.link("modem1").phase is LinkPhase.CONNECTING
    with pytest.raises(LocalProtocolError), links.offer("not a slug", BearerKind.LTE):
        pass


def test_each_phase_of_a_bearer_is_the_links(house: House) -> None:
    with house.links.offer("modem1", BearerKind.NR) as seat:
        for phase in LinkPhase:
            seat.tell(BearerFacts(phase, code="link-no-interface"))
            shown = house.link("modem1")
            assert shown.bearer_phase is phase
            assert shown.phase is (phase if phase not in (LinkPhase.UP, LinkPhase.DEGRADED) else LinkPhase.CONNECTING)
        assert not shown.usable


def test_a_modem_is_called_by_the_network_that_serves_it(house: House) -> None:
    with house.links.offer("modem1", BearerKind.NR) as modem, house.links.offer("mesh1", BearerKind.MESH) as mesh:
        seen = []
        for technology in ("", "lte", "", "hsdpa", "nr-nsa", "lte-a", "nr-sa"):
            modem.tell(replace(UP, signal=Signal(technology=technology)))
            house.run(5.2)
            seen.append(house.link("modem1").kind.value)
        assert seen == ["nr", "lte", "lte", "lte", "nr", "lte", "nr"]
        mesh.tell(replace(UP, interface="mesh0", signal=Signal(technology="lte")))
        assert house.link("mesh1").kind is BearerKind.MESH


def test_a_bearer_and_its_interface_are_one_link_when_it_is_renumbered(house: House) -> None:
    links = house.links
    links.found([an_interface("eth0"), an_interface("wwan0", 2, "10.1.0.2"), an_interface("veth7", 9, "10.9.0.2")])
    assert [link.name for link in links.view()] == ["eth0", "wwan0"]
    with links.offer("modem1", BearerKind.LTE) as seat:
        seat.tell(UP)
        assert [link.name for link in links.view()] == ["eth0", "modem1"]
        links.entries["modem1"].use.used = 7
        links.found([an_interface("eth0"), an_interface("wwan1", 3, "10.1.0.2")])
        assert house.link("modem1").code == "link-no-interface"
        seat.tell(BearerFacts(LinkPhase.UP, interface="wwan1"))
        assert [(link.name, link.interface) for link in links.view()] == [("eth0", "eth0"), ("modem1", "wwan1")]
        assert house.link("modem1").used_bytes == 7


def test_up_without_a_data_path_is_down_and_its_bearer_asked_to_recover(house: House) -> None:
    asked: list[str] = []
    links = house.links
    with links.offer("modem1", BearerKind.LTE, recover=asked.append) as seat:
        seat.tell(UP)
        links.found([an_interface("eth0"), an_interface("wwan0", 2, "10.1.0.2")])
        house.probed("eth0", "modem1")
        house.run(3, "eth0")
        assert (house.link("modem1").phase, house.link("modem1").code) == (LinkPhase.DOWN, "link-no-reply")
        assert house.link("modem1").carries == () and not house.link("modem1").usable
        assert house.link("eth0").phase is LinkPhase.UP and len(house.link("eth0").carries) == 5
        assert asked == []
        house.run(10, "eth0")
        assert asked == ["link-no-reply"]
        house.run(65, "eth0")
        assert len(asked) == 2, "again after a minute"
        seat.tell(BearerFacts(LinkPhase.RECOVERING, interface="wwan0", step="radio", code="link-no-interface"))
        house.run(300, "eth0")
        assert len(asked) == 2, "it is at it"
        seat.tell(UP)
        house.run(5, "eth0", "modem1")
        assert house.link("modem1").code == "link-probation"
        house.run(15, "eth0", "modem1")
        assert house.link("modem1").phase is LinkPhase.UP


def test_where_nothing_answers_anywhere_a_bearer_is_asked_late(house: House) -> None:
    asked: list[str] = []
    with house.links.offer("modem1", BearerKind.LTE, recover=asked.append) as seat:
        seat.tell(UP)
        house.links.found([an_interface("wwan0", 2, "10.1.0.2")])
        house.probed("modem1")
        house.run(55)
        assert asked == [], "it may be the far side"
        house.run(15)
        assert len(asked) == 1
        house.run(3600)
        assert len(asked) <= 8, "ever more seldom"


def test_roaming_where_it_is_not_allowed() -> None:
    house = House(modem2=LinkSection(roaming=True))
    links = house.links
    with links.offer("modem1", BearerKind.LTE) as one, links.offer("modem2", BearerKind.LTE) as two:
        links.found([an_interface("wwan0"), an_interface("wwan1", 2, "10.1.0.2")])
        one.tell(BearerFacts(LinkPhase.UP, interface="wwan0", roaming=True))
        two.tell(BearerFacts(LinkPhase.UP, interface="wwan1", roaming=True))
        link = house.link("modem1")
        assert (link.phase, link.code, link.usable) == (LinkPhase.OFF, "link-roaming", False)
        assert links.may_use("wwan0") == "link-roaming" and links.may_use("wwan1") == links.may_use("eth9") == ""
        assert links.choices[TrafficClass.VOICE].order == ("modem2",)
        house.config = LinksConfig(roaming=True)
        links.config_changed()
        assert house.link("modem1").phase is LinkPhase.UP
        one.tell(BearerFacts(LinkPhase.UP, interface="wwan0", roaming=False))
        assert links.may_use("wwan0") == ""


def test_a_quota_that_is_spent_bars_it_and_a_clock_set_back_does_not_free_it() -> None:
    house = House(eth0=LinkSection(quota="1MB", cost=3, metered=True), eth1=LinkSection(use=False))
    links = house.links
    links.found([an_interface("eth0"), an_interface("eth1", 2, "10.1.0.2")])
    entry = links.entries["eth0"]
    entry.use.count("eth0", 5)
    entry.use.count("eth0", 1_000_005)
    house.run(1)
    assert house.link("eth0").code == "link-quota-spent" and links.cost("eth0") == 3 and links.cost("eth1") is None
    assert house.link("eth1").code == "link-switched-off" and links.choices[TrafficClass.DATA].order == ()
    house.wall -= 365 * 86_400
    house.run(60)
    assert house.link("eth0").code == "link-quota-spent"
    house.wall += 365 * 86_400 + 5 * 86_400
    house.run(1)
    assert house.link("eth0").phase is LinkPhase.UP and house.link("eth0").used_bytes == 0


def test_a_clock_set_back_by_a_year_moves_no_link(house: House) -> None:
    house.links.found([an_interface("eth0"), an_interface("eth1", 2, "10.1.0.2")])
    house.probed("eth0", "eth1")
    house.run(20, "eth0", "eth1")
    stood = [(link.phase, link.carries, link.downs) for link in house.links.view()]
    house.wall -= 365 * 86_400
    house.run(20, "eth0", "eth1")
    assert [(link.phase, link.carries, link.downs) for link in house.links.view()] == stood


def test_an_interface_that_is_gone_is_forgotten_late(house: House) -> None:
    links = house.links
    links.found([an_interface("eth0"), an_interface("lan", 2, "192.168.1.1", out=False)])
    assert links.choices[TrafficClass.DATA].order == ("eth0",)
    links.found([])
    assert links.choices[TrafficClass.DATA].order == () and house.link("eth0").code == "link-no-interface"
    house.run(3700)
    links.found([])
    assert links.view() == []


def test_what_others_hear_counts_where_nothing_is_probed(house: House) -> None:
    links = house.links
    links.found([an_interface("eth0")])
    links.silent("eth0")
    assert house.link("eth0").phase is LinkPhase.UP, "whoever was never answered knows nothing"
    links.passed("eth0", 0.05)
    links.silent("eth0")
    assert house.link("eth0").phase is LinkPhase.UP, "nothing passes elsewhere: it may be the far side"
    links.found([an_interface("eth0"), an_interface("eth1", 2, "10.1.0.2")])
    links.passed("eth1", 0.05)
    links.silent("eth0")
    assert house.link("eth0").phase is LinkPhase.DOWN
    links.silent("eth1")
    assert house.link("eth1").phase is LinkPhase.UP
    links.passed("eth0", 0.05)
    links.update()
    assert house.link("eth0").code == "link-probation"
    for _ in range(15):
        house.now += 1.0  # the beat while nothing is probed
        links.update()
    assert house.link("eth0").phase is LinkPhase.UP


def test_a_phone_without_an_interface_is_as_it_says(house: House) -> None:
    with house.links.offer("tiantong", BearerKind.SATPHONE) as seat:
        seat.tell(BearerFacts(LinkPhase.UP))
        link = house.link("tiantong")
        assert (link.phase, link.code, link.usable, link.carries) == (LinkPhase.UP, "", False, ())
    with house.links.offer("sat0", BearerKind.SATELLITE) as seat:
        seat.tell(BearerFacts(LinkPhase.UP))
        link = house.link("sat0")
        assert (link.phase, link.code, link.usable) == (LinkPhase.UP, "link-unnamed", False), "nobody said where it is"
        seat.tell(BearerFacts(LinkPhase.DEGRADED, code="station-weak"))
        assert house.link("sat0").code == "station-weak"


def test_it_is_told_which_addresses_are_no_way_any_more(house: House) -> None:
    lost: list[tuple[str, list[str]]] = []
    house.links.on_down = lambda entry, was: lost.append((entry.name, was.v4))
    house.links.found([an_interface("eth0")])
    house.links.found([an_interface("eth0", address="10.0.0.9")])
    house.links.found([an_interface("eth0", address="10.0.0.9")])
    assert lost == [("eth0", ["10.0.0.2"])], "another address by DHCP"
    house.said["eth0"] = LinkSection(use=False)
    house.links.config_changed()
    house.links.update()
    assert lost[1:] == [("eth0", ["10.0.0.9"])]


def test_an_address_without_a_way_out_is_no_link_that_carries(house: House) -> None:
    house.links.found([an_interface("eth0")])
    assert house.link("eth0").usable
    house.links.found([an_interface("eth0", out=False)])
    link = house.link("eth0")
    assert (link.phase, link.code, link.usable) == (LinkPhase.DOWN, "link-no-route", False)
    ppp = an_interface("eth0", out=False)
    ppp.direct, ppp.v6 = True, ["fd00::2"]
    house.links.found([ppp])
    entry = house.links.entries["eth0"]
    assert entry.sources(socket.AF_INET6) == ("fd00::2",) and house.link("eth0").usable
    local = an_interface("eth0")
    local.v6 = ["fd00::2"]
    house.links.found([local])
    assert entry.sources(socket.AF_INET6) == (), "an address of the site alone leads nowhere"


def test_another_gateway_or_number_of_an_interface_is_told_at_once(house: House) -> None:
    one = an_interface("eth0")
    house.links.found([one])
    changes = house.changes
    house.links.found([replace(one)])
    assert house.changes == changes
    house.links.found([replace(one, gateway4="10.0.0.254")])
    house.links.found([replace(one, gateway4="10.0.0.254", index=9)])
    assert house.changes == changes + 2


def test_a_name_of_the_configuration_fits_an_interface_in_capitals() -> None:
    house = House(enp8p1s0=LinkSection(cost=7), sat=LinkSection(interface="ENX1", kind="satellite"))
    house.links.found([an_interface("enP8p1s0"), an_interface("enx1", 2, "10.1.0.2")])
    assert [(link.name, link.interface, link.cost) for link in house.links.view()] == [
        ("enp8p1s0", "enP8p1s0", 7),
        ("sat", "enx1", 0),
    ]


def test_a_bearer_that_nobody_tends_any_more_goes(house: House) -> None:
    with house.links.offer("modem1", BearerKind.LTE):
        pass
    assert house.link("modem1").code == "link-untended"
    house.run(3700)
    house.links.found([])
    house.run(3700)
    house.links.found([])
    assert house.links.view() == [] and house.links.entries == {}


def test_of_many_interfaces_those_that_are_named_are_followed() -> None:
    house = House(zz=LinkSection())
    with house.links.offer("zmodem", BearerKind.LTE):
        house.links.found([an_interface(f"eth{number}", number, f"10.0.{number}.2") for number in range(40)])
        names = [link.name for link in house.links.view()]
    assert len(names) == 32 and {"zz", "zmodem"} <= set(names)


def test_a_bearer_that_can_not_be_asked_stops_nothing(house: House) -> None:
    def wrong(code: str) -> None:
        raise RuntimeError(code)

    with house.links.offer("modem1", BearerKind.LTE, recover=wrong) as seat:
        seat.tell(UP)
        house.links.found([an_interface("eth0"), an_interface("wwan0", 2, "10.1.0.2")])
        house.probed("eth0", "modem1")
        house.run(30, "eth0")
        assert house.link("modem1").phase is LinkPhase.DOWN and house.link("eth0").phase is LinkPhase.UP


def test_what_others_find_silent_is_asked_at_once_where_it_is_asked_seldom() -> None:
    house = House(wwan0=LinkSection(metered=True))
    house.links.found([an_interface("wwan0")])
    house.probed("wwan0")
    house.run(5, "wwan0")
    judge = house.links.entries["wwan0"].judge
    assert judge.spares and judge.spacing(house.now) == 30.0
    house.links.silent("wwan0")
    assert judge.unsure(house.now) and judge.spacing(house.now) == 0.2
    house.run(2)
    assert house.link("wwan0").phase is LinkPhase.DOWN


def test_what_is_cellular_costs_unless_somebody_says_otherwise() -> None:
    house = House(wwan1=LinkSection(metered=False), sat=LinkSection(interface="eth1", kind="satellite"))
    wwan = [an_interface(f"wwan{number}", number, f"10.{number}.0.2") for number in (1, 2)]
    house.links.found([an_interface("eth0", 3, "10.3.0.2"), an_interface("eth1", 4, "10.4.0.2"), *wwan])
    assert {link.name for link in house.links.view() if link.metered} == {"sat", "wwan2"}


def test_it_is_calm_while_only_what_is_told_changes_something(house: House) -> None:
    links, stirred = house.links, list[float]()
    links.on_stir = lambda: stirred.append(house.now)
    links.found([an_interface("eth0"), an_interface("eth1", 2, "10.1.0.2")])
    assert links.calm and not links.counting and len(stirred) == 1
    links.found([an_interface("eth0"), an_interface("eth1", 2, "10.1.0.2")])
    assert len(stirred) == 1, "nothing new"
    links.passed("eth0", 0.05)
    links.passed("eth1", 0.05)
    del stirred[:]
    for rtt_s in (0.05, 0.06, 0.07):
        links.passed("eth0", rtt_s)
    assert not stirred, "as before"
    for _ in range(40):
        links.passed("eth0", 0.9)
    assert len(stirred) == 2, "a longer way, and one as by a satellite"
    links.update()
    assert not links.calm, "another is better and waits to take over"
    house.run(12.0)
    assert links.calm
    links.passed("eth1", 0.05)
    del stirred[:]
    links.silent("eth0")
    assert stirred and house.link("eth0").phase is LinkPhase.DOWN and not links.calm
    del stirred[:]
    links.passed("eth0", 0.05)
    assert stirred and not links.calm, "it proves itself"
    house.run(30.0)
    assert house.link("eth0").phase is LinkPhase.UP and links.calm
    del stirred[:]
    with links.offer("modem1", BearerKind.LTE) as seat:
        assert len(stirred) == 1
        seat.tell(UP)
        assert len(stirred) == 2 and links.calm
    assert len(stirred) == 3
    links.config_changed()
    assert len(stirred) == 4


def test_traffic_is_counted_closely_where_it_decides() -> None:
    house = House(eth0=LinkSection(quota="1GB"))
    assert not house.links.counting
    house.links.found([an_interface("eth0")])
    assert house.links.counting and not house.links.calm, "a quota may be spent any moment"
    house = House(eth0=LinkSection(metered=True))
    house.links.found([an_interface("eth0")])
    assert not house.links.counting
    house.probed("eth0")
    house.links.update()
    assert house.links.counting, "how often it is asked follows its traffic"
