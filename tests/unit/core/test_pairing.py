"""Pairing: codes at a kit, admission at a center, answers typed in or fetched; who may, what is refused in words."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from gateway.base.errors import Busy, Denied, GatewayError, LinkDown, NotFound, RemoteProtocolError, Unsupported
from gateway.config.root import Config, Gateway
from gateway.core.pairing import MOST_OFFERS, STANDS_S, Pairing
from gateway.model.pairing import OfferState
from gateway.model.principal import Principal, Role
from gateway.wire.paircode import CenterCode, read_kit, write_center
from tests.fakes.loop import advance, by_hand
from tests.unit.core.house import ADMIN, OPERATOR, TECHNICIAN, House, a_house, housed

CENTER = Config(gateway=Gateway(id="county", name="County", role="center"))


@asynccontextmanager
async def both(folder: Path) -> AsyncIterator[tuple[House, House]]:
    """A kit and a center."""
    (folder / "kit").mkdir()
    (folder / "center").mkdir()
    async with a_house(folder / "kit") as kit, a_house(folder / "center", CENTER) as center:
        yield kit, center


def asks(kit: House, center: House, *, shown: str = "", refuse: list[GatewayError] | None = None) -> list[str]:
    """The kit's questions reach the center; the paths that were asked."""
    paths: list[str] = []

    async def ask(host: str, port: int, path: str) -> tuple[int, bytes, str]:
        assert (host, port) == ("203.0.113.5", 9443)
        paths.append(path)
        if refuse:
            raise refuse.pop()
        try:
            answer = center.core.pairing.answer(path.rpartition("/")[2])
            return 200, json.dumps({"answer": answer}).encode(), shown
        except NotFound:
            return 404, b"", shown

    kit.core.pairing._ask = ask
    return paths


def test_by_hand(tmp_path: Path) -> None:
    @by_hand
    async def runs() -> None:
        async with both(tmp_path) as (kit, center):
            offer, code = await kit.core.pairing.offer(TECHNICIAN, role=Role.VIEWER, scope="kit1/ball-1")
            assert read_kit(code).key == kit.core.pairings.public_key()
            admitted, answer = await center.core.pairing.admit(ADMIN, code, name="County 7", hosts=["203.0.113.5"])
            assert (admitted.gateway, admitted.name) == ("kit1", "County 7")
            paired = await kit.core.pairing.accept(TECHNICIAN, answer)
            assert (paired.gateway, paired.hosts, paired.udp_port) == ("county", ("203.0.113.5",), 8444)
            assert (paired.role, paired.scope) == (Role.VIEWER, "kit1/ball-1")
            assert paired.key == center.core.pairings.public_key()
            assert kit.core.pairing.offered(TECHNICIAN, offer.id).state is OfferState.PAIRED
            (known,) = center.core.pairings.kits()
            assert known.key == kit.core.pairings.public_key()
            # Once: the answer is worth nothing now.
            with pytest.raises(Denied) as told:
                await kit.core.pairing.accept(TECHNICIAN, answer)
            assert told.value.code == "pair-foreign"

    runs()


def test_the_answer_is_fetched(tmp_path: Path) -> None:
    @by_hand
    async def runs() -> None:
        async with both(tmp_path) as (kit, center):
            paths = asks(kit, center, refuse=[LinkDown("no way", code="connect-timeout")])
            offer, code = await kit.core.pairing.offer(TECHNICIAN, center="https://203.0.113.5:9443/")
            await advance(0.1)
            assert kit.core.pairing.offered(TECHNICIAN, offer.id).code == "connect-timeout"
            await advance(3.0)
            assert kit.core.pairing.offered(TECHNICIAN, offer.id).code == "pair-waiting"
            await center.core.pairing.admit(ADMIN, code, hosts=["10.0.0.1"])
            while kit.core.pairing.offered(TECHNICIAN, offer.id).state is not OfferState.PAIRED:
                await advance(1.0)
            (paired,) = kit.core.pairings.centers()
            assert paired.hosts == ("203.0.113.5", "10.0.0.1")  # where it was reached goes first
            assert len(set(paths)) == 1 and read_kit(code).secret.hex() not in paths[0]
            assert len(paths) >= 3

    runs()


def test_one_in_between_is_told(tmp_path: Path) -> None:
    @by_hand
    async def runs() -> None:
        async with both(tmp_path) as (kit, _):

            async def ask(host: str, port: int, path: str) -> tuple[int, bytes, str]:
                return 200, json.dumps({"answer": forged}).encode(), ""

            kit.core.pairing._ask = ask
            forged = write_center(CenterCode("evil", "", b"e" * 32, ("192.0.2.6",), 8444, 8443), b"e" * 16)
            offer, _ = await kit.core.pairing.offer(TECHNICIAN, center="203.0.113.5")
            await advance(1.0)
            told = kit.core.pairing.offered(TECHNICIAN, offer.id)
            assert (told.state, told.code) == (OfferState.WAITING, "pair-intercepted")
            assert kit.core.pairings.centers() == []
            await advance(STANDS_S + 20)
            assert kit.core.pairing.offered(TECHNICIAN, offer.id).state is OfferState.ENDED

    runs()


