"""Who may call whom: proof, rights, caps, identities; and that no number which nobody allowed is ever called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapters.sip.routing_rights import Caps
from adapters.sip.trunk_status import TrunkState
from gateway.base.day_budget import DayBudget
from gateway.base.errors import Busy, Denied, LinkDown, NotFound
from gateway.base.moment import Moment
from gateway.model.principal import SYSTEM, Principal, Role
from tests.unit.sip.house import PASSWORD, House, house, phone
from tests.unit.sip.server import center
from tests.unit.sip.test_trunk import trunk

PERSON = Principal("chen", Role.OPERATOR, "01J")
ELSEWHERE = "127.0.0.2"
WATCHER = Principal("li", Role.VIEWER, "01K")


async def origin(at: House) -> Any:
    return await at.origins.get()


# — softphones —


async def test_a_registered_phone_calls_a_group_a_channel_and_another_phone(tmp_path: Path) -> None:
    given = {"numbers": {"8100": "ball-1/ch1"}}
    async with house(tmp_path, given) as at, phone(at) as one:
        await one.register()
        seen = []
        for number in ("600", "8100", "8002", "ball-1/ch1"):
            assert await one.invite(number) == 486, "the calls behind the routing say so"
            found = await origin(at)
            assert (found.name, found.number, found.display, found.trunk) == ("8001", "8001", "Wang", "")
            assert found.principal.name == "sip:8001" and found.principal.role is Role.OPERATOR
            seen.append((found.target.kind, found.target.ref))
        assert seen == [
            ("group", "kit1/talk/ops"),
            ("channel", "kit1/ball-1/ch1"),
            ("number", "8002"),
            ("channel", "kit1/ball-1/ch1"),
        ]
        assert at.desk.caps.total == 0


async def test_a_call_must_be_proven_even_from_a_registered_phone(tmp_path: Path) -> None:
    async with house(tmp_path) as at, phone(at) as one, phone(at, password="wrong one") as wrong:
        await one.register()
        bare = await one.endpoint.invite(one.request("INVITE", "sip:600@127.0.0.1"), one.hop)
        with pytest.raises(Exception, match="401"):
            await bare.answered(5)
        assert await wrong.invite("600") == 403
        assert at.origins.empty()
        assert at.context.devices.knocks == [("127.0.0.1", "sip-wrong-password", "INVITE as 8001")]


@pytest.mark.parametrize("number", ["00442071234567", "+8613800000000", "900", "7", "110"])
async def test_toll_fraud_is_refused_and_logged(tmp_path: Path, number: str, caplog: pytest.LogCaptureFixture) -> None:
    """A stolen softphone account phones nowhere: outside numbers need a word of the technician."""
    async with center() as server:
        given = trunk(server)
        given["routes"] = [{"pattern": ".", "trunks": ["center"]}]
        async with house(tmp_path, given) as at, phone(at, host=ELSEWHERE) as one:
            await at.until(lambda: at.trunk().status.state is TrunkState.UP)
            assert await one.invite(number) == 403
            assert at.origins.empty() and server.calls.empty()
            assert "number-denied" in caplog.text and "user:8001" in caplog.text


async def test_a_phone_that_tries_number_after_number_is_an_offender(tmp_path: Path) -> None:
    given = {"guard": {"ban_after": 3, "slow_most": "0s"}}
    async with house(tmp_path, given) as at, phone(at) as one:
        assert [await one.invite(f"0044{n}") for n in range(2)] == [404, 404]
        assert at.gateway.guard.offence("127.0.0.1", _forbidden(), 0.0) >= 0.0
        assert at.gateway.figures()["refused"] >= 2


def _forbidden() -> Any:
    from adapters.sip.guard import Offence

    return Offence.FORBIDDEN


async def test_what_a_user_may_call_is_said_by_words(tmp_path: Path) -> None:
    users = {
        "8001": {"password": PASSWORD, "calls": ["channels"]},
        "8002": {"password": PASSWORD, "calls": ["groups", "number:0044."]},
    }
    async with center() as server:
        given = {**trunk(server), "users": users, "numbers": {"8100": "ball-1/ch1"}}
        given["routes"] = [{"pattern": "00.", "trunks": ["center"]}]
        async with (
            house(tmp_path, given) as at,
            phone(at, host=ELSEWHERE) as one,
            phone(at, "8002", host=ELSEWHERE) as two,
        ):
            assert [await one.invite(n) for n in ("600", "8002", "00441", "8100")] == [403, 403, 403, 486]
            assert [await two.invite(n) for n in ("8100", "00491", "00441", "600")] == [403, 403, 486, 486]


async def test_a_group_may_name_its_callers(tmp_path: Path) -> None:
    async with (
        house(tmp_path, {"group_callers": {"ops": ["user:8002"]}}) as at,
        phone(at) as one,
        phone(at, "8002") as two,
    ):
        assert (await one.invite("600"), await two.invite("600")) == (403, 486)


async def test_a_users_calls_are_bounded_and_places_come_back(tmp_path: Path) -> None:
    users = {"8001": {"password": PASSWORD, "max_calls": 1}}
    async with house(tmp_path, {"users": users, "emergency": ["600"]}) as at, phone(at) as one:
        at.manager.keep = True
        await one.invite("talk/ops")
        first = await origin(at)
        assert at.desk.caps.held("user:8001") == 1
        assert await one.invite("talk/ops") == 486 and at.origins.empty()
        await one.invite("600")
        emergency = await origin(at)
        assert emergency.emergency, "over every cap"
        for one_of in (first, first, emergency):
            one_of.ended()
        assert at.desk.caps.total == 0


async def test_priority_emergency_is_believed_of_the_kits_own_phones(tmp_path: Path) -> None:
    async with house(tmp_path) as at, phone(at) as one:
        await one.invite("600", [("Priority", "emergency")])
        assert (await origin(at)).emergency


# — ways out —


async def test_ways_to_a_users_phones(tmp_path: Path) -> None:
    async with house(tmp_path) as at, phone(at, "8002") as one, phone(at, "8002", transport="tcp") as two:
        with pytest.raises(LinkDown) as raised:
            at.desk.outgoing(PERSON, "8002")
        assert raised.value.code == "phone-offline"
        await one.register()
        await two.register()
        routes = at.desk.outgoing(PERSON, "8002")
        assert [r.hop.transport for r in routes] == ["tcp", "udp"], "the phone heard last first"
        assert routes[0].uri.startswith("sip:8002@") and routes[0].trunk == "" and routes[0].name == "8002"
        assert routes[0].hop.flow and at.desk.caps.total == 1
        for route in routes:
            route.ended()
        assert at.desk.caps.total == 0


async def test_who_may_call_out(tmp_path: Path) -> None:
    async with center() as server, house(tmp_path, {**trunk(server), "people": ["users"]}) as at:
        await at.until(lambda: at.trunk().status.state is TrunkState.UP)
        for who in (
            PERSON,
            WATCHER,
            Principal("sip:8001", Role.OPERATOR, "sip:x"),
            Principal("trunk:center", Role.OPERATOR, "sip:y"),
        ):
            with pytest.raises(Denied):
                at.desk.outgoing(who, "9123")
        with pytest.raises(Denied):
            at.desk.outgoing(Principal("sip:8001", Role.OPERATOR, "a web session"), "9123")
        (route,) = at.desk.outgoing(SYSTEM, "9123")
        assert route.uri == f"sip:123@127.0.0.1:{server.port}" and route.credentials is not None
        assert route.from_uri == "sip:6001@127.0.0.1" and route.contact_user == "6001"
        route.ended()
        with pytest.raises(NotFound):
            at.desk.outgoing(SYSTEM, "600")
        assert at.desk.lookup(SYSTEM, "600").ref == "kit1/talk/ops"


async def test_a_group_and_a_channel_call_in_the_name_of_their_account(tmp_path: Path) -> None:
    accounts = [
        {"user": "6001", "password": "center password", "target": "console"},
        {"user": "6002", "password": "center password", "target": "600", "name": "Operations"},
        {"user": "6003", "password": "center password", "target": "listen:ball-1/ch1"},
        {"user": "6004", "password": "center password", "target": "user:8001"},
        {"user": "6005", "password": "center password", "target": "nothing there"},
    ]
    async with center() as server, house(tmp_path, trunk(server, accounts=accounts)) as at:
        await at.until(lambda: all(one.registered for one in at.trunk().accounts))
        for who, on_behalf, user, display in (
            (SYSTEM, "kit1/talk/ops", "6002", "Operations"),
            (PERSON, "kit1/talk/ops", "6002", "Operations"),
            (SYSTEM, "kit1/ball-1/ch1", "6003", "Fieldgate"),
            (SYSTEM, "kit1/talk/call-7", "6001", "Fieldgate"),
            (SYSTEM, "", "6001", "Fieldgate"),
        ):
            (route,) = at.desk.outgoing(who, "9123", on_behalf)
            assert (route.from_uri, route.from_display) == (f"sip:{user}@127.0.0.1", display), on_behalf
            assert route.contact_user == user and route.credentials is not None
            route.ended()


async def test_where_refer_to_leads(tmp_path: Path) -> None:
    """A phone comes through us again; a trunk's peer gets an address its own server knows; nobody a raw Contact."""
    accounts = [
        {"user": "6001", "password": "center password", "target": "talk/ops"},
        {"user": "6004", "password": "center password", "target": "user:8001"},
    ]
    plan = {"numbers": {"8100": "ball-1/ch1", "8101": "ball-2/ch1", "0": "console"}}
    async with center() as server:
        given = {**trunk(server, accounts=accounts, domain="center.test", numbers=["8100"]), **plan}
        async with house(tmp_path, given) as at:
            refer_to = at.desk.refer_to
            assert [refer_to(SYSTEM, n) for n in ("600", "8100", "0", "8002", "9 123", "ball-1/ch1")] == [
                "sip:600",
                "sip:8100",
                "sip:0",
                "sip:8002",
                "sip:9123",
                "sip:ball-1/ch1",
            ]
            assert [refer_to(SYSTEM, n, "center") for n in ("600", "8001", "8100", "9123")] == [
                "sip:6001@center.test",
                "sip:6004@center.test",
                "sip:8100",
                "sip:123@center.test",
            ]
            for number in ("8101", "8002", "0"):
                with pytest.raises(NotFound) as raised:
                    refer_to(SYSTEM, number, "center")
                assert raised.value.code == "no-route"
            assert [at.desk.lookup(SYSTEM, n).kind for n in ("600", "8100", "0", "8002", "9123")] == [
                "group",
                "channel",
                "console",
                "number",
                "number",
            ]
            with pytest.raises(Denied):
                refer_to(WATCHER, "600")
            with pytest.raises(NotFound):
                refer_to(SYSTEM, "777")
            assert at.desk.caps.total == 0


