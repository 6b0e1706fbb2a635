"""Finds put together, flows told apart, mDNS and SSDP read: without a network."""

from __future__ import annotations

import struct

import pytest

from gateway.base.errors import RemoteProtocolError
from gateway.model.discovery import Find, FindKind, FindWay
from gateway.net.discovery.search import stream_url
from gateway.net.discovery.table import MAX_FINDS, Finds
from gateway.wire import mdns, ssdp
from gateway.wire.onwire import Datagram, Flows, Seen, udp_of, votes


def find(key: str, kind: FindKind, way: FindWay, address: str = "192.0.2.5", **more: str) -> Find:
    return Find(key, kind, (way,), address, **more)  # type: ignore[arg-type]


def test_one_device_found_in_several_ways_is_one_find() -> None:
    finds = Finds()
    finds.put(find("a", FindKind.CAMERA, FindWay.WS_DISCOVERY, name="Gate"))
    finds.put(find("b", FindKind.OTHER, FindWay.SSDP, name="UPnP name", manufacturer="Acme"))
    finds.put(find("c", FindKind.SOURCE, FindWay.MDNS))
    finds.put(find("d", FindKind.OTHER, FindWay.SSDP, address="192.0.2.10"))
    finds.put(find("e", FindKind.OTHER, FindWay.SSDP, address="192.0.2.9"))
    told = finds.all()
    assert [f.key for f in told] == ["a", "c", "e", "d"]
    assert told[0].ways == (FindWay.WS_DISCOVERY, FindWay.SSDP)
    assert (told[0].name, told[0].manufacturer) == ("Gate", "Acme")


def test_finds_are_bounded() -> None:
    finds = Finds()
    for number in range(MAX_FINDS + 7):
        finds.put(find(f"k{number}", FindKind.OTHER, FindWay.SSDP))
    assert len(finds) == MAX_FINDS and finds.left_out == 7


# — mDNS —


def name(text: str) -> bytes:
    return b"".join(bytes((len(p),)) + p.encode() for p in text.split(".") if p) + b"\0"


def record(owner: bytes, kind: int, data: bytes, ttl: int = 120) -> bytes:
    return owner + struct.pack(">HHIH", kind, 0x8001, ttl, len(data)) + data


def message(*records: bytes) -> bytes:
    return struct.pack(">HHHHHH", 0, 0x8400, 0, len(records), 0, 0) + b"".join(records)


def test_service_in_pieces() -> None:
    collector = mdns.Collector()
    instance = "Gate._rtsp._tcp.local"
    collector.add(mdns.read(message(record(name("_rtsp._tcp.local"), 12, name(instance)))))
    assert collector.services() == [] and collector.wanting() == ["gate._rtsp._tcp.local"]
    collector.add(mdns.read(message(record(name(instance), 33, struct.pack(">HHH", 0, 0, 554) + name("gate.local")))))
    collector.add(mdns.read(message(record(name(instance), 16, b"\x09path=/one\x05a\x1b[2J"))))
    collector.add(mdns.read(message(record(name("gate.local"), 1, bytes((192, 0, 2, 9))))))
    (told,) = collector.services()
    assert (told.name, told.host, told.port, told.addresses) == ("Gate", "gate.local", 554, ("192.0.2.9",))
    assert told.value("path") == "/one" and all(key.isprintable() for key, _ in told.says)
    collector.add(mdns.read(message(record(name("_rtsp._tcp.local"), 12, name(instance), ttl=0))))
    assert collector.services() == [], "it said goodbye"


def test_names_by_pointers() -> None:
    data = message(record(name("_rtsp._tcp.local"), 12, b"\x04Gate\xc0\x0c"))
    (told,) = mdns.read(data)
    assert told.value == "Gate._rtsp._tcp.local"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 5,
        message(record(b"\xc0\x0c", 12, b"\0")),  # points at itself
        message(record(b"\xc0\x30", 12, b"\0")),  # points forward
        message(b"\x3fshort"),
        message(record(name("a"), 12, b"\0"))[:-3],
        message(record(b"\x80abc\0", 12, b"\0")),
        struct.pack(">HHHHHH", 0, 0x8400, 0, 65535, 0, 0) + b"\xff" * 40,
        b"\0" * 10_000,
    ],
)
def test_broken_mdns_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        mdns.read(data)


def test_our_own_question_is_no_answer() -> None:
    assert mdns.read(mdns.query()) == []


# — SSDP —


def test_ssdp_notices() -> None:
    told = ssdp.read(
        b"HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\nUSN: uuid:1::upnp:rootdevice\r\n"
        b"LOCATION: http://192.0.2.5/d.xml\r\nSERVER: Linux\x1b[2J UPnP/1.0\r\n\r\n"
    )
    assert told is not None and ssdp.device_of(told.usn) == "uuid:1" and "\x1b" not in told.server
    gone = ssdp.read(b"NOTIFY * HTTP/1.1\r\nNTS: ssdp:byebye\r\nUSN: uuid:1\r\n\r\n")
    assert gone is not None and gone.gone
    assert ssdp.read(ssdp.search()) is None
    for bad in (b"", b"GET / HTTP/1.1\r\n\r\n", b"NOTIFY * HTTP/1.1\r\n\r\n", b"x" * 9000):
        with pytest.raises(RemoteProtocolError):
            ssdp.read(bad)


