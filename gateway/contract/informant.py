"""Phones of people on site: who they are, and where their reports go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gateway.model.informant import Draft, Phone, Progress
from gateway.model.principal import Principal


class Informants(Protocol):
    """The bearer of a phone is `<invitation secret>.<key of the phone's own>`; the API knows whom it speaks for."""

    def serve(self) -> Callable[[], None]:
        """Invitations lead somewhere until the returned function is called; none are made meanwhile or after."""

    async def join(self, bearer: str, name: str, address: str) -> Phone:
        """A phone uses an invitation; the same phone may again at any time. Durable when it returns.

        Raises Denied: `invitation-unknown`, `invitation-ended`, `invitation-used-up`, `locked-out`.
        """

    def phone(self, who: Principal) -> Phone:
        """Raises Denied (`unauthenticated`)."""

    def seen(self, who: Principal) -> None:
        """A sign of life."""

    async def begin(self, who: Principal, draft: Draft) -> Progress:
        """Announce a report. Again with the same id: how far it is. One without a file is complete at once.

        Durable when it returns. Raises Denied (`report-taken`: the id is another phone's), Busy (`reports-full`,
        `report-pile`, `report-rate`), GatewayError `too-large`, `disk-full`.
        """

    async def progress(self, who: Principal, report: str) -> Progress:
        """Raises NotFound."""

    async def append(self, who: Principal, report: str, offset: int, data: bytes) -> Progress:
        """The next bytes of the file; on the disk (fsync) when it returns. An offset that is not `received` changes
        nothing: the answer says where to go on. Raises RemoteProtocolError (`report-damaged`) when the whole file is
        not what was announced: it is dropped, begin at 0 again.
        """
