"""What strangers on the network say, as the fuzzer feeds it: ONVIF, WS-Discovery, mDNS, SSDP, frames of the wire."""

from __future__ import annotations

from contextlib import suppress

from adapters.onvif.protocol import device, events, imaging, media, ptz
from adapters.onvif.protocol.soap import Fault, read_answer
from gateway.base.errors import RemoteProtocolError
from gateway.net.discovery.search import stream_url
from gateway.wire import mdns, ssdp, wsd
from gateway.wire.onwire import Datagram, Flows, udp_of
from gateway.wire.plain import plain


def shown(text: str, most: int) -> None:
    """Text that people will read: one line, bounded, without anything that moves the cursor."""
    if len(text) > most or plain(text, most) != text:
        raise AssertionError(f"text from outside is not clean: {text[:80]!r}")


def try_onvif(data: bytes) -> None:
    node = read_answer(data)
    if isinstance(node, Fault):
        shown(node.text, 200)
        _ = (node.not_authorized, node.locked, node.unsupported, str(node))
        return
    device.read_clock(node)
    for text in vars_of(device.read_information(node)):
        shown(text, 100)
    shown(device.read_name(node), 100)
    for xaddr in (*device.read_services(node).values(), *device.read_capabilities(node).values()):
        with suppress(RemoteProtocolError):
            place = device.place_of(xaddr, "192.0.2.1", 80)
            assert place.path.startswith("/") and 0 < place.port <= 65535
    profiles = media.read_profiles(node)
    assert len(profiles) <= media.MAX_PROFILES
    for profile in profiles:
        shown(profile.name, 100)
    with suppress(RemoteProtocolError):
        at = media.at_host(media.read_uri(node), "192.0.2.1")
        assert "192.0.2.1" in at.split("/")[2]
    presets = ptz.PresetNumbers().told(ptz.read_presets(node))
    assert len({p.number for p in presets}) == len(presets) <= ptz.MOST_PRESETS
    ptz.read_status(node)
    imaging.read_lens(node, node)
    imaging.read_iris(node)
    with suppress(RemoteProtocolError):
        held = events.read_subscription(node, data)
        assert len(held.reference) <= events.MAX_REFERENCE and "<!" not in held.reference
    for event in events.read_events(node):
        report = events.read_report(event)
        if report is not None:
            shown(report.words, 400)


def try_wsd(data: bytes) -> None:
    for told in wsd.read(data):
        for text in (told.name, told.hardware, told.location, *told.types, *told.profiles):
            shown(text, 100)
        service = wsd.service_of(told, "192.0.2.9")
        assert service is None or (service.host == "192.0.2.9" and service.path.startswith("/"))


def try_mdns(data: bytes) -> None:
    collector = mdns.Collector()
    records = mdns.read(data)
    assert len(records) <= mdns.MAX_RECORDS
    collector.add(records)
    for service in collector.services():
        shown(service.name, 100)
        shown(service.host, 100)
        for key, value in service.says:
            shown(key, 32)
            shown(value, 128)


def try_ssdp(data: bytes) -> None:
    told = ssdp.read(data)
    if told is not None:
        shown(told.usn, 200)
        shown(told.server, 120)
        assert told.location.isprintable() and len(told.location) <= 512
    description = ssdp.read_description(data[data.find(b"<") :]) if b"<" in data else None
    if description is not None:
        shown(description.name, 100)


def try_wire(data: bytes) -> None:
    """One frame, and its bytes as a flow's payloads."""
    udp_of(data)
    flows = Flows()
    for number in range(0, len(data), 200):
        flows.add(number / 100, "eth0", Datagram("192.0.2.1", 1, "192.0.2.2", 2, data[number : number + 1316]))
    for seen in flows.seen(10.0):
        stream_url(seen)


def vars_of(thing: object) -> list[str]:
    return [str(getattr(thing, name)) for name in type(thing).__dataclass_fields__]  # type: ignore[attr-defined]
