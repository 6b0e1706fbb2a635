"""Mutate what the SIP, SDP, XML and URL parsers read, and see that nothing but RemoteProtocolError comes out.

    python -m tests.properties.fuzz_text --seconds 300 [--only sip|stream|sdp|xml|url] [--seed N]

Findings are kept as tests/vectors/<parser>/found-<hash>.bin, where the unit tests read them for ever after. Exit code 1
when there was one.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

from gateway.base.errors import RemoteProtocolError
from gateway.base.url import parse_url, shown_url
from gateway.wire.digest import Authorization, Challenge
from gateway.wire.sdp import Sdp
from gateway.wire.sip import Hop, SipRequest, parse_datagram, respond
from gateway.wire.sip.core import CoreLimits, SipCore
from gateway.wire.sip.message import check
from gateway.wire.xml import build_xml, parse_xml
from tests.properties import cloud_text, devices_binary, devices_text, modem_text, rtmp_text, rtsp_text, transport_text

VECTORS = Path(__file__).parents[1] / "vectors"
SLOW_S = 2.0  # an input that takes so long is a finding too
UDP = Hop("udp", ("192.0.2.1", 5060), ("192.0.2.10", 5060))
TCP = Hop("tcp", ("192.0.2.1", 5060), ("192.0.2.10", 40000), 1)

_WORDS = [
    *(b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b";", b",", b"=", b'"', b"\\", b"<", b">"),
    *(b"SIP/2.0", b"SIP/", b" SIP/2.0\r\n", b"Content-Length: ", b"l: 99999999999", b"Via: ", b"branch=z9hG4bK"),
    *(b"sip:", b"[::1]", b"INVITE ", b"ACK ", b"CANCEL ", b"BYE ", b"SIP/2.0 200 OK\r\n", b"-1", b"4294967296", b"*"),
    *(b"m=", b"m=video 0 RTP/AVP 96\r\n", b"a=rtpmap:", b"y=", b"c=IN IP4 ", b"99999999999999999999"),
    *(b"<a>", b"</a>", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<?xml", b"?>", b"&amp;", b"&#0;", b"<!DOCTYPE"),
    *(b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\x81\x30\x81\x30", b"\xed\xa0\x80", "²".encode(), "٣".encode()),
]  # fmt: skip


def mutate(rng: random.Random, corpus: list[bytes]) -> bytes:
    """One input made from the corpus: cut, doubled, spliced, flipped, sown with words of the protocols."""
    data = bytearray(rng.choice(corpus))
    for _ in range(rng.randint(1, 8)):
        at, to = sorted((rng.randint(0, len(data)), rng.randint(0, len(data))))
        kind = rng.randrange(7)
        if kind == 0:
            data[at:at] = rng.choice(_WORDS)
        elif kind == 1:
            del data[at : min(to, at + rng.randint(1, 40))]
        elif kind == 2:
            data[at:at] = data[at:to] * rng.randint(1, 3)
        elif kind == 3 and data:
            data[rng.randrange(len(data))] = rng.randrange(256)
        elif kind == 4:
            other = rng.choice(corpus)
            data[at:] = other[rng.randint(0, len(other)) :]
        elif kind == 5:
            data[at : at + rng.randint(0, 4)] = rng.choice(_WORDS) * rng.randint(1, 50)
        else:
            del data[to:]
        del data[100_000:]
    return bytes(data)


def try_sip(data: bytes) -> None:
    message = parse_datagram(data)
    bytes(message)
    _ = (message.expires, message.contact, message.contacts, message.content_type)
    for name in ("WWW-Authenticate", "Authorization"):
        for value in message.headers.all(name):
            try:
                _ = Challenge.parse(value) if name.startswith("WWW") else Authorization.parse(value)
            except RemoteProtocolError:
                pass
    if isinstance(message, SipRequest):
        bytes(respond(message, 400, tag="t"))
    check(message)
    again = parse_datagram(bytes(message))
    if again != parse_datagram(bytes(again)):
        raise AssertionError("parse and serialise do not settle")


def try_core(data: bytes) -> None:
    """Through a whole core as a datagram and, cut in two, as a stream; every request that gets through is answered."""
    core = SipCore(limits=CoreLimits(max_transactions=64, max_dialogs=16))
    core.receive_datagram(data, UDP, 0.0)
    half = len(data) // 2
    core.receive_stream(data[:half], TCP, 0.0)
    core.receive_stream(data[half:], TCP, 0.0)
    from gateway.wire.sip.events import RequestReceived

    while (event := core.next_event()) is not None:
        if isinstance(event, RequestReceived):
            core.respond(event.key, respond(event.request, 200, headers=[("Contact", "<sip:a@192.0.2.1>")]), 0.0)
    core.data_to_send(0.0)
    for now in (0.5, 1.5, 40.0, 80.0):
        core.handle_timer(now)
        core.data_to_send(now)


def try_sdp(data: bytes) -> None:
    sdp = Sdp.parse(data)
    _ = (sdp.ssrc, [(m.rtpmaps, m.direction, m.setup, sdp.address_of(m)) for m in sdp.media])
    again = Sdp.parse(bytes(sdp))
    if Sdp.parse(bytes(again)) != again:
        raise AssertionError("parse and build do not settle")


def try_xml(data: bytes) -> None:
    document = parse_xml(data)
    for node in document.root.walk():
        _ = (node.field("DeviceID"), node.attribute("Num"), node.all("Item"))
    names = [name for n in document.root.walk() for name in (n.tag, *(key for key, _ in n.attributes))]
    if all(name.isascii() and name.isidentifier() for name in names):
        again = parse_xml(build_xml(document.root, "GB18030"))
        if again.repaired or [n.tag for n in again.root.walk()] != [n.tag for n in document.root.walk()]:
            raise AssertionError("what was built does not read back")


def try_url(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    shown = shown_url(text)
    url = parse_url(text)
    if url.password and len(url.password) > 8 and url.password in shown.replace(url.host, "").replace(url.path, ""):
        raise AssertionError("what is shown holds the password")
    if url.host and any(c in url.host for c in "/@#? \r\n\0"):
        raise AssertionError("a host that is none")


TARGETS: dict[str, tuple[str, Callable[[bytes], None]]] = {
    "sip": ("sip", try_sip),
    "stream": ("sip", try_core),
    "sdp": ("sdp", try_sdp),
    "xml": ("xml", try_xml),
    "url": ("url", try_url),
    "onvif": ("onvif", devices_text.try_onvif),
    "wsd": ("wsd", devices_text.try_wsd),
    "rtmp": ("rtmp", rtmp_text.try_rtmp),
    "rtsp": ("rtsp", rtsp_text.try_rtsp),
    "srt": ("srt", transport_text.try_stream_id),
    "tsurl": ("tsurl", transport_text.try_place),
    "klv": ("klv", devices_binary.try_klv),
    "mdns": ("mdns", devices_text.try_mdns),
    "ssdp": ("ssdp", devices_text.try_ssdp),
    "wire": ("wire", devices_text.try_wire),
    "jt808": ("jt808", devices_binary.try_jt808),
    "m3u8": ("m3u8", cloud_text.try_m3u8),
    "phone": ("phone", cloud_text.try_phone),
    "cmaf": ("cmaf", cloud_text.try_records),
    "at": ("at", modem_text.try_at),
    "sms": ("sms", modem_text.try_sms),
}


def corpus_of(folder: str) -> list[bytes]:
    found = [p for p in sorted((VECTORS / folder).iterdir()) if p.suffix != ".md"]
    if folder == "sip":
        found += sorted((VECTORS / "rfc4475").glob("*.dat"))
    return [p.read_bytes() for p in found]


def attempt(target: str, data: bytes) -> str | None:
    """What is wrong with how `target` takes `data`; None when nothing is."""
    began = time.perf_counter()
    try:
        TARGETS[target][1](data)
    except RemoteProtocolError:
        pass
    except Exception as exc:
        return f"{type(exc).__name__}: {exc}"
    took = time.perf_counter() - began
    return f"took {took:.1f} s" if took > SLOW_S else None


def run(target: str, seed: int, *, seconds: float = 1e9, rounds: int = 1 << 62) -> tuple[int, list[str]]:
    """Fuzz one target; gives the number of inputs tried and what was found."""
    folder = TARGETS[target][0]
    rng, corpus, found, tried = random.Random(seed), corpus_of(folder), [], 0
    until = time.perf_counter() + seconds
    while tried < rounds and time.perf_counter() < until and len(found) < 20:
        data = mutate(rng, corpus)
        tried += 1
        wrong = attempt(target, data)
        if wrong is not None:
            name = f"found-{hashlib.sha256(data).hexdigest()[:12]}.bin"
            (VECTORS / folder / name).write_bytes(data)
            found.append(f"{target}: {wrong} ({folder}/{name})")
    return tried, found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="per parser")
    parser.add_argument("--only", choices=sorted(TARGETS))
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    args = parser.parse_args()
    bad = 0
    for target in [args.only] if args.only else list(TARGETS):
        tried, found = run(target, args.seed, seconds=args.seconds)
        print(f"{target}: {tried} inputs in {args.seconds:g} s, seed {args.seed}, {len(found)} found", flush=True)
        print("\n".join(found), end="\n" if found else "")
        bad += len(found)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
