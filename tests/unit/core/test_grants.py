"""Links have the rights of whoever made them, as they are when the link is used."""

from __future__ import annotations

from gateway.base.errors import Denied
from gateway.core.accounts import LOCAL
from gateway.model.principal import Principal, Role
from tests.unit.core.house import ADMIN, House, housed

STREAM = "fieldgate/ball-1/ch1"
PASSWORD = "correct horse"


async def a_viewer(house: House, name: str = "vera2") -> Principal:
    """Signed in."""
    accounts = house.core.accounts
    await accounts.add(ADMIN, name=name, role=Role.VIEWER, scope="fieldgate/ball-1", password=PASSWORD)
    who = accounts.verify((await accounts.sign_in(name, PASSWORD, "192.0.2.7")).token)
    assert who is not None
    return who


def ended(house: House, grant: str) -> bool:
    try:
        house.core.grants.granted(grant, STREAM, "192.0.2.9")
    except Denied as exc:
        assert exc.code == "link-revoked"
        return True
    return False


@housed
async def test_a_persons_link_lives_as_the_account_does(house: House) -> None:
    accounts, grants = house.core.accounts, house.core.grants
    who = await a_viewer(house)
    grant = grants.grant(who)
    found = grants.granted(grant, STREAM, "192.0.2.9")
    assert (found.name, found.role, found.scope, found.address) == (
        "vera2",
        Role.VIEWER,
        "fieldgate/ball-1",
        "192.0.2.9",
    )
    await accounts.change(ADMIN, "vera2", scope="fieldgate/ball-2")
    assert grants.granted(grant, STREAM, "").scope == "fieldgate/ball-2", "the rights of now"
    await accounts.change(ADMIN, "vera2", disabled=True)
    assert ended(house, grant)
    await accounts.change(ADMIN, "vera2", disabled=False)
    assert not ended(house, grant)
    await accounts.remove(ADMIN, "vera2")
    assert ended(house, grant)
    house.jumps.append(60.0)
    await a_viewer(house)
    assert ended(house, grant), "somebody else of the same name"


@housed
async def test_links_of_tokens_codes_programs_and_others(house: House) -> None:
    accounts, grants = house.core.accounts, house.core.grants
    issued = await accounts.issue(ADMIN, name="wall", role=Role.VIEWER)
    who = accounts.verify(issued.token)
    assert who is not None
    grant = grants.grant(who)
    assert grants.granted(grant, STREAM, "").name == "wall"
    await accounts.revoke(ADMIN, issued.info.id)
    assert ended(house, grant)
    code = accounts.mint_code(ADMIN, scope=STREAM)
    guest = accounts.verify((await accounts.redeem(code, "192.0.2.7")).token)
    assert guest is not None
    grant = grants.grant(guest)
    assert grants.granted(grant, STREAM, "").scope == STREAM
    house.core.accounts._tokens.clear()
    assert ended(house, grant)
    program = Principal("program:wall", Role.VIEWER, "program:wall", address="192.0.2.7")
    assert grants.granted(grants.grant(program), STREAM, "").name == "program:wall"
    local = Principal("local", Role.ADMINISTRATOR, "local", address=LOCAL)
    assert grants.granted(grants.grant(local), STREAM, "").role is Role.ADMINISTRATOR
    far = grants.granted(grants.grant(Principal("li@center", Role.ADMINISTRATOR, "uplink")), STREAM, "")
    assert (far.name, far.role, far.scope) == ("li@center", Role.VIEWER, STREAM), "no more than the link is for"
    for nonsense in ("", "vera2", "account:", "token:", "account:1:nobody"):
        assert ended(house, nonsense)