@pytest.mark.parametrize("registered", [True, False])
async def test_a_softphone_on_the_host_of_the_trunks_server_is_itself(tmp_path: Path, registered: bool) -> None:
    async with center() as server, house(tmp_path, trunk(server)) as at, phone(at) as one:
        await at.until(lambda: at.trunk().status.state is TrunkState.UP)
        bare = await one.endpoint.invite(one.request("INVITE", "sip:600@127.0.0.1"), one.hop)
        with pytest.raises(Exception, match="403"):
            await bare.answered(5)  # nothing tells it from the server yet
        await one.register()
        headers = []
        if not registered:
            await one.register(0)
            proof = one.digest.again("INVITE", "sip:600@127.0.0.1")  # to the challenge that it had before
            headers = [("Authorization", str(proof))]
        assert await one.invite("600", headers) == 486
        assert (await origin(at)).name == "8001"
        assert await server.invite(server.hops["6001"], "6001") == 486
        assert (await origin(at)).name == "center"


async def test_a_trunks_cap_counts_both_directions(tmp_path: Path) -> None:
    async with center() as server, house(tmp_path, trunk(server, max_calls=1)) as at:
        await at.until(lambda: at.trunk().status.state is TrunkState.UP)
        (route,) = at.desk.outgoing(SYSTEM, "9123")
        assert await server.invite(server.hops["6001"], "6001") == 486 and at.origins.empty()
        with pytest.raises(Busy) as raised:
            at.desk.outgoing(SYSTEM, "9123")
        assert raised.value.code == "trunk-full"
        route.ended()
        assert at.desk.caps.total == 0


