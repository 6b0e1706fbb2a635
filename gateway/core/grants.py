"""Whose rights a link has. Fulfils `contract.grants.Grants`.

A person's link outlives the session that it was made in, and ends with the account; that of an API token or a one-time
code ends with the token. Of people of another gateway (uplink) nothing is known here: theirs end by their time.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.base.errors import Denied
from gateway.core.accounts import LOCAL
from gateway.core.programs import PREFIX
from gateway.model.principal import Principal, Role
from gateway.store.rows import Account, TokenInfo

SESSION = "link"


class Grants:
    def __init__(self, account: Callable[[str], Account | None], token: Callable[[str], TokenInfo | None]) -> None:
        """`account` by its name, `token` by its id: None when it is no more, or switched off."""
        self._account = account
        self._token = token

    def grant(self, who: Principal) -> str:
        if who.address == LOCAL:
            return "local:"
        if who.name.startswith(PREFIX):
            return who.name
        token = self._token(who.session)
        if token is not None and token.kind != "session":
            return f"token:{token.id}"
        if (account := self._account(who.name)) is not None:
            # A new account of the same name is somebody else.
            return f"account:{account.created_at:.0f}:{account.name}"
        return f"other:{who.name}"

    def granted(self, grant: str, scope: str, address: str) -> Principal:
        kind, _, rest = grant.partition(":")
        match kind:
            case "local":
                return Principal("local", Role.ADMINISTRATOR, SESSION, address=address)
            case "program":
                # Its patterns are looked at where a name is read.
                return Principal(grant, Role.VIEWER, SESSION, scope, address)
            case "token" if (token := self._token(rest)) is not None:
                return Principal(token.name, token.role, SESSION, token.scope, address)
            case "account":
                made, _, name = rest.partition(":")
                account = self._account(name)
                if account is not None and f"{account.created_at:.0f}" == made:
                    return Principal(name, account.role, SESSION, account.scope, address)
            case "other":
                return Principal(rest, Role.VIEWER, SESSION, scope, address)
        raise Denied("whoever made this link has no rights here any more", code="link-revoked")
