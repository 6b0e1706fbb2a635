"""A cellular modem, whoever drives it: our own AT engine or ModemManager. The rules (`bearer.py`) know this face alone.

Every method raises GatewayError: LinkDown when the modem does not answer or is gone (`modem-silent`, `serial-lost`),
PeerError when it refuses, Unsupported for what it can not do. None of them tries again by itself; none enters a PIN
that it was not handed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

from gateway.base.log import Secret
from gateway.contract.texts import Progress, TextSent
from gateway.model.link import Signal
from gateway.model.texts import Report as Report
from gateway.model.texts import Stored as Stored
from gateway.model.texts import TextOut


@dataclass(frozen=True, slots=True)
class Identity:
    """What the modem says it is. "" unknown. `imei` is not shown to people but by its last four digits."""

    manufacturer: str = ""
    model: str = ""
    firmware: str = ""
    imei: str = field(default="", repr=False)

    @property
    def shown(self) -> str:
        return f"{self.manufacturer} {self.model}".strip()


class SimState(StrEnum):
    READY = "ready"
    ABSENT = "absent"
    PIN = "pin"  # asks for it
    PUK = "puk"
    FAILED = "failed"  # there is a card, and it can not be used
    BUSY = "busy"  # not yet known: ask again


@dataclass(frozen=True, slots=True)
class Sim:
    """`pin_tries` left, None when the modem does not tell. Numbers of a SIM are never logged."""

    state: SimState
    iccid: str = field(default="", repr=False)
    imsi: str = field(default="", repr=False)
    number: str = field(default="", repr=False)
    pin_tries: int | None = None


class RegState(StrEnum):
    IDLE = "idle"  # registered nowhere and not looking
    SEARCHING = "searching"
    HOME = "home"
    ROAMING = "roaming"
    DENIED = "denied"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Registration:
    """`technology`: "gsm", "umts", "lte", "nr-nsa", "nr-sa", ""."""

    state: RegState
    technology: str = ""
    operator: str = ""
    plmn: str = ""  # "46000"

    @property
    def registered(self) -> bool:
        return self.state in (RegState.HOME, RegState.ROAMING)


@dataclass(frozen=True, slots=True)
class DataSession:
    """A session that the network has granted. `interface` "": no network interface of this machine is known for it."""

    interface: str = ""
    apn: str = ""
    addresses: tuple[str, ...] = ()


class CallPhase(StrEnum):
    DIALING = "dialing"
    RINGING = "ringing"  # out: it rings there; in: it rings here
    ACTIVE = "active"
    HELD = "held"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class VoiceCall:
    """`code` is a reason of model.reason once it has ended otherwise than by being hung up."""

    id: str
    incoming: bool
    number: str
    phase: CallPhase
    code: str = ""


@dataclass(frozen=True, slots=True)
class Fix:
    """WGS-84 degrees, metres, km/h. `taken_at` unix seconds as the satellites have it."""

    latitude: float
    longitude: float
    taken_at: float
    altitude_m: float | None = None
    accuracy_m: float | None = None
    speed_kmh: float | None = None
    direction_deg: float | None = None
    satellites: int | None = None


@dataclass(frozen=True, slots=True)
class Features:
    """What this modem and backend can do."""

    texts: bool = True
    calls: bool = False
    gnss: bool = False


class Step(StrEnum):
    """The ladder back, from the gentlest on. A backend says which it has (`CellularModem.steps`)."""

    RETRY = "retry"  # ask again; make the data session anew
    REOPEN = "reopen"  # let the port (or ModemManager's object) go and take it again
    RADIO = "radio"  # AT+CFUN=4, then 1
    RESET = "reset"  # AT+CFUN=1,1
    POWER = "power"  # its USB port off and on


class Change(StrEnum):
    """What a modem says unasked; the rules look again at what it names."""

    SIM = "sim"
    REGISTRATION = "registration"
    SIGNAL = "signal"
    SESSION = "session"
    TEXT = "text"
    CALL = "call"
    RESTARTED = "restarted"


class SoundWay(StrEnum):
    """How a call's sound leaves a modem."""

    CARD = "card"  # a USB sound card (UAC)
    PCM = "pcm"  # raw samples on a serial port


@runtime_checkable
class Speaking(Protocol):
    """A backend that has the AT port for itself: calls are placed by nobody else, and their sound can be switched."""

    async def switch_sound(self, way: SoundWay, on: bool) -> None:
        """Put the sound of the call that is up there, or take it back. Raises Unsupported (`call-no-sound-way`) where
        no command is known, PeerError where it is refused."""

    async def tones(self, digits: str) -> None:
        """DTMF, into the call that is up."""

    @property
    def last_word(self) -> str:
        """Why the last call ended, as the modem said: a reason code, "" when it said none."""


class CellularModem(Protocol):
    """One modem. `open` … `close`; between them its methods may run beside each other."""

    @property
    def address(self) -> str:
        """Where it is, as the configuration has it."""

    @property
    def steps(self) -> Sequence[Step]: ...

    @property
    def features(self) -> Features: ...

    def on_change(self, called: Callable[[Change], None]) -> None: ...

    async def open(self) -> Identity:
        """Find it, take it and set it up. Raises LinkDown (`modem-absent`, `modem-silent`), Busy (`serial-held`)."""

    async def close(self) -> None:
        """Let it go; never raises. `open` may be called again."""

    async def gone(self) -> None:
        """Returns when the modem is there no more (unplugged, its program ended), while it is open."""

    async def sim(self) -> Sim: ...

    async def enter_pin(self, pin: Secret) -> None:
        """Once. Raises PeerError (`sim-pin-wrong`); the caller does not come again with the same PIN."""

    async def registration(self) -> Registration: ...
    async def signal(self) -> Signal: ...

    async def connect(self, apn: str, user: str, password: Secret, *, roaming: bool) -> DataSession:
        """Make the data session, or find it made. `roaming`: it may be made in a foreign network. Raises PeerError
        (`modem-no-apn`, `modem-no-plan`: who asks again is told the same; `modem-data-refused`)."""

    async def session(self) -> DataSession | None:
        """The data session as the modem sees it now; None when there is none."""

    async def disconnect(self) -> None: ...

    async def step(self, step: Step) -> None:
        """Take one step of the ladder, and wait until it is done. After REOPEN, RESET and POWER the modem has to be
        opened anew."""

    async def texts(self) -> Sequence[Stored]:
        """All that lies in it; those that came since the last call, where the modem stores nothing."""

    async def delete_text(self, place: str) -> None: ...

    async def send_text(self, text: TextOut, progress: Progress) -> TextSent:
        """As `gateway.contract.texts.Send` has it."""

    async def calls(self) -> Sequence[VoiceCall]: ...
    async def dial(self, number: str) -> None: ...
    async def answer(self) -> None: ...
    async def hang_up(self) -> None: ...
    async def fix(self) -> Fix | None:
        """Where it is by its own receiver; None without a fix."""

    async def network_time(self) -> float | None:
        """Unix seconds now, as the mobile network tells them (NITZ); None while it has told none."""
