"""The modem adapter on a pseudo-terminal in real time: up, a message, unplugged, back as another port, ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from adapters.modem import Modem
from adapters.modem.config import ModemConfig
from gateway.model.link import LinkPhase
from tests.fakes.modem import RM500Q, FakeModem, PtyEnd
from tests.fakes.modem.pdus import deliver
from tests.unit.modem.rig import Seats
from tests.unit.modem.test_session import FakeContext

PATIENCE_S = 25


async def until(seat: Seats, right: Callable[[], bool]) -> None:
    """Right after something was told to the seat."""
    async with asyncio.timeout(PATIENCE_S):
        while not right():
            seat.changed.clear()
            await seat.changed.wait()


async def test_a_modem_comes_goes_and_comes_again(tmp_path: Path) -> None:
    modem = FakeModem(RM500Q)
    modem.faults.cut = (1, 9)
    modem.faults.urc = 0.2
    modem.faults.urcs = ('+QIND: "csq",{n}', "+CREG: 1")
    context = FakeContext(tmp_path)
    with PtyEnd(modem, tmp_path / "by-path") as end:
        config = {"modems": {"nr0": {"backend": "at", "port": str(end.path), "interface": "wwan0", "poll": "1s"}}}
        task = asyncio.ensure_future(Modem(ModemConfig.model_validate(config), context).run())  # type: ignore[arg-type]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        seat, carrier = context.seats["nr0"], context.carriers["nr0"]
        await until(seat, lambda: bool(seat.told) and seat.told[-1].phase is LinkPhase.UP)
        modem.text_in(deliver("+8613900001111", "桥断了"))
        await until(carrier, lambda: [one.body for one in carrier.taken] == ["桥断了"])
        first = end.path.resolve()
        end.unplug()
        await until(seat, lambda: seat.told[-1].code == "modem-absent")
        blocker = PtyEnd(FakeModem(), tmp_path / "other")
        blocker.plug()  # takes the number that is free now
        end.plug()
        assert end.path.resolve() != first, "another number"
        await until(seat, lambda: seat.told[-1].phase is LinkPhase.UP)
        blocker.unplug()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert carrier.ready[-1] == (False, "modem-absent")
