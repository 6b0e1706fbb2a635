"""Rights that are handed on: a link that works without signing in has those of whoever made it, as they are when it is
used."""

from __future__ import annotations

from typing import Protocol

from gateway.model.principal import Principal


class Grants(Protocol):
    def grant(self, who: Principal) -> str:
        """What a link of `who` carries, sealed by whoever makes it: no secret, at most some 100 characters."""

    def granted(self, grant: str, scope: str, address: str) -> Principal:
        """Whom it speaks for, with the role and rights of now. `scope` is all that the link is for. Raises Denied
        (`link-revoked`) when the account, token or program is gone or switched off."""
