"""Softphones register: digest by user, bindings, flows; and who is refused."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from adapters.sip.guard import Offence
from adapters.sip.registrar import Location
from adapters.sip.users import Users
from gateway.base.errors import LinkDown
from gateway.net.sip import Listen, SipEndpoint
from gateway.wire.digest import Challenge
from gateway.wire.sip import Hop, new_request
from tests.unit.sip.house import PASSWORD, Phone, config, house, phone


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_phone_registers_is_found_and_signs_off(tmp_path: Path, transport: str) -> None:
    async with house(tmp_path) as at, phone(at, transport=transport) as one:
        answer = await one.register(300)
        assert answer.status == 200
        assert answer.contact is not None and int(answer.contact.param("expires") or 0) in (299, 300)
        (binding,) = at.gateway.location.of("8001", at.gateway.clock.monotonic())
        assert binding.hop.remote[0] == "127.0.0.1" and binding.hop.transport == transport
        assert (await one.register(0)).status == 200
        assert len(at.gateway.location) == 0
        assert at.context.devices.knocks == []


async def test_sha_256_is_offered_first_and_md5_too(tmp_path: Path) -> None:
    async with house(tmp_path) as at, phone(at) as one:
        assert await offered(one) == ["SHA-256", "MD5"]
        assert await offered(one) == ["MD5"], "it did not answer: a phone from before RFC 8760"
        assert (await one.register()).status == 200
        assert await offered(one) == ["SHA-256", "MD5"]


async def offered(one: Phone) -> list[str]:
    answer = await one.endpoint.request(one.request("REGISTER"), one.hop)
    assert answer.status == 401
    return [Challenge.parse(line).algorithm for line in answer.headers.all("WWW-Authenticate")]


async def test_phones_that_are_known_to_fail_at_two_hashes_are_asked_by_one(tmp_path: Path) -> None:
    async with house(tmp_path) as at, SipEndpoint([Listen("udp", "127.0.0.1", 0)], product="baresip v1.0.0 (x)") as old:
        one = Phone(old, await old.hop_to("udp", at.address()), "8001", PASSWORD)
        assert await offered(one) == ["MD5"]
    async with house(tmp_path, {"digests": ["SHA-256"]}) as at, phone(at) as one:
        assert [await offered(one) for _ in range(2)] == [["SHA-256"]] * 2


async def test_wrong_password_and_unknown_user_are_refused_alike_and_told(tmp_path: Path) -> None:
    async with (
        house(tmp_path) as at,
        phone(at, password="wrong horse") as wrong,
        phone(at, "nobody", "wrong horse") as unknown,
    ):
        first, second = await wrong.register(), await unknown.register()
        assert (first.status, first.reason) == (second.status, second.reason) == (403, "Forbidden")
        assert len(at.gateway.location) == 0
        assert [code for _, code, _ in at.context.devices.knocks] == ["sip-wrong-password"] * 2


async def test_nobody_registers_for_another(tmp_path: Path) -> None:
    """8001's right password does not bind 8002."""
    async with house(tmp_path) as at, phone(at) as one:
        one.user = "8002"
        assert (await one.register()).status == 403
        assert len(at.gateway.location) == 0


async def test_an_answer_that_was_used_before_is_asked_anew(tmp_path: Path) -> None:
    async with house(tmp_path) as at, phone(at) as one:
        request = one.request("REGISTER", headers=[("Expires", "300")])
        challenge = one.digest.choose((await one.endpoint.request(request, one.hop)).headers.all("WWW-Authenticate"))
        assert challenge is not None
        written = str(one.digest.answer(challenge, "REGISTER", request.uri))

        def replayed() -> object:
            again = one.request("REGISTER", headers=[("Expires", "300"), ("Authorization", written)])
            return one.endpoint.request(again, one.hop)

        assert (await replayed()).status == 200  # type: ignore[misc]
        second = await replayed()  # type: ignore[misc]
        assert second.status == 401 and "stale=true" in (second.headers.get("WWW-Authenticate") or "")
        assert ("127.0.0.1", "sip-replay", "REGISTER as 8001") in at.context.devices.knocks


