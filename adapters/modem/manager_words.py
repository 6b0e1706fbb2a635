"""ModemManager's numbers, bits and error names, as its D-Bus interface 1.x documents them, in our words. Sans-IO."""

from __future__ import annotations

from enum import IntEnum

SERVICE = "org.freedesktop.ModemManager1"
ROOT = "/org/freedesktop/ModemManager1"
MODEM = f"{SERVICE}.Modem"
GPP = f"{SERVICE}.Modem.Modem3gpp"
SIMPLE = f"{SERVICE}.Modem.Simple"
SIGNAL = f"{SERVICE}.Modem.Signal"
LOCATION = f"{SERVICE}.Modem.Location"
TIME = f"{SERVICE}.Modem.Time"
MESSAGING = f"{SERVICE}.Modem.Messaging"
VOICE = f"{SERVICE}.Modem.Voice"
SIM = f"{SERVICE}.Sim"
BEARER = f"{SERVICE}.Bearer"
SMS = f"{SERVICE}.Sms"
CALL = f"{SERVICE}.Call"

NO_OBJECT = "/"


class State(IntEnum):
    """MMModemState, in its own order: what is greater is farther."""

    FAILED = -1
    UNKNOWN = 0
    INITIALIZING = 1
    LOCKED = 2
    DISABLED = 3
    DISABLING = 4
    ENABLING = 5
    ENABLED = 6
    SEARCHING = 7
    REGISTERED = 8
    DISCONNECTING = 9
    CONNECTING = 10
    CONNECTED = 11


class Lock(IntEnum):
    UNKNOWN = 0
    NONE = 1
    SIM_PIN = 2
    SIM_PIN2 = 3
    SIM_PUK = 4
    SIM_PUK2 = 5


# Locks that stop the modem; PIN2 and PUK2 guard only a few services of the card. The rest binds the device to a
# network, a card or a company: ph-*.
STOPPING_LOCKS = {
    2: "sim-pin",
    4: "sim-puk",
    6: "ph-sp-pin",
    7: "ph-sp-puk",
    8: "ph-net-pin",
    9: "ph-net-puk",
    10: "ph-sim-pin",
    11: "ph-corp-pin",
    12: "ph-corp-puk",
    13: "ph-fsim-pin",
    14: "ph-fsim-puk",
    15: "ph-netsub-pin",
    16: "ph-netsub-puk",
}


class Failed(IntEnum):
    """MMModemStateFailedReason: why the state is FAILED."""

    NONE = 0
    UNKNOWN = 1
    SIM_MISSING = 2
    SIM_ERROR = 3
    UNKNOWN_CAPABILITIES = 4
    ESIM_WITHOUT_PROFILES = 5


class Registration(IntEnum):
    IDLE = 0
    HOME = 1
    SEARCHING = 2
    DENIED = 3
    UNKNOWN = 4
    ROAMING = 5
    HOME_SMS_ONLY = 6
    ROAMING_SMS_ONLY = 7
    EMERGENCY_ONLY = 8
    HOME_CSFB_NOT_PREFERRED = 9
    ROAMING_CSFB_NOT_PREFERRED = 10


AT_HOME = {Registration.HOME, Registration.HOME_SMS_ONLY, Registration.HOME_CSFB_NOT_PREFERRED}
ABROAD = {Registration.ROAMING, Registration.ROAMING_SMS_ONLY, Registration.ROAMING_CSFB_NOT_PREFERRED}
SMS_ONLY = {Registration.HOME_SMS_ONLY, Registration.ROAMING_SMS_ONLY}


class Power(IntEnum):
    UNKNOWN = 0
    OFF = 1
    LOW = 2
    ON = 3


class IpMethod(IntEnum):
    UNKNOWN = 0
    PPP = 1
    STATIC = 2
    DHCP = 3


class Source(IntEnum):
    """MMModemLocationSource: bits."""

    LAC_CI = 1
    GPS_RAW = 2
    GPS_NMEA = 4


class SmsState(IntEnum):
    UNKNOWN = 0
    STORED = 1
    RECEIVING = 2  # a long one, parts of which are missing yet
    RECEIVED = 3
    SENDING = 4
    SENT = 5


class SmsKind(IntEnum):
    """MMSmsPduType."""

    UNKNOWN = 0
    DELIVER = 1
    SUBMIT = 2
    STATUS_REPORT = 3


class CallState(IntEnum):
    UNKNOWN = 0
    DIALING = 1
    RINGING_OUT = 2
    RINGING_IN = 3
    ACTIVE = 4
    HELD = 5
    WAITING = 6
    TERMINATED = 7