@housed
async def test_codes_end(house: House) -> None:
    offer, code = await house.core.pairing.offer(TECHNICIAN)
    answer = write_center(CenterCode("county", "", b"c" * 32, ("h",), 8444, 8443), read_kit(code).secret)
    await advance(STANDS_S + 1)
    assert house.core.pairing.offered(TECHNICIAN, offer.id).state is OfferState.ENDED
    with pytest.raises(Denied):
        await house.core.pairing.accept(TECHNICIAN, answer)
    await advance(STANDS_S + 1)
    with pytest.raises(NotFound):
        house.core.pairing.offered(TECHNICIAN, offer.id)


@housed
async def test_codes_are_bounded(house: House) -> None:
    for _ in range(MOST_OFFERS):
        await house.core.pairing.offer(TECHNICIAN)
    with pytest.raises(Busy):
        await house.core.pairing.offer(TECHNICIAN)
    await advance(STANDS_S + 1)
    await house.core.pairing.offer(TECHNICIAN)


@housed
async def test_who_may(house: House) -> None:
    pairing = house.core.pairing
    with pytest.raises(Denied):
        await pairing.offer(OPERATOR)
    with pytest.raises(Denied):  # nobody gives away more than one has
        await pairing.offer(TECHNICIAN, role=Role.ADMINISTRATOR)
    with pytest.raises(Denied):
        await pairing.offer(TECHNICIAN, role=Role.AUDITOR)
    with pytest.raises(Denied):
        await pairing.offer(Principal("tom", Role.TECHNICIAN, "s", scope="kit1/ball-1"))
    with pytest.raises(Denied):
        await pairing.admit(TECHNICIAN, "fgp1:x")
    for wrong in ("a b", "host:port", "host:0", "[::1", "x" * 300):
        with pytest.raises(GatewayError):
            await pairing.offer(TECHNICIAN, center=wrong)
    assert pairing.centers(TECHNICIAN) == []


@housed
async def test_only_a_center_admits(house: House) -> None:
    _, code = await house.core.pairing.offer(ADMIN)
    with pytest.raises(Unsupported) as told:
        await house.core.pairing.admit(ADMIN, code)
    assert told.value.code == "pair-no-center"


def test_two_of_one_name_are_told(tmp_path: Path) -> None:
    @by_hand
    async def runs() -> None:
        config = Config(gateway=Gateway(id="kit1", role="center"))
        async with a_house(tmp_path, config) as house:
            _, code = await house.core.pairing.offer(ADMIN)
            with pytest.raises(Denied) as told:
                await house.core.pairing.admit(ADMIN, code)
            assert told.value.code == "duplicate-gateway"
            answer = write_center(CenterCode("kit1", "", b"c" * 32, ("h",), 8444, 8443), read_kit(code).secret)
            with pytest.raises(Denied) as told:
                await house.core.pairing.accept(ADMIN, answer)
            assert told.value.code == "duplicate-gateway"

    runs()


def test_taken_back(tmp_path: Path) -> None:
    @by_hand
    async def runs() -> None:
        async with both(tmp_path) as (kit, center):
            _, code = await kit.core.pairing.offer(TECHNICIAN)
            _, answer = await center.core.pairing.admit(ADMIN, code)
            await kit.core.pairing.accept(TECHNICIAN, answer)
            revoked = await center.core.pairing.revoke_kit(ADMIN, "kit1", "stolen")
            assert revoked.revoked_at is not None and revoked.detail == "stolen"
            # A new code of the same kit lets it in again.
            _, again = await kit.core.pairing.offer(TECHNICIAN)
            back, _ = await center.core.pairing.admit(ADMIN, again)
            assert back.revoked_at is None
            await center.core.pairing.forget_kit(ADMIN, "kit1")
            await kit.core.pairing.forget_center(TECHNICIAN, "county")
            for gone in (
                center.core.pairing.forget_kit(ADMIN, "kit1"),
                center.core.pairing.revoke_kit(ADMIN, "kit1"),
                kit.core.pairing.forget_center(TECHNICIAN, "county"),
            ):
                with pytest.raises(NotFound):
                    await gone

    runs()


@housed
async def test_nonsense_is_told(house: House) -> None:
    pairing = cast(Pairing, house.core.pairing)
    with pytest.raises(RemoteProtocolError):
        await pairing.accept(TECHNICIAN, "hello")
    with pytest.raises(NotFound) as told:
        pairing.answer("0" * 32)
    assert told.value.code == "pair-waiting"
