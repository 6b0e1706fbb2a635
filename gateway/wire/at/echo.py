"""What comes back of what was sent: a modem that echoes does so at once, late, or with a line of its own within it."""

from __future__ import annotations

from collections import deque

KEPT = 6


class Echoes:
    """The last things sent; `is_echo` tells a line that is one of them, or a piece of one."""

    def __init__(self) -> None:
        self._sent: deque[str] = deque(maxlen=KEPT)
        self._rest = ""

    def sent(self, text: str) -> None:
        self._sent.append(text)

    def clear(self) -> None:
        self._sent.clear()
        self._rest = ""

    def is_echo(self, line: str) -> bool:
        if line in self._sent:
            self._rest = ""
            return True
        if self._rest and line == self._rest:
            self._rest = ""
            return True
        # An unsolicited line cut the echo in two: its first piece, then whatever is left of it.
        if line[:2].upper() == "AT":
            for text in reversed(self._sent):
                if text.startswith(line):
                    self._rest = text[len(line) :].strip()
                    return True
        return False
