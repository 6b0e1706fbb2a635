"""Programs: passwords made and given, digests, keys, networks, and who guesses."""

from __future__ import annotations

import stat

import pytest

from gateway.base.errors import Busy, Denied, GatewayError, NotFound
from gateway.config.sources import Program
from gateway.core.programs import KEY, Programs
from gateway.model.principal import Role
from tests.fakes.loop import advance
from tests.unit.core.house import AUDITOR, House, housed

HERE, THERE = "192.0.2.7", "192.0.2.8"
GIVEN = "a-password-of-its-own"


def programs(house: House, **given: Program) -> Programs:
    house.config.program.clear()
    house.config.program.update(given)
    house.core.sources_changed()
    return house.core.programs


@housed
async def test_a_password_is_made_kept_and_made_anew(house: House) -> None:
    ours = programs(house, drone=Program(publish=["*"]), truck=Program.model_validate({"password": GIVEN}))
    made = ours.secret("drone")
    assert made and len(made) >= 20 and ours.secret("truck") == GIVEN and ours.secret("nobody") is None
    file = house.state_dir / "program-drone"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and not (house.state_dir / "program-truck").exists()
    programs(house)
    assert ours.secret("drone") is None
    assert programs(house, drone=Program()).secret("drone") == made, "it comes back with the section"
    fresh = ours.renew("drone")
    assert fresh != made and ours.secret("drone") == fresh and file.read_text().strip() == fresh
    with pytest.raises(Denied):
        await ours.check("drone", made, HERE)
    assert (await ours.check("drone", fresh, HERE)).name == "program:drone"
    with pytest.raises(NotFound):
        ours.renew("nobody")
    programs(house, truck=Program.model_validate({"password": GIVEN}))
    with pytest.raises(GatewayError):
        ours.renew("truck")


@housed
async def test_nothing_that_is_printed_holds_the_password(house: House) -> None:
    ours = programs(house, truck=Program.model_validate({"password": GIVEN}), drone=Program())
    made = ours.secret("drone")
    assert made
    for shown in (
        repr(house.config),
        str(house.config.program),
        repr([ours.info(name) for name in ours.names()]),
        repr(ours.by_key(made, HERE)),
    ):
        assert GIVEN not in shown and made not in shown
    assert GIVEN not in str(house.config.program["truck"].model_dump(mode="json"))


@housed
async def test_wrong_ones_lock_the_address_and_nobody_else(house: House) -> None:
    ours = programs(house, truck=Program.model_validate({"password": GIVEN}))
    for _ in range(house.config.accounts.lock_after):
        with pytest.raises(Denied) as wrong:
            await ours.check("truck", "guess", HERE)
        assert wrong.value.code == "program-password"
    with pytest.raises(Busy) as locked:
        ours.known("truck", HERE)
    assert locked.value.code == "locked"
    with pytest.raises(Busy):
        await ours.check("truck", GIVEN, HERE)
    assert (await ours.check("truck", GIVEN, THERE)).address == THERE
    await advance(house.config.accounts.lock_for + 1)
    assert (await ours.check("truck", GIVEN, HERE)).role is Role.VIEWER
    rows = [row for row in await house.core.audit.read(AUDITOR) if row.act == "program.sign-in"]
    assert len(rows) == house.config.accounts.lock_after and {row.code for row in rows} == {"program-password"}
    assert not any(GIVEN in row.detail or "guess" in row.detail for row in rows)


@housed
async def test_digests_that_do_not_fit_count(house: House) -> None:
    ours = programs(house, truck=Program.model_validate({"password": GIVEN}))
    assert ours.known("truck", HERE).name == "program:truck"
    with pytest.raises(Denied) as unknown:
        ours.known("nobody", HERE)
    assert unknown.value.code == "program-unknown"
    for _ in range(house.config.accounts.lock_after):
        ours.failed("truck", HERE)
    with pytest.raises(Busy):
        ours.known("truck", HERE)


@housed
async def test_keys_alone(house: House) -> None:
    ours = programs(house, truck=Program.model_validate({"password": GIVEN}), drone=Program())
    assert ours.by_key(GIVEN, HERE).name == "program:truck"
    for key in ("", "x" * 10_000, "guess", "\udcff", GIVEN[:-1], f"{GIVEN} "):
        with pytest.raises((Denied, Busy)):
            ours.by_key(key, THERE)
    with pytest.raises(Busy):
        ours.by_key(GIVEN, THERE)
    assert KEY not in ours.names()
    programs(house, truck=Program.model_validate({"password": GIVEN, "enabled": False}))
    with pytest.raises(Denied):
        ours.by_key(GIVEN, HERE)


