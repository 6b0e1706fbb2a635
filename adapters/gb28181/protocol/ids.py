"""The 20-digit ids of GB/T 28181 annex E, and the SSRC ("y=") made from them.

An id is text: centre code 8, industry 2, type 3 (digits 11 to 13), network 1, serial 6. Old platforms send 18 digits,
and numbers that follow no rule at all are in the field, so reading is lenient: only the length and the digits count.
"""

from __future__ import annotations

from gateway.base.errors import Busy

MAX_ID_DIGITS = 20
SSRC_SPACE = 10_000  # four digits: so many live streams a domain (GB/T 28181-2016 §G, "y")

CAMERA_TYPES = frozenset({"121", "122", "131", "132", "138", "139"})
"""Things with a lens of their own; 138 is the mobile transmission device of 2022."""

CONTAINER_TYPES = frozenset({"111", "112", "113", "114", "117", "118", "120", "130"})
"""Recorders, encoders, hosts: they hold cameras, and some are one (field kit registers as 118)."""

VOICE_OUTPUT_TYPE = "137"

UNWATCHABLE_TYPES = frozenset(
    {"114", "117", "123", "124", "125", "133", "134", "135", "136", "137", "140", "141", "142", "143"}
    | {"200", "201", "202", "203", "205", "208", "209", "210", "211", "215", "216"}
)
"""Catalogue items that never send a picture: alarm in and out, audio, displays, servers, groups."""


def is_device_id(text: str) -> bool:
    """True for 18 to 20 digits (18: old vendor platforms). Civil codes of 2, 4, 6, 8 digits are no device."""
    return 18 <= len(text) <= MAX_ID_DIGITS and text.isascii() and text.isdigit()


def is_platform_id(text: str) -> bool:
    """True for an id we may use ourselves: exactly 20 digits."""
    return len(text) == MAX_ID_DIGITS and text.isascii() and text.isdigit()


def type_code(device_id: str) -> str:
    """Digits 11 to 13, "" where the id is too short to have them."""
    return device_id[10:13] if len(device_id) >= 18 else ""


def ssrc_domain(platform_id: str) -> str:
    """Digits 4 to 8 of the SIP domain, the middle of every SSRC. GB/T 28181-2022 annex G: 13010000… gives 10000."""
    return platform_id[3:8].ljust(5, "0")


def ssrc_value(y: str) -> int | None:
    """The RTP SSRC that a `y=` means, or None where it is no SSRC: not 1 to 10 digits, or over 32 bits.

    Twenty digits and words have been seen in the field; then the first SSRC that arrives is taken.
    """
    text = y.strip()
    if not (1 <= len(text) <= 10 and text.isascii() and text.isdigit()):
        return None
    value = int(text)
    return value if value <= 0xFFFF_FFFF else None


class SsrcPool:
    """Gives out `y=` values that no running call uses. Rotates, so that a stale sender never hits a new call."""

    def __init__(self, platform_id: str, *, start: int = 0) -> None:
        self._domain = ssrc_domain(platform_id)
        self._next = start % SSRC_SPACE
        self._taken: set[int] = set()

    def take(self, *, history: bool = False) -> str:
        """Ten digits: 0 live or 1 history, five of the domain, four of our own. Raises Busy when all are out."""
        if len(self._taken) >= SSRC_SPACE:
            raise Busy(f"all {SSRC_SPACE} stream numbers of the domain are in use")
        while self._next in self._taken:
            self._next = (self._next + 1) % SSRC_SPACE
        number = self._next
        self._taken.add(number)
        self._next = (number + 1) % SSRC_SPACE
        return f"{int(history)}{self._domain}{number:04d}"

    def give_back(self, y: str) -> None:
        self._taken.discard(int(y[-4:]))

    def __len__(self) -> int:
        return len(self._taken)
