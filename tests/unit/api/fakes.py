"""Stand-ins for the core's objects: as small as the API's rules allow, with every call written down."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from gateway.base.clock import Clock
from gateway.base.errors import Denied, GatewayError, NotFound
from gateway.base.moment import Moment, TimeQuality
from gateway.config.root import Config
from gateway.contract.home import ApiAnswer, ApiRequest
from gateway.core.facts import AdapterStatus, BusEvent, EndpointInfo, Health, Issued, Missed, ViewingInfo
from gateway.core.meshes import Meshes
from gateway.core.messages import Bus
from gateway.core.services import Services
from gateway.model.alarm import Alarm, AlarmSeverity
from gateway.model.command import Command, CommandResult, Outcome
from gateway.model.device import Channel, Device, DeviceState, PendingDevice
from gateway.model.discovery import Find, FindKind, FindWay, SearchStatus
from gateway.model.doctor import Finding, Grade
from gateway.model.forward import (
    Dating,
    Event,
    EventKind,
    ForwardFile,
    KeptEvent,
    KeptFile,
    Rank,
    Uplink,
    WaitingFile,
)
from gateway.model.ids import DeviceId, StreamId
from gateway.model.informant import Invitation, Report, ReportKind
from gateway.model.kit import Kit, KitLinks, KitState, LinkState, LinkTrail, LinkUse, Thumbnail
from gateway.model.kit_state import FieldLink, FieldState, FieldWord, KitCondition, Power, PowerSource
from gateway.model.link import BearerKind, Link, LinkPhase, Signal, TrafficClass
from gateway.model.media import Codec, Snapshot, StreamState, StreamStatus, Track, TrackKind
from gateway.model.pairing import OfferState, PairedCenter, PairedKit, PairingOffer
from gateway.model.picture import DayNight, PictureLevel, PictureNow
from gateway.model.position import Datum, Position, PositionSource
from gateway.model.principal import Principal, Role
from gateway.model.ptz import Preset
from gateway.model.source import (
    ProgramInfo,
    PushState,
    PushStatus,
    SourceChannel,
    SourceInfo,
    SourceOrigin,
    SourceTest,
)
from gateway.model.telemetry import KitRecord
from gateway.model.texts import Arrived, CarrierKind, CarrierState, TextIn, TextOut, TextState
from gateway.model.voice import (
    CallState,
    CallStatus,
    Floor,
    FloorState,
    GroupId,
    GroupMode,
    GroupStatus,
    Member,
    MemberKind,
    MemberState,
    Priority,
    Spurt,
    VoiceId,
)
from gateway.store.rows import Account, AuditHead, AuditRow, AuditVerdict, TokenInfo

BALL = DeviceId("kit1/ball-1")
STREAM = StreamId("kit1/ball-1/ch1")
NOW = 1_800_000_000.0


class FakeAccounts:
    def __init__(self) -> None:
        self.tokens_: dict[str, TokenInfo] = {}
        self.people = {"wang": ("correct horse", Role.OPERATOR)}
        self.codes: dict[str, Role] = {}
        self.touched: list[bool] = []
        self.wrong = 0

    def give(self, role: Role, *, name: str = "", scope: str = "") -> str:
        """A token of `role`, as if it had been issued before."""
        token = f"tok-{role}-{secrets.token_hex(8)}"
        self.tokens_[token] = TokenInfo(token[-8:], name or role.value, role, scope, NOW, NOW + 3600)
        return token

    async def sign_in(self, name: str, password: str, address: str) -> Issued:
        if self.wrong >= 3:
            raise Denied(f"{name} is locked for 60 s", code="locked-out")
        known = self.people.get(name)
        if known is None or known[0] != password:
            self.wrong += 1
            raise Denied("name or password is wrong", code="bad-credentials")
        token = self.give(known[1], name=name)
        return Issued(token, self.tokens_[token])

    def verify(self, token: str, address: str = "", *, touch: bool = True) -> Principal | None:
        self.touched.append(touch)
        info = self.tokens_.get(token)
        return Principal(info.name, info.role, info.id, info.scope, address) if info else None

    async def sign_out(self, token: str) -> None:
        self.tokens_.pop(token, None)

    async def issue(self, who: Principal, *, name: str, role: Role, scope: str, ttl_s: float, note: str) -> Issued:
        token = self.give(role, name=name, scope=scope)
        return Issued(token, self.tokens_[token])

    async def revoke(self, who: Principal, token_id: str) -> None:
        self.tokens_ = {token: info for token, info in self.tokens_.items() if info.id != token_id}

    def tokens(self, who: Principal) -> Sequence[TokenInfo]:
        return list(self.tokens_.values())

    def accounts(self, who: Principal) -> Sequence[Account]:
        return [Account("wang", Role.OPERATOR)]

    def mint_code(self, who: Principal, *, role: Role, scope: str, ttl_s: float, name: str) -> str:
        code = secrets.token_hex(6)
        self.codes[code] = role
        return code

    async def redeem(self, code: str, address: str) -> Issued:
        if code not in self.codes:
            raise Denied("the code is unknown, used or too old", code="bad-credentials")
        token = self.give(self.codes.pop(code), name="link")
        return Issued(token, self.tokens_[token])


class FakeBus:
    def __init__(self) -> None:
        self.kept: list[BusEvent] = []
        self.queues: list[asyncio.Queue[BusEvent | Missed | None]] = []

    @property
    def cursor(self) -> int:
        return self.kept[-1].cursor if self.kept else 0

    def publish(self, type_: str, subject: str, data: Any, *, gone: bool = False) -> None:
        event = BusEvent(self.cursor + 1, type_, subject, data, gone)
        self.kept.append(event)
        for queue in self.queues:
            queue.put_nowait(event)

    @asynccontextmanager
    async def subscribe(
        self, who: Principal, *, cursor: int | None = None, types: Sequence[str] = ()
    ) -> AsyncIterator[AsyncIterator[BusEvent | Missed]]:
        queue: asyncio.Queue[BusEvent | Missed | None] = asyncio.Queue()
        for event in self.kept:
            if cursor is not None and event.cursor > cursor:
                queue.put_nowait(event)
        self.queues.append(queue)

        async def events() -> AsyncIterator[BusEvent | Missed]:
            while (event := await queue.get()) is not None:
                if isinstance(event, Missed) or not types or event.type in types:
                    yield event

        try:
            yield events()
        finally:
            self.queues.remove(queue)


class FakeDirectory:
    def __init__(self) -> None:
        channel = Channel("ch1", "34020000001320000001", "Front", stream=STREAM)
        self.ball = Device(
            BALL, "gb28181", "34020000001110000001", "Ball 1", DeviceState.ONLINE, channels=(channel,), since=NOW
        )
        track = Track(TrackKind.VIDEO, Codec.H264, 90000, width=1280, height=720)
        self.status = StreamStatus(STREAM, BALL, "Front", StreamState.LIVE, tracks=(track,))

    def devices(self, who: Principal, text: str = "", **_: Any) -> Sequence[Device]:
        return [self.ball] if text in self.ball.name else []

    def device(self, who: Principal, ref: str) -> Device:
        if ref not in ("ball-1", BALL):
            raise NotFound(f"no device {ref}")
        return self.ball

    def pending(self, who: Principal) -> Sequence[PendingDevice]:
        return [PendingDevice("gb28181", "3402000000111000000" + "9", "10.0.0.9", NOW, NOW, 3, "unknown-device")]

    def streams(self, who: Principal, text: str = "") -> Sequence[StreamStatus]:
        return [self.status]

    def stream(self, who: Principal, ref: str) -> StreamStatus:
        if ref not in ("ball-1/ch1", STREAM):
            raise NotFound(f"no stream {ref}")
        return self.status


class FakeSources:
    def __init__(self) -> None:
        self.tried: list[str] = []
        self.result = SourceTest(
            True,
            "rtsp://192.0.2.1/1",
            "rtsp",
            took_s=0.6,
            tracks=(Track(TrackKind.VIDEO, Codec.H264, 90000, width=640),),
        )

    def sources(self, who: Principal) -> Sequence[SourceInfo]:
        channel = SourceChannel(
            "main", "kit1/gate/main", "rtsp://192.0.2.1/1", "rtsp", "waiting", "connect-refused", "refused", NOW, 3.0
        )
        return [SourceInfo("gate", "Gate", SourceOrigin.PERSON, True, (channel,), "wang", NOW)]

    def schemes(self, who: Principal) -> Sequence[str]:
        return ["rtsp", "srt"]

    async def test(self, who: Principal, url: str) -> SourceTest:
        self.tried.append(url)
        return self.result

    async def ask(self) -> Sequence[Finding]:
        return [Finding("source gate/main", Grade.WARN, "rtsp://192.0.2.1/1", "", "rtsp-not-found")]

    def pushes(self, who: Principal) -> Sequence[PushStatus]:
        return [PushStatus("center", "Center", STREAM, "rtmp://center.example/live/…", PushState.RUNNING)]

    def programs(self, who: Principal) -> Sequence[ProgramInfo]:
        return [ProgramInfo("drone", ("drone-*",), (), (), "", True, True, NOW, "192.0.2.7", ("kit1/drone-1/main",))]

    async def renew_program(self, who: Principal, name: str) -> str:
        if name != "drone":
            raise NotFound(f"there is no program {name}")
        return "fresh-secret-0123"


FIND = Find("0a1b2c3d", FindKind.CAMERA, (FindWay.WS_DISCOVERY,), "192.0.2.5", name="Gate", adopt="onvif")


class FakeCommands:
    def __init__(self) -> None:
        self.given: list[Command] = []
        self.answer = CommandResult("", Outcome.DONE)

    async def execute(self, command: Command) -> CommandResult:
        self.given.append(command)
        return replace(self.answer, id=command.id)


class FakeAudit:
    async def record(self, who: Principal, act: str, target: str = "", **_: Any) -> None:
        return None

    async def read(self, who: Principal, *, after: int = 0, limit: int = 500) -> Sequence[AuditRow]:
        return [AuditRow(1, NOW, "wang", "operator", "s", "10.0.0.2", "ptz.move", STREAM, "done", "", "", "ab")]

    async def export(self, who: Principal) -> AsyncIterator[AuditRow | AuditHead]:
        for row in await self.read(who):
            yield row
        yield AuditHead(1, "seal")

    async def verify(self, who: Principal) -> AuditVerdict:
        return AuditVerdict(True, 1)


class FakeAlarms:
    async def recent(self, who: Principal, **_: Any) -> Sequence[Alarm]:
        return [Alarm(BALL, "ch1", "k", AlarmSeverity.MAJOR, "motion", "video", "moved", NOW, NOW, id="01A")]


REPORT = Report("01JABCDEFGHJKMNPQRSTVWXYZ0", BALL, "Wang", "dam", ReportKind.PHOTO, "", "image/jpeg", 3, "", NOW, NOW)


class FakeInvitations:
    made = Invitation("abc", "Wang", "dam", "otto", NOW, NOW + 60, 5)

    async def invite(self, who: Principal, **_: Any) -> tuple[Invitation, str]:
        return self.made, "fgi_" + "a" * 26

    def invitations(self, who: Principal) -> Sequence[Invitation]:
        return [self.made]

    async def revoke(self, who: Principal, id_: str) -> None:
        pass


class FakeInformants:
    invitations = FakeInvitations()
    path = Path(__file__)
    media_type = "image/jpeg"

    async def recent(self, who: Principal, **_: Any) -> Sequence[Report]:
        return [REPORT]

    async def file(self, who: Principal, id_: str) -> tuple[Report, Path]:
        return replace(REPORT, media_type=self.media_type), self.path

    async def mark_seen(self, who: Principal, id_: str) -> Report:
        return replace(REPORT, seen_by=who.name)

    async def remove(self, who: Principal, id_: str) -> None:
        pass


class FakePositions:
    def latest(self, who: Principal) -> Sequence[Position]:
        return [Position(BALL, "ch1", 116.4, 39.9, Datum.WGS84, PositionSource.GNSS, NOW, NOW)]

    async def trail(self, who: Principal, device: str, **_: Any) -> Sequence[Position]:
        return self.latest(who)


OPS = GroupId("kit1/talk/ops")


class FakeTalk:
    def __init__(self) -> None:
        somebody = Member("sip:8001", MemberKind.SIP, "Gate", MemberState.UP)
        self.status = GroupStatus(OPS, "Operations", GroupMode.HALF, Floor(FloorState.IDLE), (somebody,), "600")

    def groups(self, who: Principal) -> Sequence[GroupStatus]:
        return [self.status]

    def group(self, who: Principal, ref: str) -> GroupStatus:
        if ref not in ("ops", OPS, "600"):
            raise NotFound(f"no group {ref}")
        return self.status

    async def spurts(
        self, who: Principal, ref: str, *, before: float | None = None, limit: int = 200
    ) -> Sequence[Spurt]:
        group = self.group(who, ref).id
        return [
            Spurt("01S", group, "sip:8001", MemberKind.SIP, "Gate", Priority.NORMAL, False, NOW - 5, NOW, "release")
        ][:limit]

    def levels(self, who: Principal, ref: str) -> Mapping[str, float]:
        self.group(who, ref)
        return {"sip:8001": -23.5}

    def endpoints(self, who: Principal) -> Sequence[EndpointInfo]:
        radio = VoiceId("kit1/radio-1/ch1")
        return [
            EndpointInfo(
                radio, DeviceId("kit1/radio-1"), "Radio", MemberKind.RADIO, MemberState.UP, True, "", True, True, {}
            )
        ]

    def calls(self, who: Principal) -> Sequence[CallStatus]:
        return [CallStatus("call-1", "sip", True, CallState.RINGING_IN, "8001")]


class FakeFigures:
    def __init__(self) -> None:
        self.looked = 0

    async def fresh(self) -> None:
        self.looked += 1


class FakeSnapshots:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str, int, int, bool]] = []
        self.failing: GatewayError | None = None

    async def take(
        self, stream: StreamId, who: Principal, *, height: int = 0, quality: int = 75, last: bool = False
    ) -> Snapshot:
        self.asked.append((stream, who.name, height, quality, last))
        if self.failing is not None:
            raise self.failing
        return Snapshot(b"\xff\xd8jpeg", 640, 360, NOW - 2.0, 0.5)


class FakeFleet:
    def __init__(self) -> None:
        self.lte = LinkState("lte-1", "lte", "wwan0", LinkUse.IN, rtt_ms=35.0, usable_bps=4e6)
        self.ball = Kit("kit7", "County 7", KitState.ONLINE, since=NOW, boot=3, ways=("uplink",), links=(self.lte,))
        self.asked: list[tuple[str, float, int]] = []
        self.proxied: list[tuple[str, ApiRequest]] = []
        self.answer = ApiAnswer(201, {"content-type": "application/json", "etag": "x"}, b"[7]")

    def kits(self, who: Principal) -> Sequence[Kit]:
        return [self.ball]

    def kit(self, who: Principal, gateway: str) -> Kit:
        if gateway != "kit7":
            raise NotFound(f"no kit {gateway}")
        return self.ball

    async def link_trails(
        self, who: Principal, gateway: str, hours: float, points: int
    ) -> tuple[KitLinks, Sequence[LinkTrail]]:
        self.asked.append((gateway, hours, points))
        trail = LinkTrail("lte-1", 10.0, (NOW,), (True,), (35.0,), (0.01,), (4e6,), (1e5,), (2e6,))
        return KitLinks(self.kit(who, gateway).gateway, NOW, (self.lte,)), [trail]

    async def ask(self, who: Principal, gateway: str, request: ApiRequest) -> ApiAnswer:
        self.kit(who, gateway)
        self.proxied.append((who.name, request))
        return self.answer

    def picture(self, who: Principal, gateway: str) -> Thumbnail:
        return Thumbnail("kit7/ball-1/ch1", b"\xff\xd8small", NOW - 4.0, 0.5)


class FakeLinks:
    def __init__(self) -> None:
        signal = Signal("lte", rsrp_dbm=-95.0, sinr_db=12.0, bars=3, operator="46000")
        self.up = Link(
            "modem1", BearerKind.LTE, "wwan0", LinkPhase.UP, since=NOW, usable=True, signal=signal, rtt_ms=60.0
        )
        self.up = replace(
            self.up, carries=tuple(TrafficClass), loss=0.01, out_bps=2e6, metered=True, quota_bytes=10**10
        )
        self.down = Link("sat", BearerKind.SATELLITE, "eth1", LinkPhase.DOWN, "link-no-reply", since=NOW)
        self.asked: list[tuple[float, int]] = []

    def links(self, who: Principal) -> Sequence[Link]:
        return [self.up, self.down]

    async def trails(self, who: Principal, hours: float, points: int) -> Sequence[LinkTrail]:
        self.asked.append((hours, points))
        return [LinkTrail("modem1", 10.0, (NOW,), (True,), (60.0,), (0.01,), (None,), (1e5,), (2e6,))]


PAIRED_KIT = PairedKit("kit7", b"k" * 32, "County 7", admitted_at=NOW, admitted_by="ada")
PAIRED_CENTER = PairedCenter("county", b"c" * 32, "County", ("203.0.113.5",), admitted_at=NOW)
OFFER = PairingOffer("ab12", Role.OPERATOR, "", NOW, NOW + 900, "tina")


class FakePairing:
    async def renew_key(self, who: Principal) -> None:
        pass

    async def offer(self, who: Principal, **_: Any) -> tuple[PairingOffer, str]:
        return OFFER, "fgp1:code"

    def offered(self, who: Principal, id_: str) -> PairingOffer:
        return replace(OFFER, state=OfferState.PAIRED, center="county")

    async def accept(self, who: Principal, text: str) -> PairedCenter:
        return PAIRED_CENTER

    async def admit(self, who: Principal, text: str, **_: Any) -> tuple[PairedKit, str]:
        return PAIRED_KIT, "fga1:answer"

    def answer(self, id_: str) -> str:
        if id_ != "known":
            raise NotFound("nobody has admitted it", code="pair-waiting")
        return "fga1:answer"

    async def revoke_kit(self, who: Principal, gateway: str, detail: str = "") -> PairedKit:
        return replace(PAIRED_KIT, revoked_at=NOW, detail=detail)

    async def forget_kit(self, who: Principal, gateway: str) -> None: ...
    def centers(self, who: Principal) -> Sequence[PairedCenter]:
        return [PAIRED_CENTER]

    async def forget_center(self, who: Principal, gateway: str) -> None: ...


class FakeDaemon:
    def __init__(self) -> None:
        self.ok = True

    def health(self) -> Health:
        return Health(self.ok, {"loop": "", "store": "" if self.ok else "disk-full"}, uptime_s=5.0)

    def adapters(self) -> Sequence[AdapterStatus]:
        return [AdapterStatus("gb28181", "gb28181", "waiting", "port-in-use", "5060 is taken", NOW, 2, 4.0)]

    def findings(self) -> Sequence[Finding]:
        return [Finding("sip trunk center", Grade.FAIL, "connecting", "up", "trunk-silent")]

    async def reload(self, who: Principal) -> Sequence[str]:
        return ["log.level: info → debug"]


class FakeForward:
    def __init__(self) -> None:
        self.left: list[str] = []
        self.sent: list[tuple[str, str, bytes]] = []
        moment = Moment("b00t", 12.5, NOW - 60, TimeQuality.NTP)
        body = '{"device": "kit7/ball-1"}'
        event = Event("01J", EventKind.ALARM, Rank.FIRST, "critical", body, moment, 3)
        self.event = KeptEvent("kit7", event, NOW - 60, Dating.TOLD, NOW, 1)
        file = ForwardFile("01F", "photo.jpg", "image/jpeg", 3, "0" * 64)
        self.file_ = KeptFile("kit7", file, 3, NOW, NOW)
        self.path = Path(__file__)

    def uplinks(self, who: Principal) -> Sequence[Uplink]:
        return [Uplink("mqtt/center1", "mqtt", NOW, rows=2, waiting={"alarm": 2})]

    async def waiting_files(self, who: Principal) -> Sequence[WaitingFile]:
        return [WaitingFile(self.file_.file, "mqtt/center1", 1)]

    async def send(self, who: Principal, name: str, device: str, pieces: AsyncIterable[bytes]) -> ForwardFile:
        self.sent.append((name, device, b"".join([piece async for piece in pieces])))
        return replace(self.file_.file, name=name, size=len(self.sent[-1][2]))

    async def leave(self, who: Principal, name: str) -> None:
        self.left.append(name)

    async def remove(self, who: Principal, gateway: str, id_: str) -> None:
        self.left.append(f"{gateway}/{id_}")

    async def events(self, who: Principal, **_: Any) -> Sequence[KeptEvent]:
        return [self.event]

    async def files(self, who: Principal, **_: Any) -> Sequence[KeptFile]:
        return [self.file_]

    async def file(self, who: Principal, gateway: str, id_: str) -> tuple[KeptFile, Path]:
        return self.file_, self.path


class FakeTexts:
    def __init__(self) -> None:
        self.sent: list[TextOut] = []
        self.text = TextIn("01T", "17400000001", "all well", "sat1", NOW)

    def carriers(self, who: Principal) -> Sequence[CarrierState]:
        return [CarrierState("bd1", CarrierKind.BEIDOU, False, "bd-card-limit", again_at=NOW + 40)]

    async def out(self, who: Principal, **_: Any) -> Sequence[TextOut]:
        return self.sent

    async def came(self, who: Principal, **_: Any) -> Sequence[TextIn]:
        return [self.text]

    async def send(self, who: Principal, to: str, body: str, *, id_: str = "", **_: Any) -> TextOut:
        self.sent.append(TextOut(id_, to, body))
        return self.sent[-1]

    async def cancel(self, who: Principal, id_: str) -> TextOut:
        return TextOut(id_, "10086", "", state=TextState.CANCELLED)

    async def seen(self, who: Principal, id_: str) -> TextIn:
        return replace(self.text, seen_by=who.name)

    async def arrived(self, who: Principal, text: Arrived, carrier: str) -> bool:
        return True

    async def records(self, who: Principal, gateway: str, limit: int) -> Sequence[KitRecord]:
        return [KitRecord(gateway, battery_percent=41)]


async def _presets(who: Principal, stream: str) -> Sequence[Preset]:
    return [Preset(1, "Gate")]


class FakePictures:
    """A camera with two levels and an infrared filter."""

    def __init__(self) -> None:
        self.picture = PictureNow(
            (PictureLevel("brightness", 0, 200, 0.25), PictureLevel("sharpness", -5, 5)),
            (DayNight.DAY, DayNight.NIGHT),
            DayNight.DAY,
        )

    async def now(self, who: Principal, stream: str) -> PictureNow:
        return self.picture


class FakeKit:
    def __init__(self) -> None:
        self.condition = KitCondition(
            "kit1", NOW, Power(PowerSource.BATTERY, 0.4, code="on-battery"), codes=("on-battery",)
        )
        links = (FieldLink("lte0", "lte", True, "up", bars=3), FieldLink("sat", "satellite", False, "searching"))
        self.field = FieldState(FieldWord.READY, "", NOW, ("on-battery",), links, 1, PowerSource.BATTERY, 0.4)

    def outward(self) -> Sequence[str]:
        return ("10.64.0.9",)

    def says(self, word: str, code: str) -> None:
        self.field = replace(self.field, word=FieldWord(word), code=code)


def fake_services() -> Services:
    """Services whose parts are all fakes; reach them by their fields."""
    parts: dict[str, Any] = {
        "directory": FakeDirectory(),
        "streams": SimpleNamespace(),
        "figures": FakeFigures(),
        "snapshots": FakeSnapshots(),
        "bus": FakeBus(),
        "commands": FakeCommands(),
        "accounts": FakeAccounts(),
        "audit": FakeAudit(),
        "alarms": FakeAlarms(),
        "positions": FakePositions(),
        "informants": FakeInformants(),
        "ptz": SimpleNamespace(holder=lambda stream: None, presets=_presets),
        "pictures": FakePictures(),
        "sources": FakeSources(),
        "discovery": SimpleNamespace(status=lambda who: SearchStatus(finds=1), finds=lambda who: [FIND]),
        "sessions": SimpleNamespace(
            viewings=lambda who: [ViewingInfo("1", STREAM, "wang", "s", "10.0.0.2", "whep", NOW)]
        ),
        "talk": FakeTalk(),
        "rights": SimpleNamespace(allowed=lambda *_: True),
        "metrics": SimpleNamespace(render=lambda: b"gateway_streams 1\n"),
        "daemon": FakeDaemon(),
        "fleet": FakeFleet(),
        "links": FakeLinks(),
        "forward": FakeForward(),
        "pairing": FakePairing(),
        "kit": FakeKit(),
        "texts": FakeTexts(),
        "meshes": Meshes("kit1", Bus(), Clock()),
    }
    return Services(gateway="kit1", version="0.1.0", config=Config, now=lambda: NOW, **parts)
