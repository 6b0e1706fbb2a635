"""Signing in, lock-out, tokens, codes, and who may change whom."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import pytest

from gateway.base.errors import Denied, GatewayError, NotFound
from gateway.core.accounts import LOCAL
from gateway.core.passwords import QUEUE
from gateway.model.principal import Principal, Role
from tests.fakes.loop import HandLoop, advance, by_hand
from tests.unit.core.house import ADMIN, AUDITOR, VIEWER, House, a_house, housed

HERE = "192.0.2.10"


async def with_otto(house: House) -> None:
    await house.core.accounts.add(ADMIN, name="otto", role=Role.OPERATOR, scope="", password="correct horse")


@housed
async def test_first_start_makes_an_administrator_and_another_auditor(house: House) -> None:
    accounts = house.core.accounts
    await accounts.first_start()
    for name, role in (("admin", Role.ADMINISTRATOR), ("auditor", Role.AUDITOR)):
        path = house.state_dir / f"{name}-password"
        assert path.stat().st_mode & 0o777 == 0o600
        issued = await accounts.sign_in(name, path.read_text().strip(), HERE)
        who = accounts.verify(issued.token)
        assert who is not None and who.role is role
        await accounts.change(who, name, password="my own long one")
        assert not path.exists(), "a first password that was changed is not left lying about"
    assert issued.token not in repr(issued)


@housed
async def test_wrong_passwords_lock_the_name_for_that_address(house: House) -> None:
    await with_otto(house)
    accounts = house.core.accounts
    for _ in range(house.config.accounts.lock_after):
        with pytest.raises(Denied) as wrong:
            await accounts.sign_in("otto", "guess", HERE)
        assert wrong.value.code == "bad-credentials"
    with pytest.raises(Denied) as locked:
        await accounts.sign_in("otto", "correct horse", HERE)
    assert locked.value.code == "locked-out"
    await accounts.sign_in("otto", "correct horse", "192.0.2.99")
    await advance(house.config.accounts.lock_for + 1)
    await accounts.sign_in("otto", "correct horse", HERE)


@housed
async def test_an_unknown_name_looks_like_a_wrong_password(house: House) -> None:
    with pytest.raises(Denied) as wrong:
        await house.core.accounts.sign_in("nobody", "guess", HERE)
    assert wrong.value.code == "bad-credentials"


@housed
async def test_who_signs_in_while_the_first_accounts_are_made_waits_for_them(house: House) -> None:
    accounts, ready = house.core.accounts, asyncio.Event()
    making = asyncio.create_task(accounts.first_start(ready.wait))
    await advance(0)
    password = (house.state_dir / "admin-password").read_text().strip()
    assert (house.state_dir / "auditor-password").exists(), "they can be read before the accounts are there"
    signing = asyncio.create_task(accounts.sign_in("admin", password, HERE))
    await advance(1)
    assert not signing.done() and not making.done()
    ready.set()
    assert (await signing).info.name == "admin"
    await making
    await accounts.first_start(asyncio.Event().wait)  # all are there: nothing is waited for
    assert (await accounts.sign_in("admin", password, HERE)).info.name == "admin"


@housed
async def test_sessions_end_by_idleness_age_and_word(house: House) -> None:
    await with_otto(house)
    accounts, api = house.core.accounts, house.config.api
    token = (await accounts.sign_in("otto", "correct horse", HERE)).token
    await advance(api.session_idle - 1)
    assert accounts.verify(token) is not None
    await advance(api.session_idle - 1)
    assert accounts.verify(token, touch=False) is not None
    await advance(2)
    assert accounts.verify(token) is None, "a look without touch does not keep it"
    token = (await accounts.sign_in("otto", "correct horse", HERE)).token
    await accounts.sign_out(token)
    assert accounts.verify(token) is None
    assert accounts.verify("fg_nonsense") is None


@by_hand
async def test_tokens_and_accounts_outlive_the_daemon(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await with_otto(house)
        session = (await house.core.accounts.sign_in("otto", "correct horse", HERE)).token
        program = await house.core.accounts.issue(ADMIN, name="mqtt", role=Role.VIEWER, scope="kit1/ball-1")
    async with a_house(tmp_path) as house:
        accounts = house.core.accounts
        who = accounts.verify(program.token)
        assert who is not None and (who.name, who.scope) == ("mqtt", "kit1/ball-1")
        assert accounts.verify(session) is not None
        await accounts.revoke(ADMIN, program.info.id)
        assert accounts.verify(program.token) is None
        with pytest.raises(NotFound):
            await accounts.revoke(ADMIN, program.info.id)
        raw = b"".join(p.read_bytes() for p in tmp_path.glob("state.db*"))
        assert program.token.encode() not in raw and b"correct horse" not in raw


@housed
async def test_a_code_works_once_and_not_for_long(house: House) -> None:
    accounts = house.core.accounts
    code = accounts.mint_code(ADMIN, role=Role.OPERATOR, scope="kit1/ball-1")
    issued = await accounts.redeem(f" {code.upper()} ", HERE)
    assert (issued.info.role, issued.info.scope) == (Role.OPERATOR, "kit1/ball-1")
    with pytest.raises(Denied):
        await accounts.redeem(code, HERE)
    late = accounts.mint_code(ADMIN, ttl_s=60)
    await advance(61)
    with pytest.raises(Denied):
        await accounts.redeem(late, "192.0.2.11")


@housed
async def test_nobody_gives_more_than_they_have(house: House) -> None:
    accounts = house.core.accounts
    narrow = Principal("n", Role.ADMINISTRATOR, "s", scope="kit1/ball-1")
    with pytest.raises(Denied):
        accounts.mint_code(VIEWER, role=Role.OPERATOR)
    with pytest.raises(Denied):
        accounts.mint_code(narrow, scope="kit1/ball-10")
    with pytest.raises(Denied):
        await accounts.issue(ADMIN, name="x", role=Role.AUDITOR)
    with pytest.raises(Denied):
        accounts.accounts(AUDITOR)
    code = accounts.mint_code(narrow)
    assert (await accounts.redeem(code, HERE)).info.scope == "kit1/ball-1"
    assert (await accounts.issue(narrow, name="x", role=Role.VIEWER)).info.scope == "kit1/ball-1"


@housed
async def test_the_administrator_does_not_become_the_auditor(house: House) -> None:
    accounts = house.core.accounts
    await accounts.first_start()
    with pytest.raises(Denied):
        await accounts.add(ADMIN, name="mine", role=Role.AUDITOR, scope="", password="long enough")
    with pytest.raises(Denied):
        await accounts.change(ADMIN, "auditor", password="long enough")
    with pytest.raises(Denied):
        await accounts.change(ADMIN, "admin", role=Role.AUDITOR)
    local = Principal("local", Role.ADMINISTRATOR, "local", address=LOCAL)
    await accounts.add(local, name="second", role=Role.AUDITOR, scope="", password="long enough")


@housed
async def test_one_administrator_stays_and_changes_end_sessions(house: House) -> None:
    accounts = house.core.accounts
    await accounts.first_start()
    await with_otto(house)
    for refused in (accounts.remove(ADMIN, "admin"), accounts.change(ADMIN, "admin", disabled=True)):
        with pytest.raises(GatewayError):
            await refused
    token = (await accounts.sign_in("otto", "correct horse", HERE)).token
    await accounts.change(ADMIN, "otto", disabled=True)
    assert accounts.verify(token) is None
    with pytest.raises(Denied):
        await accounts.sign_in("otto", "correct horse", HERE)


@housed
async def test_checking_passwords_is_bounded(house: House) -> None:
    tries = [house.core.accounts.sign_in(f"n{n}", "guess", HERE) for n in range(QUEUE + 2)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert {getattr(o, "code", "") for o in outcomes} == {"bad-credentials", "busy"}


@pytest.mark.parametrize("password", ["short", "x" * 257])
def test_passwords_that_will_not_do(password: str, tmp_path: Path) -> None:
    @by_hand
    async def runs() -> None:
        async with a_house(tmp_path) as house:
            with pytest.raises(GatewayError) as refused:
                await house.core.accounts.add(ADMIN, name="o", role=Role.VIEWER, scope="", password=password)
            assert refused.value.code == "bad-request"

    runs()


@housed
async def test_a_clock_jump_signs_nobody_out(house: House) -> None:
    await with_otto(house)
    token = (await house.core.accounts.sign_in("otto", "correct horse", HERE)).token
    for jump in (30 * 86400.0, -60 * 86400.0):
        house.jumps.append(jump)
        assert house.core.accounts.verify(token) is not None
    house.core.watch.look_at_clock()  # as the kernel has told
    assert house.core.watch.jumps >= 1
    loop = cast(HandLoop, asyncio.get_running_loop())
    for _ in range(30):
        house.core.accounts.verify(token)
        # At once, not second by second: what runs each second is no part of this.
        loop.move_to(loop.time() + house.config.api.session_idle - 1)
    assert house.core.accounts.verify(token) is None, "its own time still ends it"
