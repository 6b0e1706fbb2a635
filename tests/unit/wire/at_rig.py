"""An AT engine and a fake modem joined in memory, on a loop whose time a test moves."""

from __future__ import annotations

import asyncio

from gateway.wire.at import Answer, Answered, AtEngine, AtEvent, AtTimes, Command, Resynced, Silent, Unsolicited
from tests.fakes.loop import advance
from tests.fakes.modem import FakeModem, ModemPort, memory_end


class AtRig:
    def __init__(self, modem: FakeModem, times: AtTimes | None = None) -> None:
        self.modem = modem
        self.engine = AtEngine(times=times)
        self.answers: dict[int, Answer] = {}
        self.unsolicited: list[Unsolicited] = []
        self.others: list[Resynced | Silent] = []
        self.port: ModemPort = memory_end(modem, self._in)
        self._timer: asyncio.TimerHandle | None = None

    def _in(self, data: bytes) -> None:
        self.engine.receive_data(data, self._now())
        # Not within the modem's own turn: a port does not answer while it is written to.
        asyncio.get_running_loop().call_soon(self.flush)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def flush(self) -> None:
        if out := self.engine.data_to_send(self._now()):
            self.port.receive(out)
        while (event := self.engine.next_event()) is not None:
            self._heard(event)
        if self._timer is not None:
            self._timer.cancel()
        due = self.engine.next_timer()
        self._timer = None if due is None else asyncio.get_running_loop().call_at(due, self._due)

    def _due(self) -> None:
        self.engine.handle_timer(self._now())
        self.flush()

    def _heard(self, event: AtEvent) -> None:
        if isinstance(event, Answered):
            self.answers[event.id] = event.answer
        elif isinstance(event, Unsolicited):
            self.unsolicited.append(event)
        else:
            self.others.append(event)

    def submit(self, command: Command) -> int:
        identity = self.engine.submit(command, self._now())
        self.flush()
        return identity

    async def ask(self, command: Command, *, within_s: float = 60.0) -> Answer:
        identity = self.submit(command)
        for _ in range(round(within_s / 0.05)):
            await advance(0.0)
            if identity in self.answers:
                return self.answers.pop(identity)
            await advance(0.05)
        raise AssertionError(f"{command} is not answered")
