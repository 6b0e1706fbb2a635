"""What ModemManager's properties mean, as the values of the common face. Sans-IO; never raises on odd values."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from adapters.modem import manager_words as mm
from adapters.modem.face import (
    CallPhase,
    Change,
    DataSession,
    Fix,
    Identity,
    Registration,
    RegState,
    Report,
    Sim,
    SimState,
    Stored,
    VoiceCall,
)
from adapters.modem.manager_tree import Thing
from gateway.model.link import Signal
from gateway.model.texts import Arrived

CHANGES = {
    mm.MODEM: (Change.SIM, Change.REGISTRATION, Change.SESSION),
    mm.GPP: (Change.REGISTRATION,),
    mm.SIM: (Change.SIM,),
    mm.SIGNAL: (Change.SIGNAL,),
    mm.BEARER: (Change.SESSION,),
    mm.MESSAGING: (Change.TEXT,),
    mm.SMS: (Change.TEXT,),
    mm.VOICE: (Change.CALL,),
    mm.CALL: (Change.CALL,),
}
"""What a changed property of an interface may mean."""

_REG: dict[int, RegState] = {
    mm.Registration.IDLE: RegState.IDLE,
    mm.Registration.SEARCHING: RegState.SEARCHING,
    mm.Registration.DENIED: RegState.DENIED,
    mm.Registration.EMERGENCY_ONLY: RegState.DENIED,
}

_CALL: dict[int, CallPhase] = {
    mm.CallState.DIALING: CallPhase.DIALING,
    mm.CallState.RINGING_OUT: CallPhase.RINGING,
    mm.CallState.RINGING_IN: CallPhase.RINGING,
    mm.CallState.WAITING: CallPhase.RINGING,
    mm.CallState.ACTIVE: CallPhase.ACTIVE,
    mm.CallState.HELD: CallPhase.HELD,
    mm.CallState.TERMINATED: CallPhase.ENDED,
}

# MMCallStateReason; what is not here is an ordinary end.
_CALL_ENDS = {5: "call-rejected", 6: "modem-refused", 7: "modem-refused"}


def state(modem: Thing) -> mm.State:
    try:
        return mm.State(modem.number(mm.MODEM, "State"))
    except ValueError:
        return mm.State.UNKNOWN


def identity(modem: Thing) -> Identity:
    return Identity(
        modem.text(mm.MODEM, "Manufacturer")[:64],
        modem.text(mm.MODEM, "Model")[:64],
        modem.text(mm.MODEM, "Revision")[:64],
        modem.text(mm.MODEM, "EquipmentIdentifier")[:32],
    )


def stopping_lock(modem: Thing) -> str:
    """The lock that keeps the modem from working ("sim-pin", "ph-net-pin"), or ""."""
    return mm.STOPPING_LOCKS.get(modem.number(mm.MODEM, "UnlockRequired"), "")


def pin_tries(modem: Thing) -> int | None:
    tries = modem.table(mm.MODEM, "UnlockRetries").get(int(mm.Lock.SIM_PIN))
    return tries if isinstance(tries, int) else None


def sim_state(modem: Thing) -> SimState:
    lock = stopping_lock(modem)
    if lock:
        return {"sim-pin": SimState.PIN, "sim-puk": SimState.PUK}.get(lock, SimState.FAILED)
    now = state(modem)
    if now is mm.State.FAILED:
        why = modem.number(mm.MODEM, "StateFailedReason")
        if why in (mm.Failed.SIM_MISSING, mm.Failed.ESIM_WITHOUT_PROFILES):
            return SimState.ABSENT
        return SimState.FAILED if why == mm.Failed.SIM_ERROR else SimState.BUSY
    if now is mm.State.LOCKED or now <= mm.State.INITIALIZING:
        return SimState.BUSY  # which lock it is, it has yet to find out
    sim = modem.text(mm.MODEM, "Sim")
    return SimState.READY if sim and sim != mm.NO_OBJECT else SimState.ABSENT


def sim(modem: Thing, card: Thing | None) -> Sim:
    numbers = [number for number in modem.rows(mm.MODEM, "OwnNumbers") if isinstance(number, str)]
    return Sim(
        sim_state(modem),
        card.text(mm.SIM, "SimIdentifier")[:32] if card else "",
        card.text(mm.SIM, "Imsi")[:32] if card else "",
        numbers[0][:32] if numbers else "",
        pin_tries(modem),
    )


def registration(modem: Thing) -> Registration:
    told = modem.number(mm.GPP, "RegistrationState", int(mm.Registration.UNKNOWN))
    if told in mm.AT_HOME:
        is_now = RegState.HOME
    elif told in mm.ABROAD:
        is_now = RegState.ROAMING
    else:
        is_now = _REG.get(told, RegState.UNKNOWN)
    if is_now in (RegState.UNKNOWN, RegState.IDLE) and state(modem) is mm.State.SEARCHING:
        is_now = RegState.SEARCHING
    return Registration(
        is_now,
        mm.technology(modem.number(mm.MODEM, "AccessTechnologies")),
        modem.text(mm.GPP, "OperatorName")[:64],
        modem.text(mm.GPP, "OperatorCode")[:8],
    )


def signal(modem: Thing) -> Signal:
    """From the Signal interface where it measures; else bars of `SignalQuality`, where that is recent."""
    used = mm.technology(modem.number(mm.MODEM, "AccessTechnologies"))
    order = ("Nr5g", "Lte", "Umts", "Gsm") if used.startswith("nr") else ("Lte", "Nr5g", "Umts", "Gsm")
    found = next((table for table in (_measured(modem, name) for name in order) if table), {})
    quality = modem.rows(mm.MODEM, "SignalQuality")
    percent = quality[0] if len(quality) == 2 and quality[1] is True else None
    return Signal(
        technology=used,
        rssi_dbm=found.get("rssi"),
        rsrp_dbm=found.get("rsrp", found.get("rscp")),
        rsrq_db=found.get("rsrq", found.get("ecio")),
        sinr_db=found.get("snr"),
        bars=_bars(percent),
        cell=_cell(modem),
        operator=modem.text(mm.GPP, "OperatorName")[:64],
    )


def _measured(modem: Thing, name: str) -> dict[str, float]:
    """ModemManager puts -32768 (or a value below any receiver) where the modem measured nothing."""
    return {
        str(key): float(value)
        for key, value in modem.table(mm.SIGNAL, name).items()
        if isinstance(value, float | int) and math.isfinite(value) and -200 < value < 100 and key != "error-rate"
    }


def _bars(percent: object) -> int | None:
    if not isinstance(percent, int) or not 0 <= percent <= 100:
        return None
    return 0 if percent == 0 else min(5, 1 + percent // 20)


def _cell(modem: Thing) -> str:
    """ "MCC,MNC,LAC,CI,TAC" of the Location interface: the cell's number, hexadecimal."""
    told = modem.table(mm.LOCATION, "Location").get(int(mm.Source.LAC_CI))
    parts = told.split(",") if isinstance(told, str) and len(told) <= 64 else []
    return parts[3].lstrip("0").upper() if len(parts) >= 4 and parts[3].isalnum() else ""