def test_the_whole_is_bounded_too_and_a_place_is_given_back_once() -> None:
    caps = Caps(2)
    first = caps.take("user:a", 5)
    caps.take("trunk:b", 5)
    with pytest.raises(Busy) as raised:
        caps.take("user:c", 5)
    assert raised.value.code == "too-many-calls"
    first()
    first()
    assert (caps.total, caps.held("user:a"), caps.held("trunk:b")) == (1, 0, 1)


# — trunks in —


def static(server: Any, **given: Any) -> dict[str, Any]:
    given = {"mode": "static", "accounts": [], "numbers": ["6XX", "8100"], **given}
    return {**trunk(server, **given), "numbers": {"8100": "ball-1/ch1", "699": "talk/ops"}}


async def test_a_trunk_reaches_only_the_numbers_that_are_listed(tmp_path: Path) -> None:
    async with center() as server, house(tmp_path, static(server)) as at:
        hop = await server.endpoint.hop_to("udp", at.address())
        assert [await server.invite(hop, n) for n in ("600", "8100")] == [486, 486]
        assert [(await origin(at)).target.ref for _ in range(2)] == ["kit1/talk/ops", "kit1/ball-1/ch1"]
        assert [await server.invite(hop, n) for n in ("8001", "9123", "00441", "talk/ops")] == [403] * 4
        assert at.origins.empty()


