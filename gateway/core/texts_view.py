"""Short messages as people see and send them. Fulfils `core.faces_north.TextsFace`."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core.audit import Audit
from gateway.core.rights import in_scope, require_role, require_whole
from gateway.core.telemetry_in import TelemetryIn
from gateway.core.texts import Texts
from gateway.model.principal import Principal, Role
from gateway.model.telemetry import KitRecord
from gateway.model.texts import Arrived, CarrierState, TextIn, TextOut, TextPriority


class TextsView:
    """What a message says stands in no record of ours: that it was sent, read and by whom does.

    Messages are of the whole gateway: a number does not say whose it is, so whoever sees only a part of it sees none.
    """

    def __init__(self, gateway: str, texts: Texts, telemetry: TelemetryIn, audit: Audit) -> None:
        self._gateway = gateway
        self._texts = texts
        self._telemetry = telemetry
        self._audit = audit

    def carriers(self, who: Principal) -> Sequence[CarrierState]:
        require_role(who, Role.OPERATOR, "see who carries short messages")
        return self._texts.carriers() if in_scope(who, self._gateway) else []

    async def out(
        self, who: Principal, *, before: int | None = None, limit: int = 200, number: str = ""
    ) -> Sequence[TextOut]:
        require_role(who, Role.OPERATOR, "read short messages")
        if not in_scope(who, self._gateway):
            return []
        return await self._texts.sent_lately(before=before, limit=limit, number=number)

    async def came(
        self, who: Principal, *, before: int | None = None, limit: int = 200, number: str = ""
    ) -> Sequence[TextIn]:
        require_role(who, Role.OPERATOR, "read short messages")
        if not in_scope(who, self._gateway):
            return []
        return await self._texts.came_lately(before=before, limit=limit, number=number)

    async def send(
        self,
        who: Principal,
        to: str,
        body: str,
        *,
        id_: str = "",
        urgent: bool = False,
        max_age_s: float | None = None,
        carrier: str = "",
    ) -> TextOut:
        self._may(who, Role.OPERATOR, "send short messages")
        priority = TextPriority.ALARM if urgent else TextPriority.PERSON
        text = await self._texts.send(
            to, body, id=id_, priority=priority, max_age_s=max_age_s, by=who.name, carrier=carrier
        )
        self._audit.note(who, "text.send", detail=f"{text.id} to {_short(text.to)}")
        return text

    async def cancel(self, who: Principal, id_: str) -> TextOut:
        self._may(who, Role.OPERATOR, "cancel short messages")
        text = await self._texts.cancel(id_)
        self._audit.note(who, "text.cancel", detail=id_)
        return text

    async def seen(self, who: Principal, id_: str) -> TextIn:
        self._may(who, Role.OPERATOR, "read short messages")
        return await self._texts.seen(id_, who.name)

    async def arrived(self, who: Principal, text: Arrived, carrier: str) -> bool:
        """A program hands in what a provider of short messages gave it (technician and up). Durable."""
        self._may(who, Role.TECHNICIAN, "hand in short messages")
        return await self._texts.take(text, carrier)

    async def records(self, who: Principal, gateway: str, limit: int) -> Sequence[KitRecord]:
        require_role(who, Role.VIEWER, "see what kits tell")
        found = await self._telemetry.records(who, gateway, limit)
        return found if in_scope(who, gateway) else []  # who sees a part of a kit is not told where the whole is

    def _may(self, who: Principal, least: Role, doing: str) -> None:
        require_role(who, least, doing)
        require_whole(who, self._gateway, doing)


def _short(to: str) -> str:
    """Enough to find it by, too little to call it."""
    return f"…{to[-4:]}" if len(to) > 4 else to
