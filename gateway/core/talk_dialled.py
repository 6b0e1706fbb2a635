"""A number that is a member of a group (`sip:8001`, `tel:139…` by a modem): dialled while the group is in use, hung up
after its idle time.

The adapter that places the call seats it in the group by itself, under the same member id; until it has, the group
shows the member as it stands here.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from gateway.base.errors import GatewayError, LinkDown
from gateway.contract.voice import VoiceLine, VoiceOffer
from gateway.core.calls import Calls
from gateway.core.mediaplane import MediaPlane
from gateway.core.on_demand import Patience
from gateway.core.talk_endpoint import Endpoint
from gateway.core.talk_group import Group
from gateway.model.ids import DeviceId
from gateway.model.principal import SYSTEM
from gateway.model.voice import Member, MemberKind, VoiceId

DIALLED = ("sip:", "tel:")
RETRY_FIRST_S = 5.0
RETRY_MOST_S = 60.0
"""A phone that nobody answers rings again after so long, while the group is in use."""


class Dialled:
    """On the event loop. One for each group and number."""

    def __init__(self, word: str, group: Group, calls: Calls, plane: MediaPlane, idle_close_s: float) -> None:
        self.word = word
        self._group = group
        self._calls = calls
        self._gone = False
        self._kind = MemberKind.PHONE if word.startswith("tel:") else MemberKind.SIP
        offer = VoiceOffer(
            id=VoiceId(word),
            device=DeviceId(""),
            title=word.partition(":")[2],
            kind=self._kind,
            open=self._dial,
            idle_close_s=idle_close_s,
        )
        patience = Patience(idle_close_s=idle_close_s, retry_first_s=RETRY_FIRST_S, retry_most_s=RETRY_MOST_S)
        self._endpoint = Endpoint(offer, plane, patience=patience, changed=self._changed)
        self._changed()

    def want(self, wanted: bool) -> None:
        if self.word in self._group.places:
            self._endpoint.is_open()
        self._endpoint.want(self._group.id, wanted)

    async def remove(self) -> None:
        self._gone = True
        self._group.vacant.pop(self.word, None)
        self._group.told()
        await self._endpoint.remove()

    async def _dial(self, _line: VoiceLine) -> None:
        call = await self._calls.place(SYSTEM, self.word, self._group.id, False)
        hold = self._calls.hold_of(call)
        if hold is None:
            raise LinkDown(f"call {call} is over already", code="call-ended")
        try:
            code = await asyncio.shield(hold.ended)
        except asyncio.CancelledError:
            with suppress(GatewayError):
                await hold.handler.hang_up(SYSTEM)
            raise
        raise LinkDown(hold.status.detail, code=code or "call-ended")

    def _changed(self) -> None:
        if self._gone:
            return
        party = self._endpoint.party
        self._group.vacant[self.word] = Member(
            id=self.word,
            kind=self._kind,
            name=party.wish.name,
            state=party.state,
            code=party.code,
            detail=party.detail,
        )
        self._group.told()