async def test_no_transit_unless_it_is_meant(tmp_path: Path) -> None:
    """A caller from the trunk can not phone out by the trunk, whatever its number list says."""
    async with center() as server:
        given = static(server, numbers=["."])
        async with house(tmp_path, given) as at:
            await at.until(lambda: at.trunk().status.state is TrunkState.UP)
            hop = await server.endpoint.hop_to("udp", at.address())
            assert await server.invite(hop, "9123") == 403


async def test_transit_that_is_meant_says_who_was_called_first(tmp_path: Path) -> None:
    meant = {"numbers": ["."], "calls": ["trunk:center"], "trusted": True}
    async with center() as server, house(tmp_path, static(server, **meant)) as at:
        at.manager.keep = True
        await at.until(lambda: at.trunk().status.state is TrunkState.UP)
        hop = await server.endpoint.hop_to("udp", at.address())
        assert await server.invite(hop, "9123") == 486
        found = await origin(at)
        assert (found.target.kind, found.target.ref) == ("number", "9123")
        (route,) = at.desk.outgoing(found.principal, found.target.ref)
        assert dict(route.headers)["Diversion"] == "<sip:9123@127.0.0.1>;reason=unconditional"
        route.ended()
        found.ended()


async def test_identities_are_believed_of_a_trusted_trunk_only(tmp_path: Path) -> None:
    headers = [
        ("P-Asserted-Identity", '"Duty officer" <sip:01012345678@ims.example>, <tel:+861012345678>'),
        ("Diversion", "<tel:010-8888-0000>;reason=no-answer"),
    ]
    for trusted, number, name, diversion in (
        (True, "+861012345678", "Duty officer", "+861088880000"),
        (False, "4000", "Center", ""),
    ):
        async with center() as server, house(tmp_path, static(server, trusted=trusted, country="86")) as at:
            hop = await server.endpoint.hop_to("udp", at.address())
            await server.invite(hop, "600", headers)
            found = await origin(at)
            assert (found.number, found.display, found.diversion) == (number, name, diversion)


