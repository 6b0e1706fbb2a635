"""What lies in a modem or phone is handed in, then taken off: each message once, and none holds up those behind it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from gateway.base.errors import PeerError, RemoteProtocolError
from gateway.model.texts import Arrived, Report, Stored

log = logging.getLogger(__name__)


class Taker(Protocol):
    """What of `contract.texts.CarrierSeat` is needed here."""

    async def take(self, text: Arrived) -> bool: ...
    async def report(self, reference: str, delivered: bool, code: str = "", detail: str = "") -> None: ...


class TextInbox:
    """`stored` reads all that lies there, `delete` takes one off by its place; `name` is for the log."""

    def __init__(
        self,
        name: str,
        stored: Callable[[], Awaitable[Sequence[Stored]]],
        delete: Callable[[str], Awaitable[None]],
    ) -> None:
        self._name = name
        self._stored = stored
        self._delete = delete
        self._stays: dict[str, Stored] = {}
        """What is kept here and could not be taken off, by place."""

    async def hand_in(self, seat: Taker) -> None:
        """All that lies there; a message is taken off only after it is kept. Raises GatewayError: as `stored` does, as
        the seat does while the disk takes none, and PeerError at the end for one that can not be deleted."""
        stays: dict[str, Stored] = {}
        trouble: PeerError | None = None
        for one in await self._stored():
            if self._stays.get(one.place) != one:
                try:
                    await _give(seat, one.what)
                except RemoteProtocolError as exc:
                    log.warning("%s: a short message that can be none is taken away: %s", self._name, exc)
            try:
                await self._delete(one.place)
            except PeerError as exc:
                stays[one.place], trouble = one, exc
        self._stays = stays
        if trouble is not None:
            raise trouble


async def _give(seat: Taker, what: Arrived | Report | None) -> None:
    if isinstance(what, Arrived):
        await seat.take(what)
    elif isinstance(what, Report) and what.final:
        code, detail = ("", "") if what.delivered else ("text-undelivered", f"status {what.status:#04x}")
        await seat.report(what.reference, what.delivered, code, detail)
