"""One command to a modem, what its answer looks like, and what came back.

What belongs to an answer is told by the command: the prefixes of its lines, a shape where an unsolicited line has the
same prefix, or the shape of lines that have none. Everything else that comes meanwhile is unsolicited.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.base.errors import LocalProtocolError

MAX_COMMAND = 1024
MAX_PAYLOAD = 4096
PDU = re.compile(r"[0-9A-Fa-f]{2,400}")
"""The line behind +CMGL, +CMGR, +CMT and +CDS in PDU mode."""

_WORDS = re.compile(rf"[\x20-\x7e]{{2,{MAX_COMMAND}}}")


@dataclass(frozen=True, slots=True)
class Command:
    """`text` without its line end. `repr` shows no secret command's text."""

    text: str
    prefixes: tuple[str, ...] = ()  # of its answer's lines: "+CSQ"
    shape: re.Pattern[str] | None = None  # a line with the prefix that is not of this shape is unsolicited
    plain: re.Pattern[str] | None = None  # shape of lines without a prefix ("AT+CGSN" answers 15 digits)
    body: re.Pattern[str] | None = None  # each line with a prefix is followed by one like this
    empty_ok: bool = False  # an OK without any line is an answer, though it has prefixes or plain lines
    payload: bytes | None = None  # sent after the prompt
    payload_end: bytes = b"\x1a"
    prompt: str = ">"  # or a whole line, as "READY"
    timeout_s: float = 5.0
    dials: bool = False  # NO CARRIER, BUSY, CONNECT and their like end it
    finals: tuple[str, ...] = ()  # lines that end it well, besides OK
    secret: bool = False

    def __post_init__(self) -> None:
        if _WORDS.fullmatch(self.text) is None or len(self.payload or b"") > MAX_PAYLOAD:
            raise LocalProtocolError("a command is one line of printable ASCII")

    @property
    def shown(self) -> str:
        return self.text.partition("=")[0] + "=…" if self.secret else self.text

    @property
    def expects_lines(self) -> bool:
        return bool(self.prefixes or self.plain) and not self.empty_ok

    def __repr__(self) -> str:
        return f"Command({self.shown})"


class Outcome(StrEnum):
    OK = "ok"
    ERROR = "error"  # without a number
    CME = "cme"  # 3GPP TS 27.007 §9.2
    CMS = "cms"  # 3GPP TS 27.005 §3.2.5
    CALL = "call"  # NO CARRIER, BUSY, NO ANSWER, NO DIALTONE
    CONNECT = "connect"
    TIMEOUT = "timeout"
    LOST = "lost"  # the line, or the modem, was begun anew before it answered


@dataclass(frozen=True, slots=True)
class Answer:
    command: Command = field(repr=False)
    outcome: Outcome
    lines: tuple[str, ...] = ()  # a body stands as a line of its own behind its header
    final: str = ""  # the word that ended it, as it came
    code: int | None = None  # of +CME and +CMS ERROR
    begun: bool = True  # False: the modem never had it, or never had the text behind its prompt

    @property
    def ok(self) -> bool:
        return self.outcome in (Outcome.OK, Outcome.CONNECT)
