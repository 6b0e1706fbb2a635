"""What a modem knows: its card, its network, calls, its receiver of satellites."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class FakeSim:
    present: bool = True
    iccid: str = "89860012345678901234"
    imsi: str = "460001234567890"
    number: str = "+8613800001234"
    pin: str = ""  # "": none is asked for
    unlocked: bool = False
    tries: int = 3
    failed: bool = False
    capacity: int = 50

    @property
    def word(self) -> str | int:
        """What AT+CPIN? says: a word, or the number of an error."""
        if not self.present:
            return 10
        if self.failed:
            return 13
        if self.tries <= 0:
            return "SIM PUK"
        return "SIM PIN" if self.pin and not self.unlocked else "READY"


@dataclass
class FakeNet:
    stat: int = 1  # 3GPP TS 27.007: 1 home, 2 searching, 3 denied, 5 roaming
    technology: str = "lte"  # "lte", "nsa", "sa", "umts"
    plmn: str = "46000"
    operator: str = "CHINA MOBILE"
    tac: int = 0x1A2B
    cell: int = 0x0C0FFEE
    pci: int = 301
    arfcn: int = 1650
    band: int = 3
    rsrp: int = -95
    rsrq: int = -11
    rssi: int = -67
    sinr: int = 14
    refuses_data: bool = False  # AT+CGACT answers an error
    default_bearer: bool = False  # as LTE has it: context 1 is active as soon as it is registered
    lies: bool = False  # AT+CGACT answers OK, and nothing passes
    address: str = "10.64.12.34"
    time: str = "2026/11/30,06:15:30"  # universal, as the network tells it; "": it tells none

    @property
    def act(self) -> int:
        return {"lte": 7, "nsa": 13, "sa": 11, "umts": 2}[self.technology]


@dataclass
class FakeCall:
    id: int
    incoming: bool
    number: str
    stat: int  # +CLCC: 0 active, 1 held, 2 dialing, 3 alerting, 4 incoming


@dataclass
class FakeGnss:
    on: bool = False
    fix: bool = True
    latitude: float = 31.2304
    longitude: float = 121.4737
    altitude_m: float = 12.3
    speed_kmh: float = 3.6
    course: float = 90.5
    satellites: int = 9
    utc: str = "061530.000"
    date: str = "301126"