def test_descriptions() -> None:
    told = ssdp.read_description(
        b"<root><device><friendlyName>Yard</friendlyName><modelName>IPC-7</modelName>"
        b"<presentationURL>http://10.1.1.1/index.html?a=1</presentationURL></device></root>"
    )
    assert (told.name, told.page, told.is_camera) == ("Yard", "/index.html?a=1", True)
    for bad in (b"", b"<root/>", b'<!DOCTYPE a [<!ENTITY b "c">]><root><device/></root>', b"<" * 70_000):
        with pytest.raises(RemoteProtocolError):
            ssdp.read_description(bad)


# — the wire —


def rtp(seq: int, body: bytes, payload_type: int = 96, ssrc: int = 7) -> bytes:
    return struct.pack(">BBHII", 0x80, payload_type, seq & 0xFFFF, seq * 160, ssrc) + body


def flow(flows: Flows, payloads: list[bytes], port: int = 5004) -> None:
    for number, payload in enumerate(payloads):
        flows.add(number * 0.02, "eth0", Datagram("192.0.2.1", 4000, "192.0.2.2", port, payload))


def test_rtp_is_told_by_its_numbers_and_loss_is_counted() -> None:
    flows = Flows()
    flow(flows, [rtp(65530 + n, b"\x08" * 160, 8) for n in range(40) if n not in (5, 6, 20)])
    (seen,) = flows.seen(1.0)
    assert (seen.kind, seen.codecs, seen.lost, seen.payload_type) == ("rtp", ("pcma",), 3, 8)


@pytest.mark.parametrize(
    "payloads",
    [
        [b"\x80" + bytes([n]) * 60 for n in range(60)],  # begins like RTP, counts nothing
        [struct.pack(">HH", 1, 0) + b"\x21\x12\xa4\x42" + bytes(12)] * 40,  # STUN
        [struct.pack(">BBHII", 0x80, 200, 6, 1, 7) + bytes(20)] * 40,  # RTCP
        [b"\x47" + bytes(100)] * 40,  # begins like a transport stream, is none
        [bytes([n]) * 30 for n in range(40)],
        [b""] * 40,
    ],
)
def test_what_is_no_stream_is_taken_for_none(payloads: list[bytes]) -> None:
    flows = Flows()
    flow(flows, payloads)
    assert flows.seen(1.0) == []


def test_flows_are_bounded() -> None:
    flows = Flows()
    for port in range(3000):
        flows.add(0.0, "eth0", Datagram("192.0.2.1", port, "192.0.2.2", 5004, b"x"))
    assert len(flows._flows) == 2048


def test_codecs_by_content() -> None:
    assert votes(b"\x67\x42\xc0\x1e\x00")[0] == ("h264", 5)
    assert votes(b"\x7c\x85abc")[0] == ("h264", 3)
    assert ("h265", 5) in votes(b"\x40\x01\x0c\x01")
    assert ("h265", 3) in votes(b"\x62\x01\x93ab")
    assert votes(b"\0\0\1\xba123") == [("ps", 10)]
    assert ("aac", 4) in votes(b"\x00\x10\x00\x28abcde")


def test_frames_of_ethernet() -> None:
    ip4 = bytes.fromhex("45000021000040004011000001020304" + "05060708") + struct.pack(">HHHH", 1, 2, 13, 0) + b"hello"
    for tags in (b"", b"\x81\x00\x00\x05", b"\x88\xa8\x00\x05\x81\x00\x00\x06"):
        told = udp_of(bytes(12) + tags + b"\x08\x00" + ip4 + b"padding")
        assert told == Datagram("1.2.3.4", 1, "5.6.7.8", 2, b"hello")
    later = ip4[:6] + b"\x00\x10" + ip4[8:]
    assert udp_of(bytes(12) + b"\x08\x00" + later) is None, "a later fragment has no ports"
    for cut in range(len(ip4) + 14):
        udp_of((bytes(12) + b"\x08\x00" + ip4)[:cut])


@pytest.mark.parametrize(
    ("kind", "destination", "url"),
    [
        ("ts", "239.1.1.1", "udp://239.1.1.1:5000#iface=eth0"),
        ("rtp-ts", "239.1.1.1", "rtp://239.1.1.1:5000#iface=eth0"),
        ("ts", "232.1.1.1", "udp://232.1.1.1:5000#iface=eth0&source=192.0.2.1"),
        ("rtp", "239.1.1.1", ""),
        ("ts", "192.0.2.2", ""),
        ("ts", "ff3e::1", "udp://[ff3e::1]:5000#iface=eth0&source=192.0.2.1"),
    ],
)
def test_what_of_the_wire_can_be_taken_in(kind: str, destination: str, url: str) -> None:
    seen = Seen(kind, "eth0", "192.0.2.1", 1, destination, 5000, (), -1, 0, 10, 0, 1.0, 0.0, 1.0)
    assert stream_url(seen) == url