@housed
async def test_guessed_keys_lock_the_place_they_come_from_alone(house: House) -> None:
    ours = programs(house, truck=Program.model_validate({"password": GIVEN}))
    for number in range(40):
        for _ in range(house.config.accounts.lock_after):
            with pytest.raises(Denied):
                ours.by_key("guess", f"198.51.100.{number}")
    assert ours.by_key(GIVEN, HERE).name == "program:truck", "many guessers lock nobody else"
    with pytest.raises(Busy):
        ours.by_key(GIVEN, "::ffff:198.51.100.7")
    for number in range(house.config.accounts.lock_after):
        with pytest.raises(Denied):
            ours.by_key("guess", f"2001:db8:0:1::{number:x}")
    with pytest.raises(Busy) as locked:
        ours.by_key(GIVEN, "2001:db8:0:1:aaaa::1")
    assert locked.value.code == "locked"
    assert ours.by_key(GIVEN, "2001:db8:0:2::1").address == "2001:db8:0:2::1"


@housed
async def test_networks_without_password_the_narrowest_counts(house: House) -> None:
    ours = programs(
        house,
        site=Program(without_password_from=["192.168.0.0/16", "fd00::/8"]),
        drone=Program(without_password_from=["192.168.7.9"]),
        off=Program(without_password_from=["0.0.0.0/0"], enabled=False),
    )
    for address, name in (
        ("192.168.7.9", "program:drone"),
        ("::ffff:192.168.7.9", "program:drone"),
        ("192.168.7.8", "program:site"),
        ("fd00::1%eth0", "program:site"),
    ):
        who = ours.anonymous(address)
        assert who is not None and (who.name, who.address) == (name, address)
    for address in ("10.0.0.1", "", "not an address"):
        assert ours.anonymous(address) is None


@housed
async def test_people_by_their_own_password(house: House) -> None:
    ours = programs(house)
    admin = house.core.accounts
    await admin.first_start()
    password = (house.state_dir / "admin-password").read_text().strip()
    who = await ours.check("admin", password, HERE)
    assert (who.name, who.role, who.address) == ("admin", Role.ADMINISTRATOR, HERE) and ours.secret("admin") is None
    with pytest.raises(Denied) as wrong:
        await ours.check("admin", "wrong", HERE)
    assert wrong.value.code == "program-unknown"


@housed
async def test_keys_as_bearers_and_tokens_that_have_ended(house: House) -> None:
    shaped = "fg_" + "a" * 43
    ours = programs(
        house,
        **{
            name: Program.model_validate({"password": password})
            for name, password in (("truck", "fg-key-of-its-own"), ("bus", shaped))
        },
    )
    for key, name in (("fg-key-of-its-own", "truck"), (shaped, "bus")):
        who = ours.by_bearer(key, HERE)
        assert who is not None and who.name == f"program:{name}"
    phone = f"fgi_{'a' * 26}.{'b' * 22}"
    for _ in range(50):
        assert ours.by_bearer("fg_" + "b" * 43, HERE) is None and ours.by_bearer(phone, HERE) is None
    for _ in range(house.config.accounts.lock_after):
        with pytest.raises(Denied):
            ours.by_bearer("fg_a-guess", HERE)
    with pytest.raises(Busy):
        ours.by_bearer(shaped, HERE)


@housed
async def test_a_key_where_a_name_stands_is_known_and_names_are_no_guesses(house: House) -> None:
    ours = programs(house, truck=Program.model_validate({"password": GIVEN}), site=Program(publish=["*"]))
    holder = ours.by_tail(GIVEN, HERE)
    assert holder is not None and holder.name == "program:truck"
    for _ in range(200):
        assert ours.by_tail("thermal-camera", HERE) is None and ours.by_tail("ch1", HERE) is None
    for number in range(house.config.accounts.lock_after * 10 - 1):
        assert ours.by_tail(f"a-guess-{number}", HERE) is None
    with pytest.raises(Busy) as locked:
        ours.by_tail(GIVEN, HERE)
    assert locked.value.code == "locked"
    assert ours.by_tail("ch1", HERE) is None and ours.by_tail(GIVEN, THERE) is not None
    assert ours.by_key(GIVEN, HERE).name == "program:truck", "who shows a key as one is not locked for it"


@housed
async def test_why_a_sender_does_not_come_is_told_until_it_is_let_in(house: House) -> None:
    ours = programs(house, drone=Program.model_validate({"password": GIVEN, "publish": ["drone-1"]}))
    points = house.core.push_points

    def told() -> tuple[str, str]:
        info = ours.info("drone")
        return info.refused_code, info.refused_from

    assert told() == ("", "") and ours.info("drone").refused_at is None
    with pytest.raises(Denied):
        await ours.check("drone", "not its own", THERE)
    assert told() == ("program-password", THERE) and ours.info("drone").refused_at == house.clock.wall()
    who = await ours.check("drone", GIVEN, HERE)
    assert told() == ("", "")
    for asked, code in (("drone-2", "push-unknown"), ("nothing", "push-unknown")):
        with pytest.raises(NotFound):
            points.resolve(asked, who)
        assert told() == (code, HERE)
    with pytest.raises(Denied):
        points.reading("drone-1", who)
    assert told() == ("read-denied", HERE)
    with pytest.raises(Denied):
        ours.failed("nobody", THERE)
        raise ours._wrong("nobody", THERE, "program-unknown")
    assert set(ours._refused) == {"drone"}, "of names that there are, and no others"