def place(modem: Thing) -> object:
    """What the receiver said, as it stands."""
    return modem.table(mm.LOCATION, "Location").get(int(mm.Source.GPS_RAW))


def fix(modem: Thing, now: float) -> Fix | None:
    """The receiver's position. It tells a time of day only ("092030.00", UTC): the day is that nearest to `now`."""
    told = place(modem)
    if not isinstance(told, dict):
        return None
    latitude, longitude = _real(told.get("latitude")), _real(told.get("longitude"))
    if latitude is None or longitude is None or not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        return None
    return Fix(latitude, longitude, _time_of_day(told.get("utc-time"), now), _real(told.get("altitude")))


def _real(value: object) -> float | None:
    return float(value) if isinstance(value, float | int) and math.isfinite(value) else None


def _time_of_day(told: object, now: float) -> float:
    digits = told.partition(".")[0] if isinstance(told, str) else ""
    if len(digits) != 6 or not digits.isascii() or not digits.isdigit():
        return now
    seconds = int(digits[:2]) * 3600 + int(digits[2:4]) * 60 + int(digits[4:])
    midnight = now - now % 86400
    return min((midnight + day * 86400 + seconds for day in (-1, 0, 1)), key=lambda at: abs(at - now))


def session(bearer: Thing) -> DataSession | None:
    if not bearer.flag(mm.BEARER, "Connected") or bearer.flag(mm.BEARER, "Suspended"):
        return None
    addresses = [settings.text("address") for settings in (ip(bearer, 4), ip(bearer, 6)) if settings.text("address")]
    apn = bearer.table(mm.BEARER, "Properties").get("apn")
    return DataSession(
        bearer.text(mm.BEARER, "Interface")[:64], apn[:100] if isinstance(apn, str) else "", tuple(addresses)
    )