async def test_a_flow_that_closes_takes_its_phone_along(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        async with phone(at, transport="tcp") as one:
            assert (await one.register()).status == 200
        await at.until(lambda: len(at.gateway.location) == 0)


async def test_registrations_are_bounded_in_time_and_number(tmp_path: Path) -> None:
    async with house(tmp_path, {"max_bindings": 2}) as at, phone(at) as one, phone(at) as two, phone(at) as three:
        short = await one.register(10)
        assert short.status == 423 and short.headers.get("Min-Expires") == "60"
        assert (await one.register(10**6)).contact.param("expires") in ("3600", "3599")  # type: ignore[union-attr]
        await two.register()
        await three.register()
        ports = {b.hop.remote[1] for b in at.gateway.location.of("8001", at.gateway.clock.monotonic())}
        assert ports == {two.hop.local[1], three.hop.local[1]}, "the oldest phone gave way"


async def test_a_user_added_while_it_runs_may_register_and_one_removed_may_not(tmp_path: Path) -> None:
    async with house(tmp_path, {"users": {}}) as at, phone(at, "anna") as one:
        assert (await one.register()).status == 403
        body = b'{"name": "anna", "password": "' + PASSWORD.encode() + b'", "number": "8009"}'
        assert (await at.context.http.ask("POST", "/sip/users", body)).status == 201
        assert (await one.register()).status == 200
        assert (await at.context.http.ask("DELETE", "/sip/users/{name}", name="anna")).status == 204
        assert len(at.gateway.location) == 0
        assert (await one.register()).status == 403


async def test_a_password_changed_beside_the_daemon_signs_the_users_phones_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.sip.adapter.USERS_POLL_S", 0.02)
    prepared = Users(config(users={}), tmp_path)
    prepared.add("anna", PASSWORD)
    async with house(tmp_path, {"users": {}}) as at, phone(at, "anna") as one:
        assert (await one.register()).status == 200
        prepared.add("anna", "another password")
        await at.until(lambda: len(at.gateway.location) == 0)
        assert (await one.register()).status == 403


async def test_without_a_trunk_own_addresses_are_compared_when_the_kernel_tells_of_a_change(tmp_path: Path) -> None:
    async with house(tmp_path, {"address_poll": "50ms"}) as at:
        await at.until(lambda: at.context.links.heard)
        at.context.own[:] = ["127.0.0.2"]
        at.context.links.news()
        await at.until(lambda: at.manager.moves == 1)  # much sooner than it is looked at by the clock alone


async def test_two_users_of_one_connection_go_one_by_one(tmp_path: Path) -> None:
    async with house(tmp_path) as at, phone(at, transport="tcp") as one:
        other = Phone(one.endpoint, one.hop, "8002", PASSWORD)
        assert [(await p.register()).status for p in (one, other)] == [200, 200]
        await one.register(0)
        for _ in range(20):
            at.gateway.guard.offence("127.0.0.1", Offence.PASSWORD, at.gateway.clock.monotonic())
        assert at.gateway.guard.bans == 0, "8002 still lives there"


async def test_strangers_outside_of_the_networks_get_nothing(tmp_path: Path) -> None:
    async with house(tmp_path, {"networks": ["10.0.0.0/8"]}) as at, phone(at) as one:
        request = one.request("REGISTER")
        with pytest.raises(LinkDown):
            await one.endpoint.request(request, one.hop, timeout=0.5)


async def test_a_registration_that_runs_out_is_forgotten(tmp_path: Path) -> None:
    async with house(tmp_path) as at, phone(at) as one:
        location = Location(least_s=60, most_s=3600, max_bindings=4)
        request = one.request("REGISTER", headers=[("Expires", "60")])
        hop = Hop("udp", ("127.0.0.1", 5070), ("127.0.0.1", 4000))
        assert location.register("8001", request, hop, 100.0).ok
        assert location.of("8001", 159.0) and not location.of("8001", 160.0)
        assert [gone.user for gone in location.expire(161.0)] == ["8001"] and len(location) == 0
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("contacts", "expires", "status"),
    [
        (["*"], "60", 400),
        (["*", "<sip:8001@10.0.0.1>"], "0", 400),
        (["*"], "0", 200),
        (["<sip:8001@10.0.0.1>", "<sip:8001@10.0.0.2>;expires=120"], "600", 200),
        (["<sip:8001@10.0.0.1>;expires=5"], "600", 423),
        (["<sip:8001@10.0.0.1>;expires=99999999999999"], "600", 200),
        (["<sip:8001@10.0.0.1>;expires=-1"], "600", 200),
        (["<tel:8001>"], "600", 400),
        (["<sip:8001@" + "a" * 600 + ">"], "600", 400),
        ([f"<sip:8001@10.0.0.{n}>" for n in range(9)], "600", 400),
        ([], "600", 200),
    ],
)
def test_contacts_of_every_kind(contacts: list[str], expires: str, status: int) -> None:
    location = Location(least_s=60, most_s=3600, max_bindings=4)
    lines = [*(("Contact", one) for one in contacts), ("Expires", expires)]
    request = new_request("REGISTER", "sip:kit", from_="sip:8001@kit", headers=lines)
    outcome = location.register("8001", request, Hop("udp", ("10.0.0.9", 5070), ("10.0.0.1", 4000)), 0.0)
    assert outcome.status == status, outcome
    assert len(location) == (len(contacts) if status == 200 and expires != "0" else 0)


def test_a_register_that_was_overtaken_changes_nothing() -> None:
    location = Location(least_s=60, most_s=3600, max_bindings=4)
    hop = Hop("udp", ("10.0.0.9", 5070), ("10.0.0.1", 4000))

    def register(cseq: int, expires: int) -> int:
        lines = [("Contact", "<sip:8001@10.0.0.1>"), ("Expires", str(expires))]
        request = new_request("REGISTER", "sip:kit", from_="sip:8001@kit", call_id="a", cseq=cseq, headers=lines)
        return location.register("8001", request, hop, 0.0).status

    assert [register(2, 600), register(1, 0), register(2, 0)] == [200, 500, 500] and len(location) == 1
    assert register(3, 0) == 200 and len(location) == 0
