"""What strangers on the network say, as the fuzzer feeds it: ONVIF answers and WS-Discovery."""

from __future__ import annotations

from contextlib import suppress

from adapters.onvif.protocol import device, events, imaging, media, ptz
from adapters.onvif.protocol.soap import Fault, read_answer
from gateway.base.errors import RemoteProtocolError
from gateway.wire import wsd
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


def vars_of(thing: object) -> list[str]:
    return [str(getattr(thing, name)) for name in type(thing).__dataclass_fields__]  # type: ignore[attr-defined]
