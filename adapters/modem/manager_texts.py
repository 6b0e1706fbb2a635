"""Short messages by ModemManager: it codes and joins the parts; what was read and kept is taken off the SIM here."""

from __future__ import annotations

import asyncio
import logging

from adapters.modem import manager_facts as facts
from adapters.modem import manager_words as mm
from adapters.modem.face import Stored
from adapters.modem.manager import Manager
from adapters.modem.manager_bus import Variant
from adapters.modem.manager_tree import Thing
from gateway.base.errors import GatewayError, LinkDown, PeerError
from gateway.contract.texts import TextSent
from gateway.model.texts import TextOut

SEND_S = 180.0  # a long one, part by part
ASK_S = 20.0
HELD = 64
INCOMPLETE_S = 3 * 86400.0  # networks keep a message for two or three days
INCOMPLETE_MOST = 8

log = logging.getLogger(__name__)


class ManagerTexts:
    def __init__(self, manager: Manager) -> None:
        self._manager = manager
        self._waits: dict[str, float] = {}
        """Since when a long message lacks parts, by its object."""
        self._made: dict[str, str] = {}
        """Messages that were made and not sent yet, by our id: one that is tried again keeps its reference, so that the
        far side knows the parts that went before. Its object says so by being there still."""

    async def stored(self, modem: Thing) -> list[Stored]:
        messages = await self._manager.parts(modem, mm.MESSAGING, "Messages")
        await self._give_up(modem, [one.path for one in messages if facts.is_incomplete(one)])
        found = [facts.stored(message) for message in messages if message.path not in self._made.values()]
        return [one for one in found if one is not None]

    async def _give_up(self, modem: Thing, paths: list[str]) -> None:
        """Parts that wait for others in vain fill the card: after days, or when many do, the oldest go."""
        now = asyncio.get_running_loop().time()
        self._waits = {path: self._waits.get(path, now) for path in paths}
        oldest = sorted(self._waits, key=self._waits.__getitem__)
        for path in oldest:
            if now - self._waits[path] >= INCOMPLETE_S or len(self._waits) > INCOMPLETE_MOST:
                log.warning("a long message is given up: parts of it never came")
                del self._waits[path]
                await self.delete(modem, path)

    async def delete(self, modem: Thing, path: str) -> None:
        """One that is not there any more is deleted already."""
        try:
            await self._manager.call(modem.path, mm.MESSAGING, "Delete", "o", [path], limit_s=ASK_S)
        except PeerError as exc:
            if not str(exc.status).endswith("Core.NotFound"):
                raise

    async def send(self, modem: Thing, text: TextOut) -> TextSent:
        held = self._made.get(text.id, "")
        path = await self._object(modem, text)
        if path == held and await self._is_sent(modem, path):  # the answer to the attempt before was lost, and it went
            self._made.pop(text.id, None)
            return await self._sent(modem, path)
        try:
            await self._manager.call(path, mm.SMS, "Send", limit_s=SEND_S)
        except LinkDown as exc:
            if exc.code == "modem-absent":
                self._made.pop(text.id, None)
                raise
            # Asked, and not answered: it may have gone.
            raise LinkDown(str(exc), code="text-unsure") from exc
        except PeerError as exc:
            self._made.pop(text.id, None)
            await self._away(modem, path)
            raise PeerError(str(exc), status=exc.status, code="text-refused") from exc
        self._made.pop(text.id, None)
        return await self._sent(modem, path)

    async def _sent(self, modem: Thing, path: str) -> TextSent:
        message = await self._manager.part_now(modem, mm.MESSAGING, "Messages", path)
        await self._away(modem, path)
        return TextSent(1, (str(message.number(mm.SMS, "MessageReference")),) if message is not None else ())

    async def _is_sent(self, modem: Thing, path: str) -> bool:
        message = await self._manager.part_now(modem, mm.MESSAGING, "Messages", path)
        return message is not None and message.number(mm.SMS, "State") == mm.SmsState.SENT

    async def _object(self, modem: Thing, text: TextOut) -> str:
        held = self._made.get(text.id)
        if held is not None and held in modem.paths(mm.MESSAGING, "Messages"):
            return held
        wanted = {
            "number": Variant("s", text.to),
            "text": Variant("s", text.body),
            "delivery-report-request": Variant("b", True),
        }
        [path] = await self._manager.call(modem.path, mm.MESSAGING, "Create", "a{sv}", [wanted], limit_s=ASK_S)
        while len(self._made) >= HELD:
            self._made.pop(next(iter(self._made)))
        self._made[text.id] = str(path)
        return str(path)

    async def _away(self, modem: Thing, path: str) -> None:
        """Sent ones would fill the list."""
        try:
            await self.delete(modem, path)
        except GatewayError:
            pass