async def test_our_identity_goes_to_a_trusted_trunk_only(tmp_path: Path) -> None:
    for trusted in (True, False):
        given = {"trusted": trusted, "caller_id": "01066660000", "rewrite_out": [{"pattern": "1X.", "prepend": "010"}]}
        async with center() as server, house(tmp_path, static(server, **given)) as at:
            await at.until(lambda: at.trunk().status.state is TrunkState.UP)
            (route,) = at.desk.outgoing(PERSON, "9123")
            assert route.uri == f"sip:010123@127.0.0.1:{server.port}" and route.credentials is None
            assert route.from_uri == "sip:01066660000@127.0.0.1"
            said = dict(route.headers).get("P-Asserted-Identity", "")
            assert said == ('"chen" <sip:01066660000@127.0.0.1>' if trusted else "")
            route.ended()


async def test_called_numbers_are_normalised(tmp_path: Path) -> None:
    given = {"country": "86", "numbers": ["+861066660600"], "rewrite_in": []}
    async with center() as server:
        made = static(server, **given)
        made["numbers"]["+861066660600"] = "talk/ops"
        async with house(tmp_path, made) as at:
            hop = await server.endpoint.hop_to("udp", at.address())
            for number in ("01066660600", "00861066660600", "+861066660600", "010-6666-0600"):
                assert await server.invite(hop, number) == 486
                assert (await origin(at)).dialled == "+861066660600"


async def test_a_call_from_the_trunks_address_by_another_transport_is_not_the_trunks(tmp_path: Path) -> None:
    """A trunk over TLS or TCP can not be forged by a datagram."""
    async with center() as forger, house(tmp_path, static("tcp:127.0.0.1:9")) as at:
        hop = await forger.endpoint.hop_to("udp", at.address())
        assert await forger.invite(hop, "600") == 401 and at.origins.empty()


async def test_sources_beside_the_servers(tmp_path: Path) -> None:
    given = static("udp:192.0.2.1:5060", sources=["127.0.0.0/8"])
    async with center() as server, house(tmp_path, given) as at:
        hop = await server.endpoint.hop_to("udp", at.address())
        assert await server.invite(hop, "600") == 486


@pytest.mark.parametrize(
    "header",
    [
        ("P-Asserted-Identity", "nonsense <"),
        ("P-Asserted-Identity", "<http://x>"),
        ("P-Asserted-Identity", ""),
        ("Diversion", '"open <sip:x'),
    ],
)
async def test_identities_that_can_not_be_read_are_none(tmp_path: Path, header: tuple[str, str]) -> None:
    async with center() as server, house(tmp_path, static(server, trusted=True)) as at:
        hop = await server.endpoint.hop_to("udp", at.address())
        assert await server.invite(hop, "600", [header]) == 486
        found = await origin(at)
        assert found.diversion == "" and found.number in ("4000", "anonymous")


def test_a_trunk_with_a_budget_has_an_end_within_a_day() -> None:
    now = [0.0]
    budget = DayBudget(lambda: Moment("boot", now[0], 0.0))
    caps = Caps(8, {"trunk:sat": budget})
    end = caps.take("trunk:sat", 1, budget_s=600)
    now[0] = 700.0
    with pytest.raises(Busy) as refused:
        caps.take("trunk:sat", 2, budget_s=600)
    assert refused.value.code == "trunk-budget"  # the one that stands is not cut off, and counts
    end()
    now[0] = 80_000.0
    with pytest.raises(Busy):
        caps.take("trunk:sat", 1, budget_s=600)
    caps.take("trunk:sat", 1, over=True, budget_s=600)()
    now[0] = 86_400.0 + 650
    assert caps.used_s("trunk:sat") == 50.0
    caps.take("trunk:sat", 1, budget_s=600)()
