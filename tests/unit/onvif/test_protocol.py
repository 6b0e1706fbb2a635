"""What is said to cameras and what is understood of them, without a network."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from adapters.onvif.memory import Memory, dumps, loads
from adapters.onvif.protocol import device, events, media, ptz
from adapters.onvif.protocol.device import Place, place_of
from adapters.onvif.protocol.security import password_digest, username_token
from adapters.onvif.protocol.soap import Fault, envelope, read_answer, tag
from gateway.base.errors import RemoteProtocolError
from gateway.model.ptz import Preset, PtzMove
from gateway.wire import wsd
from gateway.wire.xml import parse_xml

VECTORS = Path(__file__).parents[2] / "vectors"


def test_password_digest_is_that_of_the_specification() -> None:
    # ONVIF Programmer's Guide §6.1.1.3, its worked example.
    nonce = base64.b64decode("LKqI6G/AikKCQrN0zqZFlg==")
    assert password_digest(nonce, "2010-09-16T07:50:45Z", "userpassword") == "tuOSpGlFlIXsozq4HFNeeGeFLEI="


def test_token_reads_as_it_was_meant() -> None:
    text = envelope("<x/>", username_token("a<b", "p&ss", b"0" * 16, 1_790_000_000.25))
    told = parse_xml(text).root.child("Header", "Security", "UsernameToken")
    assert told is not None and told.field("Username") == "a<b" and told.field("Created") == "2026-09-21T14:13:20.250Z"
    assert b"p&ss" not in text and b"p&amp;ss" not in text


@pytest.mark.parametrize(
    ("xaddr", "place"),
    [
        ("http://192.0.2.1/onvif/device", Place(80, "/onvif/device")),
        ("http://192.0.2.1:8080/onvif/device", Place(8080, "/onvif/device")),
        ("https://192.0.2.1/x", Place(443, "/x", True)),
        ("/onvif/media", Place(8000, "/onvif/media")),
        ("onvif/media", Place(8000, "/onvif/media")),
        ("http://10.9.9.9:80/onvif/media?a=1", Place(8000, "/onvif/media?a=1")),
        ("http://127.0.0.1/admin", Place(8000, "/admin")),
        ("http://192.0.2.1/a http://10.0.0.1/b", Place(80, "/a")),
        ("http://0.0.0.0:1/x", Place(8000, "/x")),
    ],
)
def test_services_are_where_the_camera_is(xaddr: str, place: Place) -> None:
    assert place_of(xaddr, "192.0.2.1", 8000) == place


@pytest.mark.parametrize("xaddr", ["", " ", "http://[::1", "http://a:99999/", "x" * 2000, "/a\x00b"])
def test_wrong_addresses_are_refused(xaddr: str) -> None:
    with pytest.raises(RemoteProtocolError):
        place_of(xaddr, "192.0.2.1", 8000)


@pytest.mark.parametrize(
    ("uri", "at"),
    [
        ("rtsp://10.0.0.1:554/main", "rtsp://192.0.2.1:554/main"),
        ("rtsp://10.0.0.1/main?a=1&b=2", "rtsp://192.0.2.1/main?a=1&b=2"),
        ("rtsp://user:pass@127.0.0.1/x#f", "rtsp://192.0.2.1/x"),
    ],
)
def test_streams_are_where_the_camera_is(uri: str, at: str) -> None:
    assert media.at_host(uri, "192.0.2.1") == at


@pytest.mark.parametrize("uri", ["file:///etc/passwd", "gopher://a/", "rtsp://a:bc/", "http"])
def test_streams_that_are_none_are_refused(uri: str) -> None:
    with pytest.raises(RemoteProtocolError):
        media.at_host(uri, "192.0.2.1")


def test_uri_escaped_twice() -> None:
    node = read_answer(envelope("<R><MediaUri><Uri>rtsp://a/b?x=1&amp;amp;y=2</Uri></MediaUri></R>"))
    assert not isinstance(node, Fault) and media.read_uri(node) == "rtsp://a/b?x=1&y=2"


def test_old_faults_are_understood() -> None:
    told = read_answer(
        b'<E:Envelope xmlns:E="http://schemas.xmlsoap.org/soap/envelope/"><E:Body><E:Fault><faultcode>E:Client</faultcode>'
        b"<faultstring>Sender not Authorized</faultstring></E:Fault></E:Body></E:Envelope>"
    )
    assert isinstance(told, Fault) and told.not_authorized and told.codes == ("Client",)


def test_profiles_are_ranked_within_their_lens() -> None:
    node = read_answer((VECTORS / "onvif" / "fake-t-GetProfiles.xml").read_bytes())
    assert not isinstance(node, Fault)
    told = media.read_profiles(node)
    assert [(p.token, p.codec, p.rank, p.talk_back) for p in told] == [("B", "h265", 0, True), ("S", "h264", 1, True)]
    many = media.ranked(
        [
            media.Profile(f"{lens}{n}", "", source=f"L{lens}", width=100 - n, height=1)
            for lens in range(3)
            for n in range(2)
        ]
    )
    assert [p.token for p in media.best(many, 4)] == ["00", "10", "20", "01"]


def test_moves_say_only_what_the_camera_can_do() -> None:
    text = ptz.move("T", PtzMove(2.0, -0.333333, 0.5), pan=True, zoom=False, timeout_s=2.4)
    node = parse_xml(text.encode()).root
    assert (node.field("Velocity", "PanTilt", "x"), node.field("Velocity", "PanTilt", "y")) == ("1", "-0.333")
    assert node.child("Velocity", "Zoom") is None and node.field("Timeout") == "PT2S"


def test_preset_numbers_stay() -> None:
    numbers = ptz.PresetNumbers({"door": 9})
    assert numbers.told([("3", "three"), ("door", "door"), ("x", "x"), ("3000", "big")]) == [
        Preset(3, "three"),
        Preset(9, "door"),
        Preset(1, "x"),
        Preset(2, "big"),
    ]
    assert numbers.told([("x", "x")]) == [Preset(1, "x")], "a number once given is kept"
    assert numbers.token(9) == ""


def test_reference_parameters_go_back_word_for_word() -> None:
    data = (VECTORS / "onvif" / "fake-CreatePullPointSubscription.xml").read_bytes()
    node = read_answer(data)
    assert not isinstance(node, Fault)
    held = events.read_subscription(node, data)
    again = parse_xml(envelope("<x/>", held.reference, held.declarations))
    assert not again.repaired and again.root.field("Header", "SubscriptionId") == "sub1"
    assert 'xmlns:dom0="http://www.axis.com/2009/event"' in held.declarations


def test_reference_parameters_that_are_more_than_that_are_left_out() -> None:
    for inner in (b"<a><![CDATA[x]]></a>", b"<a>" * 40, b"<?x y?>", b"<b/>" * 5000):
        data = envelope(
            "<R><SubscriptionReference><Address>http://a/</Address><ReferenceParameters>@</ReferenceParameters>"
            "</SubscriptionReference></R>"
        ).replace(b"@", inner)
        try:
            node = read_answer(data)
        except RemoteProtocolError:
            continue
        assert not isinstance(node, Fault)
        assert "<!" not in events.read_subscription(node, data).reference


@pytest.mark.parametrize(
    ("topic", "name", "value", "kind", "raised"),
    [
        ("tns1:RuleEngine/CellMotionDetector/Motion", "IsMotion", "true", "motion", True),
        ("tns1:RuleEngine/tns1:CellMotionDetector/tns1:Motion", "IsMotion", "false", "motion", False),
        ("tns1:VideoSource/MotionAlarm", "State", "1", "motion", True),
        ("tns1:RuleEngine/TamperDetector/Tamper", "IsTamper", "true", "tamper", True),
        ("tns1:Device/Trigger/DigitalInput", "LogicalState", "0", "digital-input", False),
        ("tns1:RuleEngine/LineDetector/Crossed", "ObjectId", "5", "tripwire", True),
        ("tns1:VideoSource/SignalLoss", "State", "true", "video-loss", True),
        ("tns1:Device/HardwareFailure/StorageFailure", "Failed", "true", "disk-fault", True),
        ("tns1:RuleEngine/MyRuleDetector/PeopleDetect", "State", "true", "object", True),
    ],
)
def test_topics(topic: str, name: str, value: str, kind: str, raised: bool) -> None:
    message = (
        f'<R><NotificationMessage><Topic>{topic}</Topic><Message><Message UtcTime="2026-11-29T12:00:00Z"><Data>'
        f'<SimpleItem Name="{name}" Value="{value}"/></Data></Message></Message></NotificationMessage></R>'
    )
    node = read_answer(envelope(message))
    assert not isinstance(node, Fault)
    (event,) = events.read_events(node)
    report = events.read_report(event)
    assert report is not None and (report.meaning.kind, report.raised) == (kind, raised)
    assert event.at == 1_795_953_600.0


def test_console_has_words_for_every_kind() -> None:
    words = (Path(__file__).parents[3] / "console" / "src" / "i18n.ts").read_text()
    assert [kind for kind in events.KINDS if f'"kind.{kind}":' not in words] == []


def test_clock_is_read_and_nonsense_is_not() -> None:
    node = read_answer((VECTORS / "onvif" / "fake-GetSystemDateAndTime.xml").read_bytes())
    assert not isinstance(node, Fault)
    told = device.read_clock(node)
    assert told is not None and told.zone == "CST-8"
    bad = tag("R", tag("SystemDateAndTime", tag("UTCDateTime", tag("Date", tag("Year", text="99999999999")))))
    again = read_answer(envelope(bad))
    assert not isinstance(again, Fault) and device.read_clock(again) is None


def test_memory_survives_and_nonsense_is_forgotten() -> None:
    kept = Memory(endpoint="urn:uuid:1", host="192.0.2.1", port=80, profiles=[["a", "main", 0]], presets={"x": 1})
    assert loads(dumps(kept)) == kept
    for text in ("", "nonsense", "[]", '{"port":"x","profiles":[1,["a"]],"presets":{"a":"b"}}'):
        assert loads(text) == Memory()
    big = Memory(profiles=[["t" * 64, "n" * 60, 0]] * 200, presets={f"p{n}": n for n in range(1, 255)})
    assert len(dumps(big).encode()) <= 4096


# — WS-Discovery —


def read_wsd(name: str) -> list[wsd.Endpoint]:
    return wsd.read((VECTORS / "wsd" / name).read_bytes())


def test_matches_and_hellos() -> None:
    for name, word in (("match.xml", wsd.Word.MATCH), ("hello.xml", wsd.Word.HELLO)):
        (told,) = read_wsd(name)
        assert told.word is word and told.is_camera
        assert (told.name, told.hardware, told.profiles) == ("Gate 门 1", "DS-2DE", ("Streaming", "T"))
        assert wsd.service_of(told, "192.0.2.9") == wsd.Service("192.0.2.9", 8080, "/onvif/device_service")
        assert wsd.service_of(told, "192.0.2.10") == wsd.Service("192.0.2.10", 80, "/onvif/device_service")
    (told,) = read_wsd("ipycam-match.xml")
    assert told.is_camera and told.name == "Gate"
    assert read_wsd("probe.xml") == []


def test_hostile_match_is_clean_and_bounded() -> None:
    (told,) = read_wsd("hostile.xml")
    assert told.name == "[2J  X gpj" and len(told.hardware) == 100 and len(told.xaddrs) <= wsd.MAX_XADDRS
    assert wsd.service_of(told, "192.0.2.9") is None
    with pytest.raises(RemoteProtocolError):
        wsd.read(b"<Envelope>" + b" " * 40_000)
