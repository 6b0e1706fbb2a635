"""An AT port: the engine on a pty, with the fake modem behind it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.base.errors import LinkDown, PeerError, Unsupported
from gateway.net.at import AtPort
from gateway.wire.at import AtTimes, Command, Unsolicited
from tests.bench.links.asking import TIMES, ask_all, bad_modem, judge_urcs
from tests.fakes.modem import FakeModem, PtyEnd

IN_S = 20
CSQ = Command("AT+CSQ", ("+CSQ",))


def port_of(path: Path, heard: list[Unsolicited], times: AtTimes | None = None) -> AtPort:
    return AtPort(str(path), owner="test", on_urc=heard.append, times=times)


async def test_answers_and_refusals(tmp_path: Path) -> None:
    heard: list[Unsolicited] = []
    modem = FakeModem()
    with PtyEnd(modem, tmp_path / "modem") as end:
        port = port_of(end.path, heard)
        await port.open()
        assert await port.lines(CSQ) == ("+CSQ: 23,99",)
        with pytest.raises(Unsupported) as unknown:
            await port.lines(Command("AT+NOSUCH"))
        assert unknown.value.code == "modem-unsupported"
        await port.lines(Command("AT+CMEE=1"))
        modem.sim.present = False
        with pytest.raises(PeerError) as told:
            await port.lines(Command("AT+CIMI", empty_ok=True))
        assert told.value.status == 10 and told.value.code == "modem-refused"
        several = await asyncio.gather(*(port.lines(CSQ) for _ in range(20)))
        assert set(several) == {("+CSQ: 23,99",)} or set(several) == {("+CSQ: 99,99",)}
        await port.close()


async def test_unplugged_within_a_command(tmp_path: Path) -> None:
    modem = FakeModem()
    with PtyEnd(modem, tmp_path / "modem") as end:
        port = port_of(end.path, [])
        await port.open()
        modem.hang("power")
        waits = asyncio.ensure_future(port.ask(Command("AT+CSQ", timeout_s=60)))
        gone = asyncio.ensure_future(port.gone())
        await asyncio.sleep(0)
        end.unplug()
        async with asyncio.timeout(IN_S):
            with pytest.raises(LinkDown) as told:
                await waits
            assert told.value.code == "serial-lost" and (await gone).code == "serial-lost"
        with pytest.raises(LinkDown):
            await port.ask(CSQ)
        with pytest.raises(LinkDown):
            await port.open()
        modem.did("power")
        end.plug()  # another pty behind the same name
        await port.open()
        assert await port.lines(CSQ)
        await port.close()


async def test_silence_is_told(tmp_path: Path) -> None:
    modem = FakeModem()
    silent = asyncio.Event()
    with PtyEnd(modem, tmp_path / "modem") as end:
        times = AtTimes(quiet_s=0.01, probe_s=0.02, probes=2)
        port = AtPort(str(end.path), owner="test", on_urc=print, on_silent=silent.set, times=times)
        await port.open()
        modem.hang("power")
        with pytest.raises(LinkDown) as told:
            await port.ask(Command("AT+CSQ", timeout_s=0.02))
        assert told.value.code == "modem-silent"
        async with asyncio.timeout(IN_S):
            await silent.wait()
        with pytest.raises(LinkDown):
            await port.ask(CSQ)
        await port.close()


async def test_none_misattributed_on_a_pty(tmp_path: Path) -> None:
    heard: list[Unsolicited] = []
    modem = bad_modem(3)
    modem.faults.late = modem.faults.lost = 0.0  # those wait: in memory, and in the bench
    with PtyEnd(modem, tmp_path / "modem") as end:
        port = port_of(end.path, heard, TIMES)
        await port.open()
        told = await ask_all(400, 3, modem, port.ask)
        await port.close()
    judge_urcs(told, modem.faults.sent_urcs, [urc.line for urc in heard])
    assert told.wrong == [] and told.urcs_lost == 0 and told.answered == 400, told
