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


class PinKeeper:
    def __init__(self, name: str, pin: Secret, folder: Path) -> None:
        self._name = name
        self._pin = pin
        self._mark = folder / f"{name}.pin-tried"

    def _print(self) -> str:
        return hashlib.sha256(f"{self._name}:{self._pin.reveal()}".encode()).hexdigest()

    def _tried(self) -> bool:
        with suppress(OSError):
            return self._mark.read_text(encoding="ascii", errors="replace") == self._print()
        return False

    async def unlock(self, modem: CellularModem, sim: Sim) -> str:
        """Enter it where that is allowed. "" when the card took it, else the reason why the card stays locked.

        Raises LinkDown when the modem was lost meanwhile: it counts as tried then.
        """
        if not self._pin:
            return "sim-pin"
        if self._tried():
            return "sim-pin-wrong"
        if sim.pin_tries is not None and sim.pin_tries < 2:
            return "sim-pin-last"
        # Before it is entered: whatever happens then, it is not entered twice.
        try:
            self._mark.touch(mode=0o600)
            self._mark.write_text(self._print(), encoding="ascii")
        except OSError as exc:
            raise GatewayError(
                f"{self._name}: its PIN is not entered, for that can not be noted: {exc}", code="disk-full"
            ) from exc
        try:
            await modem.enter_pin(self._pin)
        except PeerError:
            log.error("%s: the SIM card refused its PIN; it is not tried again", self._name)
            return "sim-pin-wrong"
        with suppress(OSError):
            self._mark.unlink()
        log.info("%s: the SIM card is unlocked", self._name)
        return ""
