"""Guessing, flooding and scanning: slowed, banned, told; and never those who live there."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from adapters.sip.config import GuardConfig
from adapters.sip.guard import LENIENT_EVERY_S, Ban, Guard, Offence
from gateway.wire.sip import Hop, SipRequest, new_request
from tests.unit.sip.house import PASSWORD, house, phone

US = ("10.0.0.1", 5070)


def hop(host: str, port: int = 4000, flow: int = 0) -> Hop:
    return Hop("tcp" if flow else "udp", US, (host, port), flow)


def request(method: str = "REGISTER", agent: str = "Linphone/5.2") -> SipRequest:
    return new_request(method, "sip:10.0.0.1", from_="sip:8001@10.0.0.1", headers=[("User-Agent", agent)])


def guard(bans: list[Ban] | None = None, **given: Any) -> Guard:
    told: list[Ban] = [] if bans is None else bans
    return Guard(GuardConfig.model_validate({"ban_after": 4, **given}), told.append)


def test_guessing_is_slowed_then_banned_and_each_ban_is_twice_as_long() -> None:
    told: list[Ban] = []
    one = guard(told)
    late = [one.offence("10.0.0.9", Offence.PASSWORD, 0.0) for _ in range(4)]
    assert late == sorted(late) and late[0] == 0.25 and late[-1] == 2.0, "each answer comes later"
    assert not one.lets_in("10.0.0.9", 1.0) and one.lets_in("10.0.0.8", 1.0)
    assert one.lets_in("10.0.0.9", 61.0), "a minute later it is over"
    for _ in range(4):
        one.offence("10.0.0.9", Offence.PASSWORD, 61.0)
    assert [(ban.source, ban.code, ban.seconds, ban.count) for ban in told] == [
        ("10.0.0.9", "sip-wrong-password", 60.0, 1),
        ("10.0.0.9", "sip-wrong-password", 120.0, 2),
    ]
    assert one.dropped == 1 and list(one.banned(62.0)) == ["10.0.0.9"]
    assert one.pardon("10.0.0.9") and one.lets_in("10.0.0.9", 62.0) and not one.pardon("10.0.0.9")


def test_the_longest_ban_and_forgiveness_by_time() -> None:
    told: list[Ban] = []
    one = guard(told, ban_most="5m")
    now = 0.0
    for _ in range(12):
        for _ in range(4):
            one.offence("10.0.0.9", Offence.PASSWORD, now)
        now += 301.0
    assert {ban.seconds for ban in told[3:]} == {300.0}
    quiet = guard()
    for at in (0.0, 100.0, 200.0, 900.0):
        quiet.offence("10.0.0.9", Offence.PASSWORD, at)
    assert quiet.lets_in("10.0.0.9", 901.0), "three mistakes an hour are a person's"


def test_a_source_where_somebody_lives_is_never_banned() -> None:
    """A phone behind the same NAT: its flow goes on, and guesses from beside it are let through only now and then."""
    one = guard()
    living = hop("10.0.0.9", 5060)
    one.proven(living, 0.0)
    for _ in range(20):
        one.offence("10.0.0.9", Offence.PASSWORD, 1.0)
    assert one.banned(1.0) == {} and one.lets_in(living.remote[0], 1.0) and one.screens(request(), living, 1.0)
    guess = hop("10.0.0.9", 6666)
    assert [one.screens(request(), guess, at) for at in (10.0, 10.1, 12.0, 10.0 + LENIENT_EVERY_S)] == [
        True,
        False,
        False,
        True,
    ]
    one.gone(living)
    one.offence("10.0.0.9", Offence.PASSWORD, 20.0)
    assert not one.lets_in(living.remote[0], 21.0), "once it left, the source is like any other"


def test_a_trunks_server_is_never_banned() -> None:
    """Anybody can forge a datagram from there."""
    one = Guard(GuardConfig(ban_after=2), exempt=lambda host: host == "10.0.0.5")
    for _ in range(50):
        one.offence("10.0.0.5", Offence.PASSWORD, 0.0)
    assert one.lets_in("10.0.0.5", 1.0)


@pytest.mark.parametrize("agent", ["friendly-scanner", "sipvicious 0.3", "SIPCLI/1.8", "Sundayddr"])
def test_scanners_are_dropped_at_their_first_word(agent: str) -> None:
    one = guard()
    assert not one.screens(request("OPTIONS", agent), hop("10.0.0.9", flow=3), 0.0)
    assert not one.lets_in("10.0.0.9", 1.0)
    assert one.screens(request("OPTIONS"), hop("10.0.0.8"), 0.0)


def test_a_forged_datagram_bans_nobody() -> None:
    """Its source address is whatever the sender wrote there: a phone of ours, say."""
    one = guard()
    for _ in range(50):
        assert not one.screens(request("OPTIONS", "friendly-scanner"), hop("10.0.0.9"), 0.0)
    assert one.lets_in("10.0.0.9", 1.0) and one.bans == 0 and one.dropped == 50
    assert one.screens(request("REGISTER"), hop("10.0.0.9"), 1.0)


def test_rates_of_register_and_invite_are_apart() -> None:
    one = guard(registers_per_s=1.0, invites_per_s=1.0)
    assert sum(one.spends("REGISTER", hop("10.0.0.9"), 0.0) for _ in range(30)) <= 10
    assert one.banned(0.5), "a flood is an offence"
    other = guard(registers_per_s=1.0)
    assert all(other.spends("REGISTER", hop("10.0.0.9"), float(at)) for at in range(100)), "one a second is fine"


def test_the_table_is_bounded_and_bans_outlive_newcomers() -> None:
    one = guard(max_sources=64)
    for _ in range(4):
        one.offence("10.0.0.9", Offence.PASSWORD, 0.0)
    for number in range(500):
        one.offence(f"10.1.{number // 250}.{number % 250}", Offence.STRANGER, 1.0)
    assert len(one) <= 64 and not one.lets_in("10.0.0.9", 2.0)


def test_an_ipv6_host_is_one_source_by_its_64() -> None:
    one = guard()
    for number in range(20):
        one.offence(f"2001:db8:0:1::{number:x}", Offence.PASSWORD, 0.0)
    assert not one.lets_in("2001:db8:0:1:ffff::9", 1.0) and one.lets_in("2001:db8:0:2::7", 1.0)


async def test_password_guessing_at_a_running_registrar_ends_in_a_ban(tmp_path: Path) -> None:
    given = {"guard": {"ban_after": 3, "slow_most": "10ms", "ban_first": "1h"}}
    async with house(tmp_path, given) as at, phone(at, password="guess number one") as guesser:
        statuses = [(await guesser.register()).status for _ in range(3)]
        assert statuses == [403, 403, 403]
        assert list(at.gateway.guard.banned(at.gateway.clock.monotonic())) == ["127.0.0.1"]
        assert at.context.devices.knocks[-2][1:] == ("sip-wrong-password", "banned for 3600 s, the 1. time")
        assert at.gateway.figures()["bans"] == 1


async def test_a_guesser_beside_a_registered_phone_bans_nobody(tmp_path: Path) -> None:
    given = {"guard": {"ban_after": 3, "slow_most": "10ms"}}
    async with house(tmp_path, given) as at, phone(at) as good, phone(at, password="guess number one") as guesser:
        assert (await good.register()).status == 200
        for _ in range(3):
            await guesser.register()
        assert at.gateway.guard.banned(at.gateway.clock.monotonic()) == {}
        assert (await good.register()).status == 200
        assert (await good.invite("600")) == 486, "and its calls go through"


async def test_a_register_flood_is_cut_off(tmp_path: Path) -> None:
    given = {"guard": {"registers_per_s": 1.0, "ban_after": 5, "ban_first": "1h"}}
    async with house(tmp_path, given) as at, phone(at, transport="udp") as flooder:
        bare = [flooder.endpoint.request(flooder.request("REGISTER"), flooder.hop, timeout=1.0) for _ in range(40)]
        done = await asyncio.gather(*bare, return_exceptions=True)
        challenged = sum(getattr(one, "status", 0) == 401 for one in done)
        assert challenged <= 10 and at.gateway.guard.bans == 1
    assert PASSWORD
