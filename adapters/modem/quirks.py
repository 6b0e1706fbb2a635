"""What is different from chipset to chipset, as data: which of the makers' own commands tell reception, make the data
session, switch the satellite receiver on, put a call's sound where a computer hears it.

`tried` names the module and firmware that a row was held against; "" means that it follows the maker's command manual
and no module has been on the line. All rows pass against `tests/fakes/modem`, which was written from the same manuals.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sound:
    """Commands once a call is up, and at its end. `first` may be refused."""

    on: tuple[str, ...]
    off: tuple[str, ...]
    first: tuple[str, ...] = ()


# +QPCMV's second value: 0 the USB NMEA port, 1 the debug UART, 2 the USB sound card (which `AT+QCFG="usbcfg"` has to
# have switched on). 8 kHz, 16 bit, one channel. As public programs use it; no module was on the line here.
_QUECTEL_PCM = Sound(("AT+QPCMV=1,0",), ("AT+QPCMV=0",))
_QUECTEL_CARD = Sound(("AT+QPCMV=1,2",), ("AT+QPCMV=0",))
# Refused while no call is up. +CPCMFRM=0 is 8 kHz. The port is interface 4 of a SIM7600; it is a serial one, no card.
_SIMCOM_PCM = Sound(("AT+CPCMREG=1",), ("AT+CPCMREG=0",), first=("AT+CPCMFRM=0",))


@dataclass(frozen=True, slots=True)
class Chipset:
    name: str
    match: re.Pattern[str]  # of "manufacturer model"
    signal: str = ""  # a reader of `readings.SIGNALS`; "" 3GPP's +CESQ and +CSQ
    raw_sinr: bool = False  # Quectel's SINR of LTE is 0 … 250, a fifth of a decibel each from -20 on
    data: str = "cgact"  # a way of `at_data.WAYS`
    iccid: str = "AT+CCID"
    tries: str = "AT+CPINR"  # how many tries its SIM has left for the PIN
    gnss: str = ""  # "qgps", "cgps"
    keeps_time: bool = False  # AT+QLTS tells the time that the network sent last
    pcm: Sound | None = None  # a call's sound on a serial port; None: no way is known
    card: Sound | None = None  # on a USB sound card; None: without a command
    tried: str = ""


GENERIC = Chipset("generic", re.compile(r".*"))

CHIPSETS: tuple[Chipset, ...] = (
    Chipset(
        "quectel-lte",
        re.compile(r"quectel.*\b(?:EC2\d|EG2\d|EG9\d|EG06|EP06|EM06|EM12)", re.I),
        signal="qeng",
        raw_sinr=True,
        data="qnetdevctl",
        iccid="AT+QCCID",
        tries="AT+QPINC?",
        gnss="qgps",
        keeps_time=True,
        pcm=_QUECTEL_PCM,
        card=_QUECTEL_CARD,
    ),
    Chipset(
        "quectel-5g",
        re.compile(r"quectel.*\bR[MG]5\d\d", re.I),
        signal="qeng",
        data="qnetdevctl",
        iccid="AT+QCCID",
        tries="AT+QPINC?",
        gnss="qgps",
        keeps_time=True,
        pcm=_QUECTEL_PCM,
        card=_QUECTEL_CARD,
    ),
    Chipset("fibocom", re.compile(r"fibocom", re.I), signal="gtccinfo", data="gtrndis", iccid="AT+ICCID"),
    Chipset(
        "simcom",
        re.compile(r"simcom", re.I),
        signal="cpsi",
        iccid="AT+CICCID",
        tries="AT+SPIC",
        gnss="cgps",
        pcm=_SIMCOM_PCM,
    ),
    Chipset("huawei", re.compile(r"huawei", re.I), signal="hcsq", data="ndisdup", iccid="AT^ICCID?"),
    GENERIC,
)


def chipset_of(manufacturer: str, model: str, wanted: str = "auto") -> Chipset:
    if wanted != "auto":
        return next((one for one in CHIPSETS if one.name == wanted), GENERIC)
    return next(one for one in CHIPSETS if one.match.match(f"{manufacturer} {model}"))


OPERATORS = {
    "46000": "中国移动",
    "46002": "中国移动",
    "46004": "中国移动",
    "46007": "中国移动",
    "46008": "中国移动",
    "46001": "中国联通",
    "46006": "中国联通",
    "46009": "中国联通",
    "46003": "中国电信",
    "46005": "中国电信",
    "46011": "中国电信",
    "46015": "中国广电",
}
"""Networks that name themselves in every language but their own."""
