"""The PIN of a SIM card: the configured one, entered once, never another, never at the last try.

What was refused is remembered over restarts, beside the configuration that names it: a gateway that is started three
times must not lock a card.
"""

from __future__ import annotations

import hashlib
import logging
from contextlib import suppress
from pathlib import Path

from adapters.modem.face import CellularModem, Sim
from gateway.base.errors import GatewayError, PeerError
from gateway.base.log import Secret

log = logging.getLogger(__name__)

REFUSED, UNTOLD = "refused", "untold"


class PinKeeper:
    def __init__(self, name: str, pin: Secret, folder: Path) -> None:
        self._name = name
        self._pin = pin
        self._mark = folder / f"{name}.pin-tried"

    def _print(self) -> str:
        return hashlib.sha256(f"{self._name}:{self._pin.reveal()}".encode()).hexdigest()

    def _tried(self) -> str:
        """What is known of this PIN: "" never entered, REFUSED, or how many tries the card had before it was entered
        and nobody heard what it said (UNTOLD where it told no number)."""
        with suppress(OSError):
            mark, _, how = self._mark.read_text(encoding="ascii", errors="replace").partition(" ")
            if mark == self._print():
                return how if how.isdigit() or how == UNTOLD else REFUSED
        return ""

    def _note(self, how: str) -> None:
        try:
            self._mark.touch(mode=0o600)
            self._mark.write_text(f"{self._print()} {how}", encoding="ascii")
        except OSError as exc:
            raise GatewayError(
                f"{self._name}: its PIN is not entered, for that can not be noted: {exc}", code="disk-full"
            ) from exc

    async def unlock(self, modem: CellularModem, sim: Sim) -> str:
        """Enter it where that is allowed. "" when the card took it, else the reason why the card stays locked.

        Raises GatewayError when it is not known what the card said (the modem was lost, or busy): it is entered again
        only where the card's own count says that no try was spent.
        """
        if not self._pin:
            return "sim-pin"
        how = self._tried()
        if how.isdigit() and sim.pin_tries is not None and sim.pin_tries < int(how):
            self._note(REFUSED)
            how = REFUSED
        if how == REFUSED:
            return "sim-pin-wrong"
        if sim.pin_tries is not None and sim.pin_tries < 2:
            return "sim-pin-last"
        if how and (how == UNTOLD or sim.pin_tries is None):
            return "sim-pin-unsure"
        # Before it is entered: whatever happens then, it is known that it was.
        self._note(UNTOLD if sim.pin_tries is None else str(sim.pin_tries))
        try:
            await modem.enter_pin(self._pin)
        except PeerError as exc:
            if exc.code not in ("sim-pin-wrong", "sim-puk"):
                raise
            self._note(REFUSED)
            log.error("%s: the SIM card refused its PIN; it is not tried again", self._name)
            return "sim-pin-wrong"
        with suppress(OSError):
            self._mark.unlink()
        log.info("%s: the SIM card is unlocked", self._name)
        return ""
