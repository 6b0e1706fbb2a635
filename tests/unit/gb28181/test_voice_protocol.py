"""Voice without a socket: the ways and their order, whose INVITE it is, SDP in any state, the Broadcast texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.gb28181.protocol import catalog, orders
from adapters.gb28181.protocol.manscdp import BroadcastReply, CatalogItem
from adapters.gb28181.protocol.read import read_message
from adapters.gb28181.protocol.voice import (
    Aim,
    Asked,
    OurSide,
    VoiceSide,
    Way,
    answer_to,
    chosen_y,
    dial_hosts,
    fit,
    ids_in,
    read_side,
    ways,
)
from adapters.gb28181.voice import Caller
from gateway.base.errors import RemoteProtocolError
from gateway.wire.sdp import Sdp
from gateway.wire.sip import parse_message
from gateway.wire.xml import parse_xml
from tests.unit.gb28181.scripted import BALL, CHANNEL, HOST, PLATFORM
from tests.unit.gb28181.voice_rig import OUTPUT, offer_sdp

ALL: dict[Aim, str] = {"output": OUTPUT, "channel": CHANNEL, "device": BALL}
ASKED = Asked(BALL, OUTPUT, PLATFORM)
ids20 = st.from_regex(r"[0-9]{18,20}", fullmatch=True)


def short(found: list[Way]) -> list[str]:
    return [f"{way.mode} {way.aim} {way.media}".strip() for way in found]


def test_order_of_ways() -> None:
    assert short(ways("auto", "3.0", ALL)) == ["broadcast output", "broadcast channel", "broadcast device"]
    assert short(ways("auto", "", ALL))[3:] == ["talk channel tcp-passive", "talk channel udp"]
    assert short(ways("auto", "2.0", {"channel": CHANNEL, "device": CHANNEL}))[:2] == [
        "broadcast channel",
        "talk channel tcp-passive",
    ]
    assert short(ways("talk", "3.0", ALL)) == ["talk channel tcp-passive", "talk channel udp"], "the technician decides"
    assert all(way.mode == "broadcast" for way in ways("broadcast", "2.0", ALL))


def test_what_worked_comes_first_unless_it_may_not() -> None:
    talk = Way("talk", "channel", "udp")
    assert ways("auto", "", ALL, remembered=str(talk))[0] == talk
    assert talk not in ways("broadcast", "", ALL, remembered=str(talk))
    other = Way("broadcast", "device", "", "answer", "pcmu")
    found = ways("auto", "3.0", ALL, remembered=str(other))
    assert found[0] == other and len(found) == 4
    assert ways("auto", "3.0", {"channel": CHANNEL}, remembered=str(other))[0].aim == "channel"


def test_the_other_manner_is_another() -> None:
    for way in (*ways("auto", "", ALL), Way("broadcast", "output", "", "answer", "pcmu")):
        for tcp in (True, False):
            assert way.other(tcp=tcp) != way
    assert Way("talk", "channel", "udp").other(tcp=False).media == "tcp-passive"


@given(st.text(max_size=60))
def test_memory_is_read_without_harm(text: str) -> None:
    way = Way.read(text)
    assert way is None or str(way) == text


# — whose INVITE —


def test_fit() -> None:
    both = frozenset({OUTPUT, PLATFORM})
    assert fit(ASKED, both, here=True, near=False) > fit(ASKED, frozenset({BALL}), here=True, near=False) > 0
    assert fit(ASKED, frozenset(), here=True, near=False) > 0, "from where the device is, whatever it writes"
    assert fit(ASKED, frozenset({PLATFORM}), here=False, near=True) == 0, "our own id proves nothing"
    assert fit(ASKED, frozenset({OUTPUT}), here=False, near=True) > 0
    assert fit(ASKED, both | {BALL}, here=False, near=False) == 0, "from elsewhere, never"


@given(st.frozensets(ids20), st.booleans())
def test_from_elsewhere_nothing_fits(named: frozenset[str], naming: bool) -> None:
    named = named | ({OUTPUT, BALL} if naming else set())
    assert fit(ASKED, named, here=False, near=False) == 0


@given(st.lists(ids20, max_size=6), st.text(alphabet=st.characters(exclude_categories=("Nd",)), min_size=1, max_size=5))
def test_all_ids_are_found(ids: list[str], between: str) -> None:
    assert ids_in(between.join(ids)) >= {i for i in ids if i.isascii()} or len(between.join(ids)) > 512


@given(st.binary(max_size=400))
def test_a_caller_is_read_from_any_body(body: bytes) -> None:
    head = (
        f"INVITE sip:{PLATFORM}@3402000000 SIP/2.0\r\nVia: SIP/2.0/UDP {HOST}:1;branch=z9hG4bKx\r\n"
        f"From: <sip:{OUTPUT}@x>;tag=1\r\nTo: <sip:{PLATFORM}@x>\r\nCall-ID: a\r\nCSeq: 1 INVITE\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    request = parse_message(head.encode() + body)
    caller = Caller.of(request)  # type: ignore[arg-type]
    assert {OUTPUT, PLATFORM} <= caller.named and caller.sender == OUTPUT


# — SDP —


def test_what_devices_offer() -> None:
    side = read_side(offer_sdp(9000, formats="0 8", extra="a=rtpmap:0 PCMU/8000\r\n").encode())
    assert side.codecs == (("pcmu", 0), ("pcma", 8)) and side.choose() == ("pcmu", 0)
    assert side.choose("pcma") == ("pcma", 8) and not side.tcp and side.port == 9000
    static = read_side(b"v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 9000 RTP/AVP 8\r\n")
    assert static.codecs == (("pcma", 8),) and static.host == "10.0.0.1"
    packed = read_side(b"v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 9000 RTP/AVP 96\r\na=rtpmap:96 PS/90000\r\n")
    assert packed.codecs == (("pcma", 8),) and "no G.711 among its codecs" in packed.oddities
    dynamic = read_side(b"v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 9000 RTP/AVP 97\r\na=rtpmap:97 PCMA/8000\r\n")
    assert dynamic.codecs == (("pcma", 97),)


@pytest.mark.parametrize(
    ("host", "signalling", "wish", "goes"),
    [
        ("10.0.0.5", "10.0.0.5", "", "10.0.0.5"),
        ("10.0.0.5", "10.0.0.9", "", "10.0.0.5"),  # two cards in one network
        ("192.168.1.64", "8.8.8.8", "", "8.8.8.8"),  # behind NAT
        ("192.168.1.64", "8.8.8.8", "sdp", "192.168.1.64"),
        ("10.0.0.5", "10.0.0.9", "signal", "10.0.0.9"),
        ("0.0.0.0", "10.0.0.9", "sdp", "10.0.0.9"),
        ("camera", "10.0.0.9", "", "10.0.0.9"),
        ("", "10.0.0.9", "", "10.0.0.9"),
    ],
)
def test_where_sound_goes(host: str, signalling: str, wish: str, goes: str) -> None:
    assert VoiceSide(host, 9000, False, "", (), "").where(signalling, wish) == goes


def test_the_answer_mirrors_transport_and_setup() -> None:
    listens = read_side(offer_sdp(9000, proto="TCP/RTP/AVP", extra="a=setup:passive\r\n").encode())
    dials = read_side(offer_sdp(9, proto="TCP/RTP/AVP", extra="a=setup:active\r\n").encode())
    silent = read_side(offer_sdp(9, proto="TCP/RTP/AVP").encode())
    assert (listens.we_dial, dials.we_dial, silent.we_dial) == (True, False, False)
    setups = []
    for side in (listens, dials, silent):
        us = answer_to(side, ("pcma", 8), platform=PLATFORM, host=HOST, port=5000, y="0200000001")
        setups.append(Sdp.parse(us.sdp()).media[0].setup)
    assert setups == ["active", "passive", "passive"]
    assert dial_hosts(listens, "10.0.0.9") == [(HOST, 9000), ("10.0.0.9", 9000)]
    assert dial_hosts(VoiceSide("192.0.2.2", 0, True, "passive", (), ""), HOST) == ()


@pytest.mark.parametrize(
    ("y", "answered", "ssrc"),
    [
        ("0200000007", "0200000007", 200000007),
        ("7", "0000000007", 7),
        ("", "0340200001", 340200001),
        ("02000000070200000007", "0340200001", 340200001),
        ("ball", "0340200001", 340200001),
    ],
)
def test_y(y: str, answered: str, ssrc: int) -> None:
    assert chosen_y(VoiceSide(HOST, 1, False, "", (), y), "0340200001") == (answered, ssrc)


def test_our_own_offer() -> None:
    sdp = Sdp.parse(OurSide(PLATFORM, "fd00::1", 5000, "0340200001", tcp=True, name="Talk").sdp())
    (media,) = sdp.media
    assert (sdp.name, media.kind, media.direction, media.setup) == ("Talk", "audio", "sendrecv", "passive")
    assert sdp.connection == "fd00::1" and sdp.y == "0340200001" and sdp.f == "v/////a/1/8/1"


_line = st.tuples(st.sampled_from("vosctmayfbkz"), st.text(max_size=40)).map(lambda t: f"{t[0]}={t[1]}")
_broken = st.lists(_line | st.sampled_from(offer_sdp(9000).splitlines()) | st.text(max_size=30), max_size=20).map(
    lambda lines: "\r\n".join(lines).encode("utf-8", "surrogatepass")
)


@given(_broken | st.binary(max_size=300))
def test_any_sdp_is_read_or_refused(body: bytes) -> None:
    try:
        side = read_side(body)
    except RemoteProtocolError:
        return
    chosen = side.choose()
    side.where(HOST)
    dial_hosts(side, HOST)
    if chosen is not None:
        y, ssrc = chosen_y(side, "0340200001")
        assert 0 <= ssrc < 2**32 and len(y) == 10
        again = Sdp.parse(answer_to(side, chosen, platform=PLATFORM, host=HOST, port=5000, y=y).sdp())
        assert again.media[0].tcp == side.tcp and again.media[0].formats == (str(chosen[1]),)


# — MANSCDP —


def test_the_broadcast_text() -> None:
    root = parse_xml(orders.encode(orders.broadcast(7, PLATFORM, OUTPUT), "gb18030")).root
    assert root.tag == "Notify" and [node.tag for node in root.children] == ["CmdType", "SN", "SourceID", "TargetID"]


@pytest.mark.parametrize(
    ("inner", "ok"),
    [
        ("<Result>OK</Result>", True),
        ("<Result>ok</Result>", True),
        ("<result>ERROR</result>", False),
        ("", True),
        ("<Result>200</Result>", True),
        ("<Result>OFF</Result>", False),
    ],
)
def test_the_answer_to_it(inner: str, ok: bool) -> None:
    text = (
        f"<?xml version='1.0'?><Response><CmdType>Broadcast</CmdType><SN>7</SN><DeviceID>1</DeviceID>{inner}</Response>"
    )
    message, _ = read_message(text.encode())
    assert isinstance(message, BroadcastReply) and message.ok == ok and message.head.sn == 7


@given(st.text(max_size=80), st.text(max_size=20), st.text(max_size=200))
def test_any_answer_is_read_or_refused(result: str, sn: str, reason: str) -> None:
    head = f"<Response><CmdType>Broadcast</CmdType><SN>{sn}</SN>"
    text = f"{head}<Result>{result}</Result><Reason>{reason}</Reason></Response>"
    try:
        message, _ = read_message(text.encode("utf-8", "surrogatepass"))
    except RemoteProtocolError:
        return
    assert not isinstance(message, BroadcastReply) or len(message.reason) <= 120


# — who has a loudspeaker —


def test_voice_outputs_by_parent() -> None:
    second = "34020000001310000002"
    horn2 = "34020000001370000002"
    cameras = [CatalogItem(CHANNEL, parents=(BALL,)), CatalogItem(second, parents=(BALL,))]
    own = CatalogItem(horn2, parents=(second,))
    assert catalog.voice_outputs(BALL, [*cameras, own]) == {second: horn2}
    for parents in ((BALL,), (), ("340200",), ("34020000002150000001",)):
        assert catalog.voice_outputs(BALL, [*cameras, CatalogItem(OUTPUT, parents=parents)]) == {BALL: OUTPUT}
    reports = {r.external_id: r.capabilities.talk_back for r in catalog.channels_of(BALL, [*cameras, own])}
    assert reports == {CHANNEL: False, second: True}
    forced = catalog.channels_of(BALL, cameras, talks=True)
    assert all(report.capabilities.talk_back for report in forced)
