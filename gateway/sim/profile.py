"""Who a ball is and where it registers: everything set before it starts."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.sim.encoder import VideoSettings
from gateway.sim.faults import Faults
from gateway.sim.messages import Fix, Item

GB_VERSIONS = {"2011": "1.0", "2016": "2.0", "2022": "3.0"}  # X-GB-Ver, annex I
TALKS = ("udp", "tcp", "tcp-listen", "none")
_VIDEO, _ALARM, _VOICE = "132", "134", "137"  # type codes, annex E


def part_id(device_id: str, kind: str, number: int) -> str:
    """The id of a part of the device: its domain, the part's type, and a serial that no other ball has."""
    serial = (int(device_id[14:]) * 100 + number) % 1_000_000
    return f"{device_id[:10]}{kind}{device_id[13]}{serial:06d}"


@dataclass(frozen=True)
class Profile:
    """One ball. Times in seconds; `server` is the platform's address, `domain` the first ten digits of its id."""

    server: tuple[str, int] = ("127.0.0.1", 5060)
    server_id: str = "34020000002000000001"
    domain: str = "3402000000"
    device_id: str = "34020000001380000001"
    password: str = field(default="", repr=False)
    transport: str = "udp"
    version: str = "2016"
    video: VideoSettings = field(default_factory=VideoSettings)
    replay: bool = False
    talk: str = "udp"  # how its loudspeaker asks for sound: udp, tcp, tcp-listen; none: it has no loudspeaker
    keepalive_s: float = 5.0
    expires_s: int = 3600
    channels: int = 1
    name: str = "布控球"
    alarm_every_s: float = 0.0  # 0: only on demand
    alarm_repeat_s: float = 4.0  # until the platform's business Response comes
    answer_s: float = 8.0  # how long a request may stay unanswered
    retry_s: float = 1.0  # the first wait after a failed REGISTER; doubles up to `retry_max_s`
    retry_max_s: float = 15.0
    away_s: float = 5.0  # how long a ball that vanished stays away
    home: Fix = field(default_factory=lambda: Fix(116.3975, 39.9087, 0.0, 0.0, 50.0))
    faults: Faults = field(default_factory=Faults)

    def __post_init__(self) -> None:
        for what, digits in (("id", self.device_id), ("server id", self.server_id)):
            if len(digits) != 20 or not digits.isascii() or not digits.isdigit():
                raise ValueError(f"{what} {digits!r}: 20 digits are needed")
        if self.version not in GB_VERSIONS:
            raise ValueError(f"version {self.version!r}: one of {', '.join(GB_VERSIONS)}")
        if self.transport not in ("udp", "tcp"):
            raise ValueError(f"transport {self.transport!r}: udp or tcp")
        if self.talk not in TALKS:
            raise ValueError(f"talk {self.talk!r}: one of {', '.join(TALKS)}")

    @property
    def wire_id(self) -> str:
        """The id on the wire: another one under the fault wrong-id."""
        if "wrong-id" in self.faults:
            return f"{self.device_id[:14]}999{self.device_id[17:]}"
        return self.device_id

    @property
    def video_ids(self) -> tuple[str, ...]:
        return tuple(part_id(self.wire_id, _VIDEO, n) for n in range(1, self.channels + 1))

    @property
    def voice_id(self) -> str:
        return part_id(self.wire_id, _VOICE, 1)

    def items(self) -> tuple[Item, ...]:
        """The catalog: video channels, an alarm input, and the voice output without which nobody may talk (§9.12.1)."""
        videos = tuple(
            Item(channel, f"{self.name}{n if self.channels > 1 else ''}", self.wire_id, ptz_type=1)
            for n, channel in enumerate(self.video_ids, 1)
        )
        alarm = Item(part_id(self.wire_id, _ALARM, 1), f"{self.name} 报警输入", self.wire_id)
        voice = Item(self.voice_id, f"{self.name} 语音输出", self.wire_id)
        return (*videos, alarm, *(() if self.talk == "none" else (voice,)))
