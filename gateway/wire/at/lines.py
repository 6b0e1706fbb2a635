"""Bytes of a modem to lines: cut anywhere, any line end, noise between; and the prompt, which has no end.

A modem answers `\\r\\n+CSQ: 20,99\\r\\n\\r\\nOK\\r\\n`, echoes with `\\r` alone, and asks for a text with `> ` and
nothing behind it (3GPP TS 27.005 §3.5.1). Lines longer than MAX_LINE, and lines with control characters, are noise:
counted, never handed on.
"""

from __future__ import annotations

import re
from enum import Enum, auto

MAX_LINE = 4096
"""Bytes; the longest that real modems write is a list of all networks, some 2,000."""

_END = re.compile(rb"[\r\n]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ufffd]")


class Token(Enum):
    PROMPT = auto()


class LineReader:
    def __init__(self) -> None:
        self._held = bytearray()
        self._searched = 0
        self._skipping = False
        self.noise = 0
        """Bytes that were no text of a modem."""

    @property
    def holds(self) -> int:
        return len(self._held)

    def feed(self, data: bytes) -> None:
        # Lines that are idle, or a modem that boots, bring NULs.
        self._held += data.replace(b"\0", b"")

    def clear(self) -> None:
        self.noise += len(self._held)
        self._held.clear()
        self._searched, self._skipping = 0, False

    def next(self, *, prompting: bool = False) -> str | Token | None:
        """The next line without its end, or PROMPT where one may come; None when more bytes are needed."""
        while True:
            if not self._searched and not self._skipping:
                start = len(self._held) - len(self._held.lstrip(b"\r\n \t"))
                del self._held[:start]
            if prompting and not self._skipping and self._held.startswith(b">"):
                del self._held[:1]
                self._searched = 0
                return Token.PROMPT
            found = _END.search(self._held, self._searched)
            if found is None:
                self._searched = len(self._held)
                if len(self._held) > MAX_LINE:
                    self.clear()
                    self._skipping = True
                return None
            raw = bytes(self._held[: found.start()])
            del self._held[: found.end()]
            self._searched = 0
            if self._skipping or len(raw) > MAX_LINE:
                self.noise += len(raw)
                self._skipping = False
                continue
            line = raw.decode("utf-8", "replace").strip()
            if _CONTROL.search(line):
                self.noise += len(raw)
                continue
            if line:
                return line