class IpSettings:
    """A bearer's Ip4Config or Ip6Config."""

    def __init__(self, table: object) -> None:
        self._table = table if isinstance(table, dict) else {}

    def text(self, name: str) -> str:
        value = self._table.get(name)
        return value[:64] if isinstance(value, str) else ""

    def number(self, name: str) -> int:
        value = self._table.get(name)
        return value if isinstance(value, int) else 0

    @property
    def method(self) -> int:
        return self.number("method")


def ip(bearer: Thing, version: int) -> IpSettings:
    return IpSettings(bearer.table(mm.BEARER, f"Ip{version}Config"))


def call(thing: Thing) -> VoiceCall:
    phase = _CALL.get(thing.number(mm.CALL, "State"), CallPhase.DIALING)
    code = _CALL_ENDS.get(thing.number(mm.CALL, "StateReason"), "") if phase is CallPhase.ENDED else ""
    return VoiceCall(
        thing.path, thing.number(mm.CALL, "Direction") == 1, thing.text(mm.CALL, "Number")[:32], phase, code
    )


def is_incomplete(message: Thing) -> bool:
    """A long one, parts of which have not come yet."""
    return message.number(mm.SMS, "State") == mm.SmsState.RECEIVING


def stored(message: Thing) -> Stored | None:
    """A message of ModemManager's list; None for one of ours, and for a long one that is not whole yet."""
    kind = message.number(mm.SMS, "PduType")
    if is_incomplete(message):
        return None
    if kind == mm.SmsKind.STATUS_REPORT:
        return Stored(message.path, _report(message))
    if kind != mm.SmsKind.DELIVER:
        return None
    text, stamp = message.text(mm.SMS, "Text"), message.text(mm.SMS, "Timestamp")[:40]
    if not text and message.rows(mm.SMS, "Data"):
        return Stored(message.path, None)  # bytes, nothing to read
    sender = message.text(mm.SMS, "Number")[:64]
    # ModemManager has put the parts of a long one together.
    return Stored(message.path, Arrived(sender, text, mark=stamp, sent_at=moment(stamp)))


def _report(message: Thing) -> Report:
    # 3GPP TS 23.040 §9.2.3.15: 0 … 0x1f done, 0x20 … 0x3f still trying, above: given up.
    status = message.number(mm.SMS, "DeliveryState", 0x100)
    return Report(
        str(message.number(mm.SMS, "MessageReference")),
        delivered=status < 0x20,
        final=not 0x20 <= status < 0x40,
        status=min(status, 0xFF),
    )


def moment(stamp: str) -> float | None:
    """ISO 8601 as ModemManager writes it ("2026-11-30T16:00:00+08"), in unix seconds."""
    if len(stamp) > 3 and stamp[-3] in "+-" and stamp[-2:].isdigit():
        stamp = f"{stamp}:00"
    try:
        read = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    try:
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    except (OverflowError, ValueError):
        return None
