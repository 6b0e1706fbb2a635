"""One AT port of the modem: commands in, one at a time; answers out, as well or badly as its faults say."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fakes.modem.device import FakeModem

_NAME = re.compile(r"[+^*$%#][A-Z0-9_]+|&?[A-Z]")


class AtError(Exception):
    """`kind` "" is a bare ERROR, else "CME" or "CMS" with its number."""

    def __init__(self, kind: str = "", code: int = 0) -> None:
        super().__init__(kind, code)
        self.kind, self.code = kind, code


class Final(Exception):
    """Ends a line otherwise than by OK ("NO CARRIER"); "" ends it without a word."""


@dataclass(frozen=True)
class Asked:
    """One command of a line. `op` is "", "?", "=?" or "="."""

    port: ModemPort
    name: str
    op: str
    args: str

    @property
    def values(self) -> list[str]:
        return [value.strip().strip('"') for value in self.args.split(",")] if self.args else []


def split_line(port: ModemPort, line: str) -> list[Asked]:
    """`AT+CREG=2;+CREG?` to its commands (ITU-T V.250 §5.2). Raises AtError."""
    rest, out = line[2:], []
    while rest := rest.lstrip(" ;"):
        found = _NAME.match(rest.upper())
        if found is None:
            raise AtError
        name, rest = found.group(), rest[found.end() :]
        if name == "D":
            return [*out, Asked(port, "D", "", rest)]
        if len(name) > 2 or name[0] in "+^*$%#":
            op = next((op for op in ("=?", "?", "=") if rest.startswith(op)), "")
            rest, cut = rest[len(op) :], 0
            quoted = False
            while cut < len(rest) and (quoted or rest[cut] != ";"):
                quoted ^= rest[cut] == '"'
                cut += 1
            out.append(Asked(port, name, op, rest[:cut] if op == "=" else ""))
            rest = rest[cut:]
        else:
            value = re.match(r"\d*(?:=\d+|\?)?", rest)
            assert value is not None
            out.append(Asked(port, name, "?" if value.group().endswith("?") else "", value.group()))
            rest = rest[value.end() :]
    return out


class ModemPort:
    def __init__(self, modem: FakeModem, write: Callable[[bytes], None]) -> None:
        self.modem = modem
        self._write = write
        self._inbox = bytearray()
        self._text: Callable[[bytes], list[str]] | None = None
        self._busy = False
        self.urcs = True
        self.heard: list[str] = []
        """Every command that was understood as one, in order."""
        self.settings()

    def settings(self) -> None:
        """As after a start."""
        self.echo, self.cmee, self.hold_s = True, 0, 0.0
        self._text, self._busy = None, False
        self._inbox.clear()

    def opened(self, write: Callable[[bytes], None]) -> None:
        """Somebody else opens it; what the one before began to type is gone."""
        self._write, self._text, self._busy = write, None, False
        self._inbox.clear()

    def writes_to(self, write: Callable[[bytes], None]) -> bool:
        return self._write == write

    def receive(self, data: bytes) -> None:
        if self.modem.deaf:
            return
        self._inbox += data
        self._work()

    def emit(self, data: bytes) -> None:
        faults = self.modem.faults
        for at, piece in enumerate(faults.pieces(data)):
            if faults.gap_s:
                asyncio.get_running_loop().call_later(at * faults.gap_s, self._write, piece)
            else:
                self._write(piece)

    def urc(self, line: str) -> None:
        if self.urcs and not self.modem.deaf:
            self.modem.faults.sent_urcs.append(line)
            self.emit(f"\r\n{line}\r\n".encode())

    def ask_text(self, taken: Callable[[bytes], list[str]]) -> None:
        """The command in hand wants a text: `taken` gives the lines of its answer."""
        self._text = taken

    def _work(self) -> None:
        while not self._busy:
            if self._text is not None:
                found = re.search(rb"[\x1a\x1b]", self._inbox)
                if found is None:
                    # What is typed stands there; a line end asks for more (3GPP TS 27.005 §3.5.1).
                    if b"\r" in self._inbox:
                        self._inbox = bytearray(self._inbox.replace(b"\r", b""))
                        self.emit(b"\r\n> ")
                    return
                body = bytes(self._inbox[: found.start()])
                del self._inbox[: found.end()]
                taken, self._text = self._text, None
                if found.group() == b"\x1b":
                    self._say([], "OK", body.decode("ascii", "replace"))
                else:
                    self._run_text(taken, body)
                continue
            end = self._inbox.find(b"\r")
            if end < 0:
                del self._inbox[:-4096]
                return
            raw = bytes(self._inbox[:end])
            del self._inbox[: end + 1]
            line = raw.decode("ascii", "replace").replace("\x1b", "").replace("\x1a", "").strip()
            at = line.upper().rfind("AT") if not line.upper().startswith("AT") else 0
            if at >= 0 and line:
                self._command(line[at:])

    def _command(self, line: str) -> None:
        self.heard.append(line)
        faults = self.modem.faults
        if faults.hit(faults.lost):
            return
        lines: list[str] = []
        final = "OK"
        self.hold_s = faults.delay_s
        try:
            for asked in split_line(self, line):
                lines += self.modem.answer(asked)
        except AtError as exc:
            final = self._error(exc)
        except Final as exc:
            final = str(exc)
        if faults.hit(faults.late):
            self.hold_s += faults.random.uniform(*faults.late_s)
        if self._text is not None:
            self._say([], "", line)
            self.emit(b"\r\n> ")
            return
        self._later(lambda: self._say(lines, final, line))

    def _run_text(self, taken: Callable[[bytes], list[str]], body: bytes) -> None:
        self.hold_s = self.modem.faults.delay_s
        try:
            lines, final = taken(body), "OK"
        except AtError as exc:
            lines, final = [], self._error(exc)
        if self.modem.faults.hit(self.modem.faults.late):
            self.hold_s += self.modem.faults.random.uniform(*self.modem.faults.late_s)
        self._later(lambda: self._say(lines, final, body.decode("ascii", "replace")))

    def _later(self, say: Callable[[], None]) -> None:
        if self.hold_s <= 0:
            say()
            return
        self._busy = True
        life = self.modem.life

        def due() -> None:
            if life != self.modem.life or self.modem.deaf:
                return
            self._busy = False
            say()
            self._work()

        asyncio.get_running_loop().call_later(self.hold_s, due)

    def _error(self, exc: AtError) -> str:
        if not exc.kind or (exc.kind == "CME" and not self.cmee):
            return "ERROR"
        words = self.modem.words_of(exc.kind, exc.code)
        return f"+{exc.kind} ERROR: {words if self.cmee == 2 and words else exc.code}"

    def _say(self, lines: list[str], final: str, sent: str) -> None:
        faults = self.modem.faults
        out: list[str] = []
        for line in [*lines, *([final] if final else [])]:
            if faults.hit(faults.urc):
                urc = faults.some_urc()
                faults.sent_urcs.append(urc)
                out.append(f"\r\n{urc}\r\n")
            # A body stands right behind its header.
            out.append("".join(f"{part}\r\n" if at else f"\r\n{part}\r\n" for at, part in enumerate(line.split("\n"))))
        if self.echo:
            echo = sent + "\r"
            if len(sent) > 4 and faults.hit(faults.split_echo):
                cut = faults.random.randint(3, len(sent) - 1)
                urc = faults.some_urc()
                faults.sent_urcs.append(urc)
                at = 0
                out.insert(at, f"{sent[:cut]}\r\n{urc}\r\n{sent[cut:]}\r")
            else:
                out.insert(min(1, len(out)) if faults.hit(faults.late_echo) else 0, echo)
        if faults.hit(faults.noise):
            self.emit(faults.some_noise())
        self.emit("".join(out).encode())
        self.modem.told(self)
