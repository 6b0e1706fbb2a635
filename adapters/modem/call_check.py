"""What the doctor asks of a modem's calls: is the card or port of their sound there, are the programs installed, was
the way tried; is it known how long they were today?"""

from __future__ import annotations

import shutil

from adapters.modem.call_sound import card_of
from adapters.modem.config import OneModem
from adapters.modem.face import SoundWay
from gateway.base.day_budget import DayBudget
from gateway.base.day_budget_file import KeptBudget
from gateway.base.errors import GatewayError
from gateway.base.serial import find_port, holder_of
from gateway.model.doctor import Finding, Grade


def sound_finding(name: str, one: OneModem) -> Finding:
    """Blocking. Raises nothing."""
    check, audio = f"modem.{name}.sound", one.calls.audio
    try:
        if one.calls.way == SoundWay.PCM:
            if one.calls.place.startswith("tcp://"):
                return Finding(check, Grade.OK, "reached when a call is up; no module was tried with it", audio)
            path = find_port(one.calls.place)
            holder = holder_of(path)
            if holder and not holder.startswith("fieldgate"):
                return Finding(check, Grade.FAIL, f"in use by {holder}", audio, "serial-held")
            return Finding(check, Grade.OK, f"{path}; no module was tried with it", audio)
        if shutil.which("arecord") is None or shutil.which("aplay") is None:
            return Finding(check, Grade.FAIL, "arecord and aplay are missing", "alsa-utils", "sound-card")
        return Finding(check, Grade.OK, f"{card_of(one)}; no module was tried with it", audio)
    except GatewayError as exc:
        return Finding(check, Grade.FAIL, str(exc), audio, exc.code)


def budget_finding(name: str, budget: DayBudget) -> Finding | None:
    if not isinstance(budget, KeptBudget) or not budget.wrong:
        return None
    return Finding(f"modem.{name}.budget", Grade.WARN, budget.wrong, str(budget.path), "modem-budget-unknown")
