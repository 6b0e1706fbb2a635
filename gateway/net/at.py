"""An AT port: one serial line with one engine on it (`gateway.wire.at`). Feed, handle events, flush, re-arm.

port = AtPort("usb:1-1.3:2", owner="modem wwan-a", on_urc=…)
await port.open()
answer = await port.ask(Command("AT+CSQ", ("+CSQ",)))
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from re import Pattern

from gateway.base.errors import GatewayError, LinkDown, PeerError, Unsupported
from gateway.base.serial import SerialLine, open_serial
from gateway.wire.at import Answer, Answered, AtEngine, AtTimes, Command, Outcome, Silent, Unsolicited
from gateway.wire.at.events import URC_BODIES


class Unheard(LinkDown):
    """No answer, and the modem never had the command (or never had the text behind its prompt): nothing happened."""


class AtPort:
    """Opened, closed and opened anew as often as wanted. `ask` may be called by several at once: they take turns."""

    def __init__(
        self,
        address: str,
        *,
        owner: str,
        on_urc: Callable[[Unsolicited], None],
        on_silent: Callable[[], None] | None = None,
        baud: int = 115_200,
        times: AtTimes | None = None,
        urc_bodies: Mapping[str, Pattern[str]] = URC_BODIES,
    ) -> None:
        self.address = address
        self.engine = AtEngine(times=times, urc_bodies=urc_bodies)
        self._owner = owner
        self._on_urc = on_urc
        self._on_silent = on_silent
        self._baud = baud
        self._line: SerialLine | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._lost: asyncio.Future[GatewayError] | None = None

    @property
    def is_open(self) -> bool:
        return self._line is not None

    async def open(self) -> None:
        """Raises as `open_serial`."""
        await self.close()
        lost = self._lost = asyncio.get_running_loop().create_future()
        line = await open_serial(
            self.address, owner=self._owner, on_data=self._on_data, on_lost=self._on_lost, baud=self._baud
        )
        if lost.done():  # it went before anybody had it
            raise lost.result()
        self._line = line
        self.engine.reset()

    async def close(self) -> None:
        """Whoever waits is told that the line is gone (`serial-lost`)."""
        line, self._line = self._line, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.engine.reset()
        self._events()
        if line is not None:
            await line.close()

    async def gone(self) -> GatewayError:
        """Returns when the line has ended by itself, saying how."""
        if self._lost is None:
            return LinkDown(f"{self.address} is not open", code="serial-lost")
        return await asyncio.shield(self._lost)

    def restarted(self) -> None:
        """The modem has begun anew: what it was asked before will not be answered."""
        self.engine.reset()
        self._flush()

    async def ask(self, command: Command, *, urgent: bool = False) -> Answer:
        """The answer, whatever it says; a line that was given up is tried again.

        Raises LinkDown: `modem-silent` when none came in time, `serial-lost` when the line went, as Unheard where it
        was not even asked; Busy when too many wait.
        """
        if self._line is None:
            raise Unheard(f"{self.address} is not open", code="serial-lost")
        self.engine.revive(self._now())
        identity = self.engine.submit(command, self._now(), urgent=urgent)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[identity] = future
        self._flush()
        try:
            answer = await future
        finally:
            if self._waiting.pop(identity, None) is not None:
                self.engine.withdraw(identity)
        down = LinkDown if answer.begun else Unheard
        if answer.outcome is Outcome.TIMEOUT:
            raise down(f"{self.address}: no answer to {command.shown}", code="modem-silent")
        if answer.outcome is Outcome.LOST:
            raise down(f"{self.address}: gone before it answered {command.shown}", code="serial-lost")
        return answer

    async def lines(self, command: Command) -> tuple[str, ...]:
        """The lines of an answer that is well. Raises as `ask`; Unsupported or PeerError when it is not."""
        answer = await self.ask(command)
        if not answer.ok:
            raise refused(command, answer)
        return answer.lines

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _on_data(self, data: bytes) -> None:
        self.engine.receive_data(data, self._now())
        self._flush()

    def _on_lost(self, error: GatewayError) -> None:
        self._line = None
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(error)
        self.engine.reset()
        self._flush()

    def _due(self) -> None:
        self.engine.handle_timer(self._now())
        self._flush()

    def _flush(self) -> None:
        while True:
            out = self.engine.data_to_send(self._now())
            if out and self._line is not None:
                self._line.write(out)
            if not self._events():
                break
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self.engine.next_timer()
        if due is not None and self._line is not None:
            self._timer = asyncio.get_running_loop().call_at(due, self._due)

    def _events(self) -> bool:
        some = False
        while (event := self.engine.next_event()) is not None:
            some = True
            if isinstance(event, Answered):
                waits = self._waiting.pop(event.id, None)
                if waits is not None and not waits.done():
                    waits.set_result(event.answer)
            elif isinstance(event, Unsolicited):
                self._on_urc(event)
            elif isinstance(event, Silent) and self._on_silent is not None:
                self._on_silent()
        return some


def refused(command: Command, answer: Answer) -> GatewayError:
    """What an answer that is not OK means: the modem does not know the command, or it will not."""
    said = answer.final or answer.outcome
    if (answer.outcome is Outcome.CME and answer.code in (4, 100)) or answer.outcome is Outcome.ERROR:
        return Unsupported(f"{command.shown}: {said}", code="modem-unsupported")
    return PeerError(f"{command.shown}: {said}", status=answer.code or said, code="modem-refused")
