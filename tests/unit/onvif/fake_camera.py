"""A camera that is wrong on purpose, in the ways real ones are: each `Quirks` field is one of them.

What it says was written after ONVIF's own WSDLs; `tests/peers/test_onvif_peer.py` has an ONVIF client that we did not
write talk to it, so that it is not only our two halves that agree.
"""

# ruff: noqa: E501 - XML as cameras write it
from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gateway.wire.digest import Authorization, DigestServer, Verdict
from gateway.wire.xml import XmlNode, parse_xml

_NS = (
    'xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:tt="http://www.onvif.org/ver10/schema"'
    ' xmlns:tds="http://www.onvif.org/ver10/device/wsdl" xmlns:trt="http://www.onvif.org/ver10/media/wsdl"'
    ' xmlns:tr2="http://www.onvif.org/ver20/media/wsdl" xmlns:tptz="http://www.onvif.org/ver20/ptz/wsdl"'
    ' xmlns:timg="http://www.onvif.org/ver20/imaging/wsdl" xmlns:tev="http://www.onvif.org/ver10/events/wsdl"'
    ' xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2" xmlns:wsa="http://www.w3.org/2005/08/addressing"'
    ' xmlns:ter="http://www.onvif.org/ver10/error" xmlns:tns1="http://www.onvif.org/ver10/topics"'
    ' xmlns:dom0="http://www.axis.com/2009/event" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)


STILL = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffc0000b080168028001011100ffd9")
"""The head of a JPEG of 640 by 360."""


@dataclass
class Quirks:
    clock_off_s: float = 0.0  # its clock is wrong; tokens of another time are refused
    clock_settable: bool = True
    clock_wants_token: bool = False
    signing: str = "token"  # "token", "digest" (HTTP, and tokens are refused), "either"
    refuse_status: int = 401  # with a fault; 400: with nothing, as some do
    xaddr: str = "right"  # "right", "relative", "nat" (an address of another network)
    old: bool = False  # knows no GetServices
    profile_t: bool = False
    stop: str = (
        "any"  # "flags-refused", "refused" (only a move of speed zero stops it), "ignored" (says yes and turns),
    )
    # "never" (it turns whatever it is told)
    timeout: str = "obeyed"  # "ignored", "refused"
    locked: bool = False
    events: str = "reference"  # "address", "none", "forgets" (each dies after one pull), "refused" (it makes none)
    profiles: bool = True  # False: nobody has set its encoders up
    extra_xml: bytes = b""  # answers are replaced by this


@dataclass
class FakeCamera:
    quirks: Quirks = field(default_factory=Quirks)
    user: str = "admin"
    password: str = "camera-pass"
    serial: str = "SN-1"
    rtsp_uri: str = "rtsp://{host}:554/main"

    def __post_init__(self) -> None:
        self.host, self.port = "127.0.0.1", 0
        self.clock_off_s = self.quirks.clock_off_s
        self.asked: list[str] = []
        self.heard = asyncio.Event()
        self.velocity = (0.0, 0.0, 0.0)
        self.moves: list[tuple[float, float, float]] = []
        self.timeouts: list[str] = []
        self.presets: dict[str, str] = {"1": "gate", "parking": "parking lot"}
        self.place: Any = None
        self.home = 0
        self.focus = 0.0
        self.iris = 40.0
        self.picture: dict[str, str] = {}
        self.bitrates = {"ES": 512, "EB": 4096}  # kbit/s by encoder
        self.encoder_refuses = False
        self.clock_set = 0
        self.subscriptions: set[str] = set()
        self.renewed = 0
        self.wrong = 0
        self.events: asyncio.Queue[str] = asyncio.Queue()
        self._digest = DigestServer("camera", secret=b"x" * 32)
        self._server: asyncio.Server | None = None
        self._until: asyncio.TimerHandle | None = None
        self._number = 0

    async def __aenter__(self) -> FakeCamera:
        self._server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.vanish()
        if self._until is not None:
            self._until.cancel()

    async def vanish(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def come_back(self) -> None:
        self._server = await asyncio.start_server(self._serve, self.host, self.port)

    async def until(self, name: str, times: int = 1, timeout: float = 60.0) -> None:
        """Wait until it was asked that."""
        async with asyncio.timeout(timeout):
            while self.asked.count(name) < times:
                self.heard.clear()
                await self.heard.wait()

    @property
    def moving(self) -> bool:
        return any(self.velocity)

    # — HTTP —

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            path = head.split(" ", 2)[1]
            fields = {
                k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head.split("\r\n")[1:] if line)
            }
            body = await reader.readexactly(int(fields.get("content-length", 0)))
            if head.startswith("GET /snap.jpg"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(STILL) + STILL)
                return
            status, text, more = await self._answer(path, fields, body)
            data = text if isinstance(text, bytes) else text.encode()
            lines = [
                f"HTTP/1.1 {status} X",
                "Content-Type: application/soap+xml",
                f"Content-Length: {len(data)}",
                *more,
            ]
            writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode() + data)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, path: str, fields: dict[str, str], body: bytes) -> tuple[int, str | bytes, list[str]]:
        root = parse_xml(body).root
        node = root.child("Body").children[0]  # type: ignore[union-attr]
        name = node.tag
        self.asked.append(name)
        self.heard.set()
        if self.quirks.extra_xml:
            return 200, self.quirks.extra_xml, []
        open_ = name == "GetSystemDateAndTime" and not self.quirks.clock_wants_token
        if not open_ and (refused := self._refuse(root, fields, path, body)) is not None:
            return refused
        handler = getattr(self, f"_{name}", None)
        if handler is None:
            return 500, self._fault("ter:ActionNotSupported", f"{name} is not supported"), []
        made = handler(node, root, path)
        if asyncio.iscoroutine(made):
            made = await made
        if isinstance(made, tuple):
            return made[0], made[1], []
        return 200, self._envelope(made), []

    def _refuse(
        self, root: XmlNode, fields: dict[str, str], path: str, body: bytes
    ) -> tuple[int, str | bytes, list[str]] | None:
        """None: it is signed as it should be."""
        if self.quirks.locked:
            return 400, self._fault("ter:NotAuthorized", "The account is locked, try again later"), []
        token = root.child("Header", "Security", "UsernameToken")
        signed = token is not None and self._token_is_right(token)
        challenge = f"WWW-Authenticate: {self._digest.challenges(time.time())[0]}"
        asked = fields.get("authorization", "")
        digested = asked.startswith("Digest") and (
            self._digest.check(Authorization.parse(asked), "POST", time.time(), password=self.password) is Verdict.OK
        )
        match self.quirks.signing:
            case "token" if signed:
                return None
            case "digest" if digested and token is None:
                return None
            case "digest" if digested:
                return 400, "", []  # chokes on the header
            case "digest":
                return 401, "", [challenge]
            case "either" if signed or digested:
                return None
            case _:
                pass
        self.wrong += 1
        if self.quirks.refuse_status == 400:
            return 400, "", []
        return self.quirks.refuse_status, self._fault("ter:NotAuthorized", "Sender not Authorized"), []

    def _token_is_right(self, token: XmlNode) -> bool:
        nonce = base64.b64decode(token.field("Nonce"))
        created = token.field("Created")
        want = base64.b64encode(
            hashlib.sha1(nonce + created.encode() + self.password.encode(), usedforsecurity=False).digest()
        ).decode()
        at = datetime.fromisoformat(created.replace("Z", "+00:00")).timestamp()
        fresh = abs(at - (time.time() + self.clock_off_s)) < 5.0
        return token.field("Username") == self.user and token.field("Password") == want and fresh

    def _envelope(self, body: str) -> str:
        return (
            f'<?xml version="1.0" encoding="utf-8"?><s:Envelope {_NS}><s:Header/><s:Body>{body}</s:Body></s:Envelope>'
        )

    def _fault(self, code: str, text: str) -> str:
        return self._envelope(
            "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>"
            f"{code}</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang='en'>{text}</s:Text></s:Reason></s:Fault>"
        )

    def _at(self, path: str) -> str:
        match self.quirks.xaddr:
            case "relative":
                return path
            case "nat":
                return f"http://192.0.2.77:8899{path}"
            case _:
                return f"http://{self.host}:{self.port}{path}"

    # — device —

    def _GetSystemDateAndTime(self, *_: Any) -> str:
        now = datetime.fromtimestamp(time.time() + self.clock_off_s, UTC)
        return (
            "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>Manual</tt:DateTimeType>"
            "<tt:DaylightSavings>false</tt:DaylightSavings><tt:TimeZone><tt:TZ>CST-8</tt:TZ></tt:TimeZone><tt:UTCDateTime>"
            f"<tt:Time><tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute><tt:Second>{now.second}</tt:Second>"
            f"</tt:Time><tt:Date><tt:Year>{now.year}</tt:Year><tt:Month>{now.month}</tt:Month><tt:Day>{now.day}</tt:Day>"
            "</tt:Date></tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
        )

    def _SetSystemDateAndTime(self, node: XmlNode, *_: Any) -> Any:
        if not self.quirks.clock_settable:
            return 500, self._fault("ter:ActionNotSupported", "no")
        utc = node.child("UTCDateTime")
        assert utc is not None and node.field("TimeZone", "TZ") == "CST-8"
        date = [int(utc.field("Date", k)) for k in ("Year", "Month", "Day")]
        date += [int(utc.field("Time", k)) for k in ("Hour", "Minute", "Second")]
        self.clock_off_s = datetime(*date, tzinfo=UTC).timestamp() - time.time()  # type: ignore[misc,arg-type]
        self.clock_set += 1
        return "<tds:SetSystemDateAndTimeResponse/>"

    def _GetDeviceInformation(self, *_: Any) -> str:
        return (
            "<tds:GetDeviceInformationResponse><tds:Manufacturer>Fake</tds:Manufacturer><tds:Model>F-1</tds:Model>"
            f"<tds:FirmwareVersion>1.2</tds:FirmwareVersion><tds:SerialNumber>{self.serial}</tds:SerialNumber>"
            "<tds:HardwareId>h</tds:HardwareId></tds:GetDeviceInformationResponse>"
        )

    def _services(self) -> dict[str, str]:
        found = {
            "http://www.onvif.org/ver10/device/wsdl": "/onvif/device_service",
            "http://www.onvif.org/ver10/media/wsdl": "/onvif/media",
            "http://www.onvif.org/ver20/ptz/wsdl": "/onvif/ptz",
            "http://www.onvif.org/ver20/imaging/wsdl": "/onvif/imaging",
        }
        if self.quirks.events != "none":
            found["http://www.onvif.org/ver10/events/wsdl"] = "/onvif/events"
        if self.quirks.profile_t:
            found["http://www.onvif.org/ver20/media/wsdl"] = "/onvif/media2"
        return found

    def _GetServices(self, *_: Any) -> Any:
        if self.quirks.old:
            return 500, self._fault("ter:ActionNotSupported", "what?")
        told = "".join(
            f"<tds:Service><tds:Namespace>{space}</tds:Namespace><tds:XAddr>{self._at(path)}</tds:XAddr>"
            "<tds:Version><tt:Major>2</tt:Major><tt:Minor>60</tt:Minor></tds:Version></tds:Service>"
            for space, path in self._services().items()
        )
        return f"<tds:GetServicesResponse>{told}</tds:GetServicesResponse>"

    def _GetCapabilities(self, *_: Any) -> str:
        said = self._services()
        rows = (("Device", "ver10/device"), ("Events", "ver10/events"), ("Imaging", "ver20/imaging"))
        rows += (("Media", "ver10/media"), ("PTZ", "ver20/ptz"))
        told = "".join(
            f"<tt:{name}><tt:XAddr>{self._at(said[f'http://www.onvif.org/{space}/wsdl'])}</tt:XAddr></tt:{name}>"
            for name, space in rows
            if f"http://www.onvif.org/{space}/wsdl" in said
        )
        return f"<tds:GetCapabilitiesResponse><tds:Capabilities>{told}</tds:Capabilities></tds:GetCapabilitiesResponse>"

    def _GetScopes(self, *_: Any) -> str:
        item = "<tt:ScopeDef>Fixed</tt:ScopeDef><tt:ScopeItem>onvif://www.onvif.org/name/Gate_%E9%97%A8</tt:ScopeItem>"
        return f"<tds:GetScopesResponse><tds:Scopes>{item}</tds:Scopes></tds:GetScopesResponse>"

    # — media —

    _PTZ = (
        '<tt:{tag} token="P"><tt:Name>p</tt:Name><tt:UseCount>2</tt:UseCount><tt:NodeToken>N1</tt:NodeToken>'
        "<tt:DefaultContinuousPanTiltVelocitySpace>x</tt:DefaultContinuousPanTiltVelocitySpace>"
        "<tt:DefaultContinuousZoomVelocitySpace>x</tt:DefaultContinuousZoomVelocitySpace></tt:{tag}>"
    )

    def _GetProfiles(self, node: XmlNode, root: XmlNode, path: str) -> str:
        if not self.quirks.profiles:
            return "<trt:GetProfilesResponse/>"
        if path.endswith("media2"):
            rows = "".join(
                f'<tr2:Profiles token="{token}" fixed="true"><tr2:Name>{name}</tr2:Name><tr2:Configurations>'
                '<tr2:VideoSource token="V"><tt:Name>v</tt:Name><tt:UseCount>2</tt:UseCount>'
                '<tt:SourceToken>L1</tt:SourceToken><tt:Bounds x="0" y="0" width="1" height="1"/></tr2:VideoSource>'
                f'<tr2:VideoEncoder token="E{token}"><tt:Name>e</tt:Name><tt:UseCount>1</tt:UseCount>'
                f"<tt:Encoding>{codec}</tt:Encoding><tt:Resolution><tt:Width>{w}</tt:Width><tt:Height>{h}</tt:Height>"
                "</tt:Resolution><tt:Quality>5</tt:Quality></tr2:VideoEncoder>"
                + self._PTZ.format(tag="PTZ").replace("<tt:PTZ ", "<tr2:PTZ ").replace("</tt:PTZ>", "</tr2:PTZ>")
                + '<tr2:AudioOutput token="AO"><tt:Name>o</tt:Name><tt:UseCount>1</tt:UseCount>'
                "<tt:OutputToken>O</tt:OutputToken><tt:OutputLevel>5</tt:OutputLevel></tr2:AudioOutput>"
                "</tr2:Configurations></tr2:Profiles>"
                for token, name, codec, w, h in (("S", "small", "H264", 640, 360), ("B", "big", "H265", 2560, 1440))
            )
            return f"<tr2:GetProfilesResponse>{rows}</tr2:GetProfilesResponse>"
        rows = "".join(
            f'<trt:Profiles token="{token}" fixed="true"><tt:Name>{name}</tt:Name>'
            '<tt:VideoSourceConfiguration token="V"><tt:Name>v</tt:Name><tt:UseCount>2</tt:UseCount>'
            '<tt:SourceToken>L1</tt:SourceToken><tt:Bounds x="0" y="0" width="1" height="1"/></tt:VideoSourceConfiguration>'
            f'<tt:VideoEncoderConfiguration token="E{token}"><tt:Name>e</tt:Name><tt:UseCount>1</tt:UseCount>'
            f"<tt:Encoding>H264</tt:Encoding><tt:Resolution><tt:Width>{w}</tt:Width><tt:Height>{h}</tt:Height></tt:Resolution>"
            "<tt:Quality>5</tt:Quality></tt:VideoEncoderConfiguration>"
            f"{self._PTZ.format(tag='PTZConfiguration')}</trt:Profiles>"
            for token, name, w, h in (("S", "small", 640, 360), ("B", "big", 1920, 1080))
        )
        return f"<trt:GetProfilesResponse>{rows}</trt:GetProfilesResponse>"

    def _GetVideoEncoderConfiguration(self, node: XmlNode, root: XmlNode, path: str) -> str:
        token, media2 = node.field("ConfigurationToken"), path.endswith("media2")
        rate = f"<tt:BitrateLimit>{self.bitrates[token]}</tt:BitrateLimit>"
        inner = (
            "<tt:Name>e&amp;1</tt:Name><tt:UseCount>1</tt:UseCount><tt:Encoding>H264</tt:Encoding><tt:Resolution>"
            "<tt:Width>640</tt:Width><tt:Height>360</tt:Height></tt:Resolution><tt:RateControl>"
            f"<tt:FrameRateLimit>25</tt:FrameRateLimit>{rate}</tt:RateControl><tt:Quality>5</tt:Quality>"
            '<tt:Extension><x:Odd xmlns:x="urn:x">1</x:Odd></tt:Extension>'
        )
        if media2:
            row = f'<tr2:Configurations token="{token}" GovLength="50" Profile="Main">{inner}</tr2:Configurations>'
            return f"<tr2:GetVideoEncoderConfigurationsResponse>{row}</tr2:GetVideoEncoderConfigurationsResponse>"
        row = f'<trt:Configuration token="{token}">{inner}</trt:Configuration>'
        return f"<trt:GetVideoEncoderConfigurationResponse>{row}</trt:GetVideoEncoderConfigurationResponse>"

    _GetVideoEncoderConfigurations = _GetVideoEncoderConfiguration

    def _SetVideoEncoderConfiguration(self, node: XmlNode, root: XmlNode, path: str) -> Any:
        told = node.child("Configuration")
        assert told is not None
        if self.encoder_refuses:
            return 500, self._fault("ter:InvalidArgVal", "BitrateLimit")
        media2 = path.endswith("media2")
        assert node.field("ForcePersistence", default="-") == ("-" if media2 else "false")
        assert told.attribute("GovLength") == ("50" if media2 else None)
        assert [child.tag for child in told.children] == [
            "Name", "UseCount", "Encoding", "Resolution", "RateControl", "Quality",
        ]  # fmt: skip
        assert (told.field("Name"), told.field("Resolution", "Width")) == ("e&1", "640")
        assert told.field("RateControl", "FrameRateLimit") == "25"
        self.bitrates[told.attribute("token") or ""] = int(told.field("RateControl", "BitrateLimit"))
        return f"<{'tr2' if media2 else 'trt'}:SetVideoEncoderConfigurationResponse/>"

    def _GetStreamUri(self, node: XmlNode, root: XmlNode, path: str) -> str:
        host = "192.0.2.77" if self.quirks.xaddr == "nat" else self.host
        uri = self.rtsp_uri.format(host=host) + f"?profile={node.field('ProfileToken')}&amp;unicast=true"
        if path.endswith("media2"):
            return f"<tr2:GetStreamUriResponse><tr2:Uri>{uri}</tr2:Uri></tr2:GetStreamUriResponse>"
        return (
            f"<trt:GetStreamUriResponse><trt:MediaUri><tt:Uri>{uri}</tt:Uri></trt:MediaUri></trt:GetStreamUriResponse>"
        )

    def _GetSnapshotUri(self, *_: Any) -> str:
        uri = self._at("/snap.jpg")
        return f"<trt:GetSnapshotUriResponse><trt:MediaUri><tt:Uri>{uri}</tt:Uri></trt:MediaUri></trt:GetSnapshotUriResponse>"

    def _SetSynchronizationPoint(self, *_: Any) -> str:
        return "<trt:SetSynchronizationPointResponse/>"

    # — PTZ —

    def _ContinuousMove(self, node: XmlNode, *_: Any) -> Any:
        timeout = node.field("Timeout")
        if timeout and self.quirks.timeout == "refused":
            return 500, self._fault("ter:InvalidArgVal", "Timeout")
        pan, zoom = node.child("Velocity", "PanTilt"), node.child("Velocity", "Zoom")
        said = [float(n.attribute(a) or 0) if n is not None else 0.0 for n, a in ((pan, "x"), (pan, "y"), (zoom, "x"))]
        if any(said) or self.quirks.stop != "never":
            self.velocity = (said[0], said[1], said[2])
        self.moves.append(self.velocity)
        self.timeouts.append(timeout)
        if self._until is not None:
            self._until.cancel()
        if timeout and self.quirks.timeout == "obeyed":
            seconds = float(re.sub(r"[PTS]", "", timeout))
            self._until = asyncio.get_running_loop().call_later(seconds, self._halt)
        return "<tptz:ContinuousMoveResponse/>"

    def _halt(self) -> None:
        self.velocity = (0.0, 0.0, 0.0)
        self.heard.set()

    def _Stop(self, node: XmlNode, *_: Any) -> Any:
        if self.quirks.stop == "refused" or (self.quirks.stop == "flags-refused" and node.child("PanTilt") is not None):
            return 400, self._fault("ter:InvalidArgVal", "Stop")
        if self.quirks.stop not in ("ignored", "never"):
            self._halt()
        return "<tptz:StopResponse/>"

    def _GetStatus(self, *_: Any) -> str:
        word = "MOVING" if self.moving else "IDLE"
        return (
            '<tptz:GetStatusResponse><tptz:PTZStatus><tt:Position><tt:PanTilt x="0.5" y="-0.5"/><tt:Zoom x="0.1"/>'
            f"</tt:Position><tt:MoveStatus><tt:PanTilt>{word}</tt:PanTilt><tt:Zoom>IDLE</tt:Zoom></tt:MoveStatus>"
            f"<tt:UtcTime>2026-01-01T00:00:00Z</tt:UtcTime></tptz:PTZStatus></tptz:GetStatusResponse>"
        )

    def _AbsoluteMove(self, node: XmlNode, *_: Any) -> str:
        pan, zoom = node.child("Position", "PanTilt"), node.child("Position", "Zoom")
        self.place = (pan and pan.attribute("x"), pan and pan.attribute("y"), zoom and zoom.attribute("x"))
        return "<tptz:AbsoluteMoveResponse/>"

    def _GotoHomePosition(self, *_: Any) -> str:
        self.home += 1
        return "<tptz:GotoHomePositionResponse/>"

    def _GetPresets(self, *_: Any) -> str:
        rows = "".join(
            f'<tptz:Preset token="{t}"><tt:Name>{n}</tt:Name></tptz:Preset>' for t, n in self.presets.items()
        )
        return f"<tptz:GetPresetsResponse>{rows}</tptz:GetPresetsResponse>"

    def _SetPreset(self, node: XmlNode, *_: Any) -> str:
        token = node.field("PresetToken") or f"t{len(self.presets)}"
        self.presets[token] = node.field("PresetName")
        return f"<tptz:SetPresetResponse><tptz:PresetToken>{token}</tptz:PresetToken></tptz:SetPresetResponse>"

    def _GotoPreset(self, node: XmlNode, *_: Any) -> str:
        self.place = node.field("PresetToken")
        return "<tptz:GotoPresetResponse/>"

    def _RemovePreset(self, node: XmlNode, *_: Any) -> str:
        del self.presets[node.field("PresetToken")]
        return "<tptz:RemovePresetResponse/>"

    # — imaging —

    def _GetOptions(self, *_: Any) -> str:
        told = "<tt:Brightness><tt:Min>0</tt:Min><tt:Max>200</tt:Max></tt:Brightness>"
        told += "<tt:Exposure><tt:Iris><tt:Min>0</tt:Min><tt:Max>100</tt:Max></tt:Iris></tt:Exposure>"
        told += "<tt:IrCutFilterModes>ON</tt:IrCutFilterModes><tt:IrCutFilterModes>OFF</tt:IrCutFilterModes>"
        told += "<tt:Sharpness><tt:Min>-5</tt:Min><tt:Max>5</tt:Max></tt:Sharpness>"
        return f"<timg:GetOptionsResponse><timg:ImagingOptions>{told}</timg:ImagingOptions></timg:GetOptionsResponse>"

    def _GetMoveOptions(self, *_: Any) -> str:
        speed = "<tt:Continuous><tt:Speed><tt:Min>-1</tt:Min><tt:Max>1</tt:Max></tt:Speed></tt:Continuous>"
        return (
            f"<timg:GetMoveOptionsResponse><timg:MoveOptions>{speed}</timg:MoveOptions></timg:GetMoveOptionsResponse>"
        )

    def _GetImagingSettings(self, *_: Any) -> str:
        rows = {"Brightness": "50", "Sharpness": "0", "IrCutFilter": "ON"} | self.picture
        first, filter_, last = (
            f"<tt:{name}>{rows[name]}</tt:{name}>" for name in ("Brightness", "IrCutFilter", "Sharpness")
        )
        exposure = f"<tt:Exposure><tt:Mode>MANUAL</tt:Mode><tt:Iris>{self.iris}</tt:Iris></tt:Exposure>"
        told = first + exposure + filter_ + last  # in the order of the schema's ImagingSettings20
        return f"<timg:GetImagingSettingsResponse><timg:ImagingSettings>{told}</timg:ImagingSettings></timg:GetImagingSettingsResponse>"

    def _SetImagingSettings(self, node: XmlNode, *_: Any) -> str:
        settings = node.child("ImagingSettings")
        assert settings is not None
        if iris := settings.field("Exposure", "Iris"):
            self.iris = float(iris)
        self.picture |= {one.tag: one.text for one in settings.children if one.tag != "Exposure"}
        return "<timg:SetImagingSettingsResponse/>"

    def _Move(self, node: XmlNode, *_: Any) -> str:
        self.focus = float(node.field("Focus", "Continuous", "Speed"))
        return "<timg:MoveResponse/>"

    # — events —

    def _CreatePullPointSubscription(self, *_: Any) -> Any:
        if self.quirks.events == "refused":
            return 500, self._fault("ter:MaxPullPoints", "no more subscriptions")
        self._number += 1
        name = f"sub{self._number}"
        self.subscriptions.add(name)
        if self.quirks.events == "reference":
            more = (
                f'<wsa:ReferenceParameters><dom0:SubscriptionId wsa:IsReferenceParameter="true">{name}'
                "</dom0:SubscriptionId></wsa:ReferenceParameters>"
            )
            address = self._at("/onvif/events/pull")
        else:
            more, address = "", self._at(f"/onvif/events/pull/{name}")
        return (
            "<tev:CreatePullPointSubscriptionResponse><tev:SubscriptionReference><wsa:Address>"
            f"{address}</wsa:Address>{more}</tev:SubscriptionReference>"
            "<wsnt:CurrentTime>2026-01-01T00:00:00Z</wsnt:CurrentTime>"
            "<wsnt:TerminationTime>2026-01-01T00:02:00Z</wsnt:TerminationTime></tev:CreatePullPointSubscriptionResponse>"
        )

    def _which(self, root: XmlNode, path: str) -> str:
        return root.field("Header", "SubscriptionId") if self.quirks.events == "reference" else path.rpartition("/")[2]

    async def _PullMessages(self, node: XmlNode, root: XmlNode, path: str) -> Any:
        name = self._which(root, path)
        if name not in self.subscriptions:
            return 400, self._fault("wsnt:ResourceUnknownFault", "no such subscription")
        rows = []
        try:
            async with asyncio.timeout(5):
                rows.append(await self.events.get())
        except TimeoutError:
            pass
        if self.quirks.events == "forgets":
            self.subscriptions.discard(name)
        now = datetime.fromtimestamp(time.time() + self.clock_off_s, UTC).isoformat()
        told = "".join(rows).replace("{now}", now)
        return (
            "<tev:PullMessagesResponse><tev:CurrentTime>2026-01-01T00:00:00Z</tev:CurrentTime>"
            f"<tev:TerminationTime>2026-01-01T00:02:00Z</tev:TerminationTime>{told}</tev:PullMessagesResponse>"
        )

    def _Renew(self, node: XmlNode, root: XmlNode, path: str) -> Any:
        self.renewed += 1
        return (
            "<wsnt:RenewResponse><wsnt:TerminationTime>2026-01-01T00:02:00Z</wsnt:TerminationTime></wsnt:RenewResponse>"
        )

    def _Unsubscribe(self, node: XmlNode, root: XmlNode, path: str) -> str:
        self.subscriptions.discard(self._which(root, path))
        return "<wsnt:UnsubscribeResponse/>"

    def happens(self, topic: str, source: str, name: str, value: str, operation: str = "Changed") -> None:
        """One notification."""
        self.events.put_nowait(
            "<wsnt:NotificationMessage><wsnt:Topic Dialect='http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet'>"
            f"tns1:{topic}</wsnt:Topic><wsnt:Message><tt:Message UtcTime='{{now}}' PropertyOperation='{operation}'>"
            f"<tt:Source><tt:SimpleItem Name='VideoSourceConfigurationToken' Value='{source}'/></tt:Source>"
            f"<tt:Data><tt:SimpleItem Name='{name}' Value='{value}'/></tt:Data></tt:Message></wsnt:Message>"
            "</wsnt:NotificationMessage>"
        )
