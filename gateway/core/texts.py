"""Short messages, both ways: none is lost and none is there twice. Fulfils `contract.texts.Texts`.

What goes out is a row on the disk before `send` returns, and waits there until a carrier has sent it, it is too old,
or nobody will take it. What came is on the disk before the carrier removes it. Both are told to the console.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.base.clock import Clock
from gateway.base.errors import Busy, GatewayError, NotFound, RemoteProtocolError
from gateway.base.moment import Moments
from gateway.base.tasks import beat
from gateway.base.textaddress import address
from gateway.contract.texts import CarrierSeat, Send
from gateway.core.messages import Bus
from gateway.core.texts_queue import Queue, Waiting
from gateway.core.texts_seat import Seat
from gateway.core.ulid import ulid
from gateway.model.texts import (
    MIXED,
    Arrived,
    CarrierKind,
    CarrierState,
    TextIn,
    TextOut,
    TextPriority,
    TextState,
    kind_of,
)
from gateway.store.texts_in import TextInRepo
from gateway.store.texts_out import TextOutRepo, WaitingRow

if TYPE_CHECKING:
    from gateway.config.texts import Texts as TextsConfig

log = logging.getLogger(__name__)

MOST_BODY = 1600
"""Characters: ten parts and more, and all that a person writes."""
MOST_PART = 255 * 160
"""Characters: of a long message that a carrier's own program has joined."""
MOST_CARRIERS = 64
NOT_SET = "?"
"""Behind the run of the machine in which a message was put, when nobody had told its clock the time yet."""
LOOK_S = 10.0
_BETWEEN = str.maketrans("", "", " -()/")
KNOWN_S = 60 * 86400.0


def wanted(number: str) -> str:
    """What is looked for in numbers: as they are kept, without what people write between the digits."""
    return number.strip().translate(_BETWEEN)


