"""A carrier's place, and the work of sending by it: one message at a time. Fulfils `contract.texts.CarrierSeat`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.base.errors import GatewayError, LinkDown, PeerError, Unsupported
from gateway.contract.texts import Progress, Send, TextSent
from gateway.core.texts_queue import Offer, Waiting
from gateway.model.texts import Arrived, CarrierKind, CarrierState, TextState

if TYPE_CHECKING:
    from gateway.core.texts import Texts

log = logging.getLogger(__name__)

SEND_S = 300.0
"""Longer than any network takes: a carrier that does not answer then is cut off."""
PAUSE_FIRST_S, PAUSE_MOST_S = 1.0, 60.0
EARLY = 64
"""Reports that came while their message was still under way: beyond, the oldest is forgotten."""


class Seat:
    """On the event loop only."""

    def __init__(self, texts: Texts, name: str, kind: CarrierKind, send: Send, cost: int, number: str) -> None:
        self.name, self.kind, self.cost, self.number = name, kind, cost, number
        self._texts = texts
        self._send = send
        self._ready = False
        self._code, self._detail = "text-carrier-down", ""
        self._again_at: float | None = None
        self._since = texts.clock.wall()
        self._sent = self._received = 0
        self._pause_s = 0.0
        self._wake = asyncio.Event()
        self._busy = False
        self._early: deque[tuple[str, bool, str, str]] = deque(maxlen=EARLY)

    # — what the adapter says —

    def tell(self, ready: bool, code: str = "", detail: str = "", *, again_in_s: float = 0.0) -> None:
        detail = detail[:200]
        again_at = self._texts.clock.wall() + again_in_s if again_in_s > 0 and not ready else None
        before = (self._ready, self._code, self._detail)
        self._again_at = again_at
        if before == (ready, code, detail):
            return
        if ready is not self._ready:
            self._since = self._texts.clock.wall()
        self._ready, self._code, self._detail = ready, code, detail
        self._texts.carrier_changed(self)

    async def take(self, text: Arrived) -> bool:
        new = await self._texts.take(text, self.name)
        self._received += new
        return new

    async def report(self, reference: str, delivered: bool, code: str = "", detail: str = "") -> None:
        if self._busy:
            # Of a part of a long one, as like as not: its number is known when the last part has gone.
            self._early.append((reference, delivered, code, detail[:200]))
            return
        await self._texts.report(self.name, reference, delivered, code, detail[:200])

    # — what the core asks —

    def offer(self) -> Offer:
        return Offer(self.name, self.kind, self.cost, self._ready)

    def state(self, waiting: int) -> CarrierState:
        return CarrierState(
            self.name,
            self.kind,
            self._ready,
            self._code,
            self._detail,
            self.cost,
            self._again_at,
            self._sent,
            self._received,
            waiting,
            self._since,
        )

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        """Until the adapter leaves its seat."""
        while True:
            self._wake.clear()
            row = self._texts.next_for(self) if self._ready else None
            if row is None:
                await self._rest()
                continue
            try:
                self._busy = True
                await self._one(row)
                self._busy = False
                await self._reported()
            except GatewayError as exc:
                # What became of it is not on the disk; in memory it is.
                log.warning("%s: how a short message stands was not kept: %s (%s)", self.name, exc, exc.code)
                self._pause_s = PAUSE_MOST_S
            except Exception:
                log.exception("%s: a short message was left by a mistake of ours", self.name)
                self._texts.left(row)
                self._pause_s = PAUSE_MOST_S
            finally:
                self._busy = False
            if self._pause_s:
                await asyncio.sleep(self._pause_s)

    async def _reported(self) -> None:
        while self._early:
            await self._texts.report(self.name, *self._early.popleft())

    async def _rest(self) -> None:
        """Until something changed, or one that waits for its next attempt may go."""
        now, at = self._texts.clock.monotonic(), self._texts.queue.wake_at(self._texts.clock.monotonic())
        wait_s = None if at is None or not self._ready else max(at - now, 0.05)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._wake.wait()

    async def _one(self, row: Waiting) -> None:
        text = row.text
        done = text.parts_done if text.carrier == self.name else 0
        row.text = replace(
            text,
            state=TextState.SENDING,
            carrier=self.name,
            parts_done=done,
            attempts=text.attempts + 1,
            code="",
            detail="",
        )
        try:
            # On the disk before anything leaves: after a crash it is known that it may have gone.
            await self._texts.keep(row)
            async with asyncio.timeout(SEND_S) as limit:
                sent = await self._send(row.text, self._progress(row, limit))
        except TimeoutError:
            await self._again(row, LinkDown(f"{self.name} did not answer for {SEND_S:.0f} s", code="text-unsure"))
        except (PeerError, Unsupported) as exc:
            await self._refused(row, exc)
        except GatewayError as exc:
            await self._again(row, exc)
        except Exception as exc:
            log.exception("%s: sending a short message failed by a mistake of ours", self.name)
            await self._again(row, LinkDown(str(exc), code="internal"))
        except asyncio.CancelledError:
            row.text = replace(row.text, state=TextState.WAITING, unsure=row.text.unsure + 1)
            self._texts.keep_soon(row)
            raise
        else:
            await self._gone(row, sent)

    def _progress(self, row: Waiting, limit: asyncio.Timeout) -> Progress:
        async def progress(done: int, parts: int) -> None:
            row.text = replace(row.text, parts_done=done, parts=parts)
            # Each part has its time: a BeiDou card may send one a minute.
            limit.reschedule(asyncio.get_running_loop().time() + SEND_S)
            await self._texts.keep(row)

        return progress

    async def _gone(self, row: Waiting, sent: TextSent) -> None:
        self._pause_s = 0.0
        self._sent += 1
        row.text = replace(
            row.text,
            state=TextState.SENT,
            parts=sent.parts,
            parts_done=sent.parts,
            done_at=self._texts.clock.wall(),
        )
        await self._texts.over(row, sent.references)

    async def _again(self, row: Waiting, exc: GatewayError) -> None:
        row.failed(self.name, self._texts.clock.monotonic())
        self._pause_s = min(max(self._pause_s * 2, PAUSE_FIRST_S), PAUSE_MOST_S)
        unsure = row.text.unsure + (exc.code == "text-unsure")
        row.text = replace(row.text, state=TextState.WAITING, code=exc.code, detail=str(exc)[:200], unsure=unsure)
        await self._texts.again(row)

    async def _refused(self, row: Waiting, exc: GatewayError) -> None:
        self._pause_s = 0.0
        row.refused.add(self.name)
        code = "text-refused" if exc.code == "peer-refused" else exc.code
        row.text = replace(row.text, state=TextState.WAITING, code=code, detail=str(exc)[:200])
        await self._texts.refused(row)
