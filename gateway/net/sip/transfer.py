"""REFER both ways (RFC 3515, RFC 4488): what we asked of the peer, and what the peer asks of us."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from gateway.base.errors import GatewayError, LocalProtocolError
from gateway.net.sip.incoming import IncomingRequest
from gateway.wire.sip.events import RequestReceived
from gateway.wire.sip.headers import NameAddr
from gateway.wire.sip.message import SipResponse
from gateway.wire.sip.refer import read_refer_to, read_sipfrag, sipfrag

if TYPE_CHECKING:
    from gateway.net.sip.ua import Ua

MAX_REPORTS = 64  # progress of one transfer that nobody has read; more is dropped, the final one never
SUBSCRIPTION_S = 180


class Transfer:
    """We asked the peer to call somebody. Its reports come as statuses, the last one is final (200 or more)."""

    def __init__(self, seq: int, *, told: bool) -> None:
        """`told` False: the peer will report nothing (norefersub)."""
        self.seq = seq
        self._reports: asyncio.Queue[int | None] = asyncio.Queue(MAX_REPORTS + 1)
        self._final: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if not told:
            self.end(0)

    async def progress(self) -> AsyncIterator[int]:
        """Each status as it is reported (100, 180, 200, 603 …); ends with the final one, or when nothing more comes."""
        while (status := await self._reports.get()) is not None:
            yield status

    async def done(self, timeout: float | None = None) -> int:
        """The final status; 0 when the peer never says it. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            return await asyncio.shield(self._final)

    def notified(self, event: RequestReceived) -> None:
        request = event.request
        status = read_sipfrag(request.body)
        over = (request.headers.get("Subscription-State") or "").strip().lower().startswith("terminated")
        if status and not self._final.done() and self._reports.qsize() < MAX_REPORTS:
            self._reports.put_nowait(status)
        if status >= 200 or over:
            self.end(status if status >= 200 else 0)

    def end(self, status: int) -> None:
        """Nothing more will come."""
        if not self._final.done():
            self._final.set_result(status)
            self._reports.put_nowait(None)

    @property
    def over(self) -> bool:
        return self._final.done()


class Referral:
    """The peer asks us to call somebody. Answer with `accept` or `reject`, then `report` how it goes.

    `target` is whom to call, `replaces` the value of a Replaces header to put into that INVITE ("" for a blind
    transfer), `referred_by` the Referred-By header to pass on. Raises RemoteProtocolError when it can not be read.
    """

    def __init__(self, ua: Ua, incoming: IncomingRequest) -> None:
        request = incoming.request
        self.target: NameAddr
        self.target, replaces, self.method = read_refer_to(request)
        self.replaces = "" if replaces is None else str(replaces)
        self.referred_by = request.headers.get("Referred-By") or ""
        self._silent = (request.headers.get("Refer-Sub") or "").strip().lower() == "false"
        self._ua = ua
        self._incoming = incoming
        self._event = f"refer;id={request.cseq.number}"
        self._open = False
        self._turn = asyncio.Lock()

    async def accept(self) -> None:
        """202, and a first report of 100 (unless the peer wants none). Raises LocalProtocolError when answered."""
        headers = [("Refer-Sub", "false")] if self._silent else []
        self._incoming.respond(202, headers=[*headers, ("Contact", self._ua.contact)])
        self._open = not self._silent
        await self.report(100)

    def reject(self, status: int = 603) -> None:
        self._incoming.respond(status)

    async def report(self, status: int, reason: str | None = None) -> None:
        """Tell the peer how it goes; 200 or more is the end. Never raises for a peer's failure: it may be gone."""
        if not self._incoming.answered:
            raise LocalProtocolError("report of a transfer that was not accepted")
        async with self._turn:
            if not self._open:
                return
            final = status >= 200
            state = "terminated;reason=noresource" if final else f"active;expires={SUBSCRIPTION_S}"
            self._open = not final
            try:
                answer: SipResponse = await self._ua.call.send(
                    "NOTIFY",
                    headers=[("Event", self._event), ("Subscription-State", state), ("Contact", self._ua.contact)],
                    body=sipfrag(status, reason),
                    content_type="message/sipfrag;version=2.0",
                )
            except GatewayError:
                self._open = False
                return
            if answer.status in (404, 405, 481, 489, 501):
                self._open = False