class Texts:
    """On the event loop; `run` is a task of the daemon."""

    def __init__(
        self,
        gateway: str,
        out: TextOutRepo,
        came: TextInRepo,
        bus: Bus,
        clock: Clock,
        moments: Moments,
        config: Callable[[], TextsConfig],
    ) -> None:
        self._gateway = gateway
        self._out, self._in = out, came
        self._bus = bus
        self.clock = clock
        self._moments = moments
        self._config = config
        self._seats: dict[str, Seat] = {}
        self._heard: list[Callable[[TextIn], None]] = []
        self._late: set[asyncio.Future[None]] = set()
        self.queue = Queue()
        self._load()

    # — carriers —

    def carrier(
        self, name: str, kind: CarrierKind, send: Send, *, cost: int = 0, number: str = ""
    ) -> AbstractContextManager[CarrierSeat]:
        return self._seated(name, kind, send, cost, number)

    @contextmanager
    def _seated(self, name: str, kind: CarrierKind, send: Send, cost: int, number: str) -> Iterator[CarrierSeat]:
        if name in self._seats:
            raise Busy(f"{name[:80]!r} carries short messages already", code="text-carrier-taken")
        if len(self._seats) >= MOST_CARRIERS:
            raise Busy(f"{MOST_CARRIERS} carriers are here already", code="too-many")
        seat = self._seats[name] = Seat(self, name, kind, send, cost, number)
        task = asyncio.get_running_loop().create_task(seat.run(), name=f"texts by {name}")
        self._say("text-carrier", name, seat.state(self._waiting_for(seat)))
        try:
            yield seat
        finally:
            task.cancel()
            del self._seats[name]
            self._say("text-carrier", name, replace(seat.state(0), ready=False), gone=True)

    def carrier_changed(self, seat: Seat) -> None:
        self._say("text-carrier", seat.name, seat.state(self._waiting_for(seat)))
        self._wake()

    def carriers(self) -> Sequence[CarrierState]:
        return [seat.state(self._waiting_for(seat)) for seat in self._seats.values()]

    def ready(self, kind: CarrierKind) -> bool:
        """Somebody could send one of that kind now."""
        return any(offer.kind is kind and offer.ready for offer in (seat.offer() for seat in self._seats.values()))

    def next_for(self, seat: Seat) -> Waiting | None:
        offers = [one.offer() for one in self._seats.values()]
        return self.queue.next(seat.offer(), offers, self.clock.monotonic())

    # — out —

    async def send(
        self,
        to: str,
        body: str,
        *,
        id: str = "",
        priority: TextPriority = TextPriority.PERSON,
        max_age_s: float | None = None,
        replaces: str = "",
        by: str = "",
        carrier: str = "",
    ) -> TextOut:
        told = address(to)
        if told is None:
            raise RemoteProtocolError(f"{to[:40]!r} is no number", code="text-address")
        if not body or len(body) > MOST_BODY:
            raise RemoteProtocolError(f"{len(body)} characters, 1 to {MOST_BODY} go", code="text-too-long")
        now, moment = self.clock.wall(), self._moments.now()
        text = TextOut(
            id=id or ulid(now),
            to=told,
            body=body,
            priority=priority,
            kind=kind_of(told),
            by=by,
            wanted=carrier,
            made_at=now,
            max_age_s=self._config().max_age if max_age_s is None else max_age_s,
        )
        full = len(self.queue.rows) >= self._config().waiting
        if full and id and (known := await self._out.get(id)) is not None:
            return known
        if full and self.queue.gives_way_to(text) is None:
            raise Busy(f"{len(self.queue.rows)} short messages wait already", code="texts-full")
        run = moment.boot_id if moment.quality.good else moment.boot_id + NOT_SET
        text, new = await self._out.put(WaitingRow(text, replaces, run, moment.mono))
        if not new:
            return text
        self.queue.put(Waiting(text, replaces, self.clock.monotonic()))
        self._tell_out(text)
        if full and (last := self.queue.gives_way_to(text)) is not None:
            await self._end(last, TextState.FAILED, "text-gave-way")
        for older in self.queue.replaced_by(replaces, text.number):
            await self._end(older, TextState.CANCELLED, "text-replaced")
        self._wake()
        return text

    async def cancel(self, id_: str) -> TextOut:
        """Raises NotFound; one that is under way or gone stays as it is."""
        row = self.queue.find(id_)
        if row is not None and row.text.state is TextState.WAITING:
            await self._end(row, TextState.CANCELLED, "")
            return row.text
        found = await self._out.get(id_)
        if found is None:
            raise NotFound(f"there is no short message {id_[:40]!r}")
        return found

    async def known(self, id_: str) -> TextOut | None:
        """How it stands."""
        row = self.queue.find(id_)
        return row.text if row is not None else await self._out.get(id_)

    async def ages_of_tried(self, name: str, limit: int) -> Sequence[float]:
        """Seconds since those were put whose name begins so and which a carrier has tried, newest first."""
        return [self._age_s(row) for row in await self._out.tried(name, limit)]

    async def report(self, carrier: str, reference: str, delivered: bool, code: str, detail: str) -> None:
        text = await self._out.report(carrier, reference, delivered, code, detail, self.clock.wall())
        if text is not None:
            self._tell_out(text)

    # — in —

    async def take(self, text: Arrived, carrier: str) -> bool:
        if not 1 <= text.part <= text.parts <= 255 or len(text.body) > MOST_PART:
            raise RemoteProtocolError("a part of a short message that can be none", code="text-damaged")
        arrived = replace(text, sender=(address(text.sender) or text.sender)[:64], mark=text.mark[:64])
        now = self.clock.wall()
        new, whole, mixed = await self._in.take(arrived, carrier, now, lambda: ulid(now))
        for one in mixed:
            log.warning("a long message %s may have parts of another one: %s", one.id, MIXED)
            self._say("text-in", one.id, one)
        if whole is not None:
            self._tell_in(whole)
        return new

    def on_kept(self, called: Callable[[TextIn], None]) -> Callable[[], None]:
        self._heard.append(called)
        return lambda: self._heard.remove(called)

    async def note(self, text: TextIn, code: str, detail: str = "") -> None:
        """What became of a message that was not for people."""
        await self._in.note(text.number, code, detail[:200])
        self._say("text-in", text.id, replace(text, code=code, detail=detail[:200]))

    async def seen(self, id_: str, by: str) -> TextIn:
        found = await self._in.seen(id_, by, self.clock.wall())
        if found is None:
            raise NotFound(f"there is no short message {id_[:40]!r}")
        self._say("text-in", found.id, found)
        return found

    async def sent_lately(self, *, before: int | None = None, limit: int = 200, number: str = "") -> Sequence[TextOut]:
        return await self._out.recent(before=before, limit=limit, to=wanted(number))

    async def came_lately(self, *, before: int | None = None, limit: int = 200, number: str = "") -> Sequence[TextIn]:
        return await self._in.recent(before=before, limit=limit, sender=wanted(number))

    async def unread(self, after: int, size: int, limit: int) -> Sequence[TextIn]:
        """Messages of that size of which nothing was noted, oldest first."""
        return await self._in.unread(after, size, limit)

    # — time —

    async def run(self) -> None:
        """What is too old goes; long messages whose parts do not come are shown as far as they came."""
        while True:
            await beat(LOOK_S)
            try:
                await self.look()
            except GatewayError as exc:
                log.warning("short messages: %s (%s)", exc, exc.code)

    async def look(self) -> None:
        for row in self.queue.too_old(self.clock.monotonic()):
            await self._end(row, TextState.EXPIRED, "text-expired", row.text.code)
        wall = self.clock.wall()
        for whole in await self._in.give_up(wall - self._config().parts_wait, wall, lambda: ulid(wall)):
            self._tell_in(whole)

    def prune(self, now: float) -> None:
        config = self._config()
        self._out.prune(now - config.keep)
        self._in.prune(now - config.keep, now - KNOWN_S, config.most)

    # — what seats do with a message —

    async def keep(self, row: Waiting) -> None:
        """How it stands goes to the disk."""
        await self._out.update(row.text)
        self._tell_out(row.text)

    async def again(self, row: Waiting) -> None:
        """It waits for another attempt, unless a newer one has taken its place meanwhile."""
        if self.queue.out_of_date(row):
            await self._end(row, TextState.CANCELLED, "text-replaced")
        else:
            await self.keep(row)
            self._wake()  # its next attempt may be another's

    def left(self, row: Waiting) -> None:
        """Nobody knows how far it got: it waits, as after a crash."""
        if row.text.state is TextState.SENDING:
            row.text = replace(row.text, state=TextState.WAITING, unsure=row.text.unsure + 1, code="internal")

    def keep_soon(self, row: Waiting) -> None:
        """As `keep`, of one whose carrier leaves: the write is not waited for."""
        task = asyncio.ensure_future(self.keep(row))
        self._late.add(task)
        task.add_done_callback(self._late.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._wake()

    async def over(self, row: Waiting, references: Sequence[str] = ()) -> None:
        """It goes out of the queue, whether the disk takes it or not: it was sent."""
        self.queue.rows.pop(row.text.number, None)
        await self._out.update(row.text, references)
        self._tell_out(row.text)

    async def refused(self, row: Waiting) -> None:
        if self.queue.nobody_takes(row, [seat.offer() for seat in self._seats.values()]):
            await self._end(row, TextState.FAILED, row.text.code, row.text.detail)
            return
        await self.keep(row)
        self._wake()

    # — within —

    async def _end(self, row: Waiting, state: TextState, code: str, detail: str = "") -> None:
        row.text = replace(row.text, state=state, code=code, detail=detail, done_at=self.clock.wall())
        await self.over(row)

    def _load(self) -> None:
        now = self.clock.monotonic()
        for row in self._out.waiting():
            text = row.text
            if text.state is TextState.SENDING:
                # We ended in the middle: it may have gone.
                text = replace(text, state=TextState.WAITING, unsure=text.unsure + 1, code="text-unsure")
            self.queue.put(Waiting(text, row.replaces, now - min(self._age_s(row), text.max_age_s)))

    def _age_s(self, row: WaitingRow) -> float:
        """The wall clock may have been set since: within one run of the machine the other one says how old it is.

        Of one that an earlier run dated before its clock was set nobody knows: it is taken for new rather than lost."""
        moment = self._moments.now()
        if row.boot_id.removesuffix(NOT_SET) == moment.boot_id:
            return max(moment.mono - row.mono, 0.0)
        if row.boot_id.endswith(NOT_SET) and moment.quality.good:
            return 0.0
        return max(moment.wall - row.text.made_at, 0.0)

    def _waiting_for(self, seat: Seat) -> int:
        return sum(
            row.text.kind is seat.kind and row.text.wanted in ("", seat.name) for row in self.queue.rows.values()
        )

    def _wake(self) -> None:
        for seat in self._seats.values():
            seat.wake()

    def _say(self, type_: str, subject: str, data: object, *, gone: bool = False) -> None:
        self._bus.publish(type_, subject, data, gone=gone, within=self._gateway)

    def _tell_out(self, text: TextOut) -> None:
        self._say("text-out", text.id, text)

    def _tell_in(self, text: TextIn) -> None:
        log.info(
            "a short message came by %s%s", text.carrier, f", {text.missing} parts missing" if text.missing else ""
        )
        self._say("text-in", text.id, text)
        for called in list(self._heard):
            called(text)