# The newest first: of several bits, the first that is set is told. NR beside LTE is a non-standalone cell (EN-DC).
_TECHNOLOGIES = (
    (0x4000, "lte"),
    (0x10000, "lte-m"),
    (0x20000, "nb-iot"),
    (0x200, "hspa+"),
    (0x100, "hspa"),
    (0x80, "hsupa"),
    (0x40, "hsdpa"),
    (0x20, "umts"),
    (0x10, "edge"),
    (0x8, "gprs"),
    (0x2, "gsm"),
    (0x4, "gsm"),
)
_NR = 0x8000
_LTE = 0x4000


def technology(bits: int) -> str:
    """MMModemAccessTechnology's bits as one word; "" when none is known."""
    if bits & _NR:
        return "nr-nsa" if bits & _LTE else "nr-sa"
    return next((word for bit, word in _TECHNOLOGIES if bits & bit), "")


# What ModemManager's own errors mean to somebody in the field. Names without the prefix `org.freedesktop.`
# (MMCoreError, MMMobileEquipmentError, MMConnectionError, MMSerialError; D-Bus's own).
_MM = "ModemManager1.Error."
_ERRORS = {
    f"{_MM}Core.Unauthorized": "mm-not-allowed",
    "DBus.Error.AccessDenied": "mm-not-allowed",
    "DBus.Error.InteractiveAuthorizationRequired": "mm-not-allowed",
    "PolicyKit1.Error.NotAuthorized": "mm-not-allowed",
    "DBus.Error.ServiceUnknown": "mm-absent",
    "DBus.Error.NameHasNoOwner": "mm-absent",
    "DBus.Error.Spawn.ServiceNotFound": "mm-absent",
    "systemd1.NoSuchUnit": "mm-absent",
    "DBus.Error.UnknownObject": "modem-absent",
    "DBus.Error.UnknownMethod": "modem-absent",
    "DBus.Error.UnknownInterface": "unsupported",
    f"{_MM}Core.Unsupported": "unsupported",
    f"{_MM}MobileEquipment.NotSupported": "unsupported",
    "DBus.Error.NoReply": "modem-silent",
    "DBus.Error.Timeout": "modem-silent",
    "DBus.Error.TimedOut": "modem-silent",
    f"{_MM}Core.Timeout": "modem-silent",
    f"{_MM}Serial.ResponseTimeout": "modem-silent",
    f"{_MM}Core.InProgress": "busy",
    f"{_MM}Core.Retry": "busy",
    f"{_MM}Core.TooMany": "busy",
    f"{_MM}Core.WrongState": "mm-wrong-state",
    f"{_MM}Core.WrongSimState": "mm-wrong-state",
    f"{_MM}MobileEquipment.SimNotInserted": "sim-absent",
    f"{_MM}MobileEquipment.SimPin": "sim-pin",
    f"{_MM}MobileEquipment.SimPuk": "sim-puk",
    f"{_MM}MobileEquipment.SimFailure": "sim-failed",
    f"{_MM}MobileEquipment.SimWrong": "sim-failed",
    f"{_MM}MobileEquipment.IncorrectPassword": "sim-pin-wrong",
    f"{_MM}MobileEquipment.NoNetwork": "modem-searching",
    f"{_MM}MobileEquipment.NetworkTimeout": "modem-denied",
    f"{_MM}MobileEquipment.NetworkNotAllowed": "modem-denied",
    f"{_MM}MobileEquipment.RoamingNotAllowed": "roaming-denied",
    f"{_MM}MobileEquipment.MissingOrUnknownApn": "modem-no-apn",
    f"{_MM}MobileEquipment.UserAuthenticationFailed": "modem-no-plan",
    f"{_MM}MobileEquipment.GprsMissingOrUnknownApn": "modem-no-apn",
    f"{_MM}MobileEquipment.GprsUserAuthenticationFailed": "modem-no-plan",
    f"{_MM}MobileEquipment.ServiceOptionNotSubscribed": "modem-no-plan",
    f"{_MM}MobileEquipment.GprsServiceOptionNotSubscribed": "modem-no-plan",
    f"{_MM}Connection.NoCarrier": "modem-data-refused",
    f"{_MM}Connection.NoDialtone": "modem-data-refused",
    f"{_MM}Connection.Busy": "modem-data-refused",
    f"{_MM}Connection.NoAnswer": "modem-data-refused",
}


def error_code(name: str, text: str = "") -> str:
    """The reason behind a D-Bus error's name; `mm-failed` for one that says nothing more."""
    short = name.removeprefix("org.freedesktop.")
    found = _ERRORS.get(short)
    if found is not None:
        return found
    if short.endswith(("Core.Failed", "Error.Failed")) and ("PolicyKit" in text or "polkit" in text):
        return "mm-not-allowed"  # without polkitd, 1.20 says no more than "authority not found"
    return "mm-failed"
