"""How a modem's line is bad: each a probability or a switch that a test sets, by one seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass
class Faults:
    seed: int = 1
    cut: tuple[int, int] | None = None  # output leaves in pieces of so many bytes
    gap_s: float = 0.0  # between the pieces
    urc: float = 0.0  # before each line of an answer, and behind the last
    urcs: tuple[str, ...] = (
        '+CMTI: "ME",{n}',
        "+QIND: {n}",
        "^RSSI: {n}",
        "+CREG: 1",
        "RING",
        '+CEREG: 1,"1A2B","0C0FFEE",7',
    )
    late_echo: float = 0.0  # the echo comes behind the first line of the answer
    split_echo: float = 0.0  # an unsolicited line within the echo
    late: float = 0.0  # an answer comes `late_s` later than it should, whatever was asked meanwhile waits
    late_s: tuple[float, float] = (0.5, 1.5)
    lost: float = 0.0  # a command is not heard
    noise: float = 0.0  # bytes that are nobody's before an answer
    delay_s: float = 0.0  # each answer takes so long
    sent_urcs: list[str] = field(default_factory=list)
    """All unsolicited lines that went out, in order."""

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self._n = 0

    def hit(self, chance: float) -> bool:
        return chance > 0 and self.random.random() < chance

    def some_urc(self) -> str:
        self._n += 1
        return self.random.choice(self.urcs).replace("{n}", str(self._n))

    def some_noise(self) -> bytes:
        kind = self.random.randrange(4)
        if kind == 0:
            return b"\0" * self.random.randint(1, 40)
        if kind == 1:
            return bytes(self.random.randrange(128, 256) for _ in range(self.random.randint(1, 60))) + b"\r\n"
        if kind == 2:
            return b"\x01\x02" * 30 + b"\r\n"
        return b"\r\n" + b"\x7f" * 5000 + b"\r\n"

    def pieces(self, data: bytes) -> list[bytes]:
        if self.cut is None:
            return [data]
        out, at = [], 0
        while at < len(data):
            size = self.random.randint(*self.cut)
            out.append(data[at : at + size])
            at += size
        return out
