"""Whose answer is it? Commands with an answer of their own each, against a fake modem that is bad at everything.

`misattributed(n, seed)` in memory on a loop moved by hand; `make bench-links` runs 10,000 on pseudo-terminals.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from gateway.base.errors import LinkDown
from gateway.wire.at import PDU, Answer, AtTimes, Command, Outcome
from tests.fakes.modem import FakeModem, Faults
from tests.fakes.modem.port import Asked, AtError

TIMES = AtTimes(quiet_s=0.15, probe_s=0.6, probes=12)
TIMEOUT_S = 0.5


@dataclass
class Told:
    answered: int = 0
    timeouts: int = 0
    urcs: int = 0
    urcs_lost: int = 0
    wrong: list[str] = field(default_factory=list)


def handlers() -> dict[str, Callable[[FakeModem, Asked], list[str]]]:
    """Commands whose answer says which one it answers, in each form that answers have."""

    def one(modem: FakeModem, asked: Asked) -> list[str]:
        return [f"+VALA: {asked.args}"]

    def plain(modem: FakeModem, asked: Asked) -> list[str]:
        return [f"{int(asked.args):015d}"]

    def bodies(modem: FakeModem, asked: Asked) -> list[str]:
        number = int(asked.args)
        return [f"+VALC: {number},{at}\n{number:08X}{at:02X}" for at in range(number % 4)]

    def bare(modem: FakeModem, asked: Asked) -> list[str]:
        if int(asked.args) % 3:
            raise AtError("CME", 1000 + int(asked.args))
        return []

    def text(modem: FakeModem, asked: Asked) -> list[str]:
        asked.port.ask_text(lambda body: [f"+VALE: {body.decode()}"])
        return []

    return {"+VALA": one, "+VALB": plain, "+VALC": bodies, "+VALD": bare, "+VALE": text}


def command(number: int) -> tuple[Command, tuple[Outcome, tuple[str, ...], int | None]]:
    """The command and what alone may answer it."""
    match number % 5:
        case 0:
            return Command(f"AT+VALA={number}", ("+VALA",), timeout_s=TIMEOUT_S), (
                Outcome.OK,
                (f"+VALA: {number}",),
                None,
            )
        case 1:
            shape = re.compile(r"\d{15}")
            return Command(f"AT+VALB={number}", plain=shape, timeout_s=TIMEOUT_S), (
                Outcome.OK,
                (f"{number:015d}",),
                None,
            )
        case 2:
            lines = tuple(
                line for at in range(number % 4) for line in (f"+VALC: {number},{at}", f"{number:08X}{at:02X}")
            )
            return Command(f"AT+VALC={number}", ("+VALC",), body=PDU, empty_ok=True, timeout_s=TIMEOUT_S), (
                Outcome.OK,
                lines,
                None,
            )
        case 3:
            told = (Outcome.CME, (), 1000 + number) if number % 3 else (Outcome.OK, (), None)
            return Command(f"AT+VALD={number}", timeout_s=TIMEOUT_S), told
        case _:
            body = f"{number:010X}"
            return Command(f"AT+VALE={number}", ("+VALE",), payload=body.encode(), timeout_s=TIMEOUT_S), (
                Outcome.OK,
                (f"+VALE: {body}",),
                None,
            )


def bad_modem(seed: int) -> FakeModem:
    faults = Faults(
        seed, cut=(1, 9), urc=0.3, late_echo=0.3, split_echo=0.05, late=0.02, late_s=(0.3, 1.5), lost=0.005, noise=0.02
    )
    modem = FakeModem(faults=faults)
    modem.handlers.update(handlers())
    return modem


async def ask_all(count: int, seed: int, modem: FakeModem, ask: Callable[[Command], Awaitable[Answer]]) -> Told:
    told, rng = Told(), random.Random(seed)
    chances = modem.faults.late, modem.faults.lost
    modem.faults.late = modem.faults.lost = 0.0
    await ask(Command("AT+CMEE=1"))
    modem.faults.late, modem.faults.lost = chances
    for number in range(count):
        if rng.random() < 0.02:
            with suppress(LinkDown):
                await ask(Command(f"ATE{rng.randrange(2)}", timeout_s=TIMEOUT_S))
        asked, due = command(number)
        try:
            answer = await ask(asked)
        except LinkDown:
            told.timeouts += 1
            continue
        if answer.outcome is Outcome.TIMEOUT:
            told.timeouts += 1
        else:
            told.answered += 1
            if (answer.outcome, answer.lines, answer.code) != due:
                told.wrong.append(f"{asked}: {answer!r}")
    return told


def judge_urcs(told: Told, sent: list[str], heard: list[str]) -> None:
    told.urcs = len(sent)
    left, more = Counter(sent) - Counter(heard), Counter(heard) - Counter(sent)
    told.urcs_lost = left.total() + more.total()
    told.wrong += [f"nobody said {line!r} unasked" for line in more]


async def misattributed(count: int, seed: int) -> Told:
    """In memory; runs on a loop moved by hand."""
    from tests.unit.wire.at_rig import AtRig

    modem = bad_modem(seed)
    rig = AtRig(modem, TIMES)
    told = await ask_all(count, seed, modem, rig.ask)
    judge_urcs(told, modem.faults.sent_urcs, [urc.line for urc in rig.unsolicited])
    return told
