"""Sources by URL: who opens them, what a changed configuration does, redirects, and trying one."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from gateway.base.errors import Denied, LinkDown, RemoteProtocolError, Unsupported
from gateway.base.url import SourceUrl
from gateway.config.sources import Source
from gateway.contract.media import Publication
from gateway.model.device import DeviceState
from gateway.model.ids import DeviceId, StreamId
from gateway.model.media import StreamState
from tests.fakes.loop import advance, settle
from tests.unit.core.house import VIEWER, House, housed
from tests.unit.core.test_streams import goes_live, turn

GATE, SUB = StreamId("kit1/gate/main"), StreamId("kit1/gate/sub")
URL = "rtsp://user:s3cret@192.168.1.64:554/101?token=s3cret#transport=udp"


@dataclass
class Opener:
    """An adapter's scheme: one leg, until it ends."""

    urls: list[SourceUrl] = field(default_factory=list)
    ended: int = 0

    async def open(self, url: SourceUrl, publication: Publication) -> None:
        self.urls.append(url)
        leg = publication.rtp(None)
        try:
            await leg.ended()
        finally:
            self.ended += 1


def source(url: str = URL, **given: object) -> Source:
    return Source.model_validate({"url": url, **given})


def sources(house: House, given: Mapping[str, Source]) -> None:
    house.config.source.clear()
    house.config.source.update(given)
    house.core.sources_changed()


@housed
async def test_a_source_waits_for_its_adapter_and_opens_at_once_when_it_comes(house: House) -> None:
    sources(house, {"gate": source(sub="rtsp://192.168.1.64/102", name="Gate")})
    streams, opener = house.core.streams, Opener()
    assert streams.resolve("gate") == GATE, "a device alone means its main picture"
    device = house.core.devices.known(DeviceId("kit1/gate"))
    assert device is not None and list(device.by_key) == ["main", "sub"] and device.row.name == "Gate"
    async with streams.view(GATE, VIEWER, "whep") as viewing:
        assert (viewing.status.state, viewing.status.code) == (StreamState.OFFLINE, "adapter-off")
        forget = house.core.sources.scheme("rtsp", opener.open)
        await goes_live(house, GATE)
        assert viewing.status.state is StreamState.LIVE and device.state is DeviceState.ONLINE
        (url,) = opener.urls
        assert (url.user, url.password, url.path, url.trusted) == ("user", "s3cret", "/101?token=s3cret", True)
        assert url.options == {"transport": "udp"}
        status = viewing.status
        assert status.source is not None and status.source.address == "rtsp://192.168.1.64:554/101"
        assert "s3cret" not in repr(status) and "s3cret" not in repr(url) and "s3cret" not in repr(house.config)
        # The adapter ends, and what it had open with it; a new one goes on in the same stream.
        handle = viewing.handle
        forget()
        await settle()
        assert (viewing.status.code, opener.ended, device.state) == ("adapter-off", 1, DeviceState.OFFLINE)
        forget()
        again = Opener()
        house.core.sources.scheme("rtsp", again.open)
        await settle()
        back = house.engine.newest_leg(GATE)
        house.engine.media(back)
        house.engine.leg_event(back, "picture")
        await turn()
        assert viewing.status.state is StreamState.LIVE and viewing.handle == handle and len(again.urls) == 1


@housed
async def test_a_changed_url_is_opened_at_once_and_the_others_notice_nothing(house: House) -> None:
    opener = Opener()
    house.core.sources.scheme("rtsp", opener.open)
    sources(house, {"gate": source(), "yard": source("rtsp://192.168.1.65/1")})
    yard = StreamId("kit1/yard/main")
    async with (
        house.core.streams.view(GATE, VIEWER, "whep") as gate,
        house.core.streams.view(yard, VIEWER, "whep") as other,
    ):
        await goes_live(house, GATE)
        await goes_live(house, yard)
        handle = gate.handle
        sources(house, {"gate": source("rtsp://192.168.1.99/1"), "yard": house.config.source["yard"]})
        await settle()
        assert [url.host for url in opener.urls] == ["192.168.1.64", "192.168.1.65", "192.168.1.99"]
        assert opener.ended == 1 and other.status.state is StreamState.LIVE
        assert gate.handle == handle and gate.status.state is StreamState.OPENING
        sources(house, {"gate": source("srt://192.168.1.99:9000"), "yard": house.config.source["yard"]})
        await settle()
        assert gate.status.code == "adapter-off"
        sources(house, {"yard": house.config.source["yard"]})
        await settle()
        assert gate.status.state is StreamState.REMOVED and other.status.state is StreamState.LIVE
        assert house.core.devices.known(DeviceId("kit1/gate")) is None


@housed
async def test_a_sub_stream_comes_and_goes_beside_the_main_one(house: House) -> None:
    opener = Opener()
    house.core.sources.scheme("rtsp", opener.open)
    sources(house, {"gate": source(on_demand=False)})
    leg = await goes_live(house, GATE)
    sources(house, {"gate": source(on_demand=False, sub="rtsp://192.168.1.64/102", channel={"back": URL})})
    await settle()
    assert house.core.streams.has(SUB) and house.core.streams.has(StreamId("kit1/gate/back"))
    sources(house, {"gate": source(on_demand=False)})
    await settle()
    assert not house.core.streams.has(SUB) and house.core.streams.status(GATE).state is StreamState.LIVE
    assert leg in house.engine.legs
    sources(house, {"gate": source(on_demand=False, enabled=False)})
    await settle()
    assert not house.core.streams.has(GATE)


@housed
async def test_a_dead_source_says_why_and_its_device_with_it(house: House) -> None:
    async def dead(url: SourceUrl, publication: Publication) -> None:
        raise LinkDown(f"{url} refused the connection", code="connect-refused")

    house.core.sources.scheme("rtsp", dead)
    sources(house, {"gate": source()})
    device = house.core.devices.known(DeviceId("kit1/gate"))
    assert device is not None
    async with house.core.streams.view(GATE, VIEWER, "whep") as viewing:
        await settle()
        assert (viewing.status.state, viewing.status.code) == (StreamState.WAITING, "connect-refused")
        assert "s3cret" not in viewing.status.detail and device.code == "connect-refused"


@housed
async def test_names_that_somebody_has_are_left_out_in_words(house: House) -> None:
    await house.core.devices.admit("gb28181", "34020000001320000001", slug="gate", by="test")
    sources(house, {"gate": source(), "yard": source("rtsp://192.168.1.65/1")})
    assert "gate" in house.core.sources.refused and house.core.streams.has(StreamId("kit1/yard/main"))
    await house.core.devices.forget(DeviceId("kit1/gate"))
    house.core.sources_changed()
    assert house.core.sources.refused == {} and house.core.streams.has(GATE)


@housed
async def test_redirects_to_another_scheme_and_to_itself(house: House) -> None:
    core, opener = house.core, Opener()

    async def onvif(url: SourceUrl, publication: Publication) -> None:
        await core.sources.open("rtsp://192.168.1.64/found", publication)

    async def circle(url: SourceUrl, publication: Publication) -> None:
        await core.sources.open(url, publication)

    core.sources.scheme("onvif", onvif)
    core.sources.scheme("circle", circle)
    sources(house, {"gate": source("onvif://192.168.1.64/"), "round": source("circle://192.168.1.64/")})
    async with core.streams.view(GATE, VIEWER, "whep") as viewing:
        await settle()
        assert viewing.status.code == "adapter-off", "nobody has rtsp: yet"
        core.sources.scheme("rtsp", opener.open)
        await advance(1.0)
        (url,) = opener.urls
        assert not url.trusted, "what a device tells is not what a technician wrote"
    async with core.streams.view(StreamId("kit1/round/main"), VIEWER, "whep") as viewing:
        await settle()
        assert viewing.status.code == "bad-url"
    with pytest.raises(Unsupported):
        await core.sources.open("gopher://192.0.2.1/", None)  # type: ignore[arg-type]
    with pytest.raises(RemoteProtocolError):
        await core.sources.open("rtsp://192.0.2.1/\r\nx", None)  # type: ignore[arg-type]


@housed
async def test_what_waits_for_a_cancelled_adapter_ends_with_a_reason_only_once(house: House) -> None:
    """The last viewer leaves in the turn in which the adapter ends."""
    opener = Opener()
    forget = house.core.sources.scheme("rtsp", opener.open)
    sources(house, {"gate": source(idle_close="0s")})
    async with house.core.streams.view(GATE, VIEWER, "whep"):
        await goes_live(house, GATE)
    forget()
    await advance(0.1)
    assert opener.ended == 1 and house.core.streams.status(GATE).state is StreamState.IDLE
    await asyncio.sleep(0)


@housed
async def test_24_dead_sources_for_an_hour_cost_next_to_nothing(house: House) -> None:
    tried = 0

    async def dead(url: SourceUrl, publication: Publication) -> None:
        nonlocal tried
        tried += 1
        raise LinkDown(f"{url} did not answer", code="connect-timeout")

    house.core.sources.scheme("rtsp", dead)
    sources(house, {f"dead-{n}": source(f"rtsp://192.168.1.{n}/1", on_demand=False) for n in range(1, 25)})
    await advance(600)
    tasks, objects, began = _tasks(), _objects(), time.process_time()
    await advance(3600)
    took = time.process_time() - began
    assert 24 * 4200 / 20 < tried < 24 * 4200 / 10, "every 15 s or so"
    assert _tasks() == tasks and house.engine.legs == {} and len(house.engine.streams) == 24
    assert took < 36, f"{took:.1f} s of processor for an hour is more than 1 % of a core"
    assert _objects() - objects < 2000, "what is kept of an attempt is no more than the last one"


def _tasks() -> list[str]:
    """Without the one that comes and goes with each look at the kit's sensors."""
    return sorted(name for one in asyncio.all_tasks() if (name := one.get_name()) != "kit readings")


def _objects() -> int:
    gc.collect()
    return len(gc.get_objects())


@housed
async def test_a_redirect_leads_to_no_port_and_no_device_of_this_machine(house: House) -> None:
    opened, refused = Opener(), list[str]()
    for name, to in (
        ("a", "udp://:5000"),
        ("b", "srt://:9000?mode=listener"),
        ("c", "rtp://239.1.1.1:5004"),
        ("d", "v4l2:/dev/video0"),
    ):

        async def redirects(_url: SourceUrl, publication: Publication, to: str = to) -> None:
            try:
                await house.core.sources.open(to, publication)
            except Denied as exc:
                refused.append(exc.code)
                raise

        house.core.sources.scheme("rtsp", redirects)
        house.core.sources.scheme(to.partition(":")[0], opened.open)
        sources(house, {name: source()})
        async with house.core.streams.view(StreamId(f"kit1/{name}/main"), VIEWER, "whep"):
            await settle()
        assert refused == ["url-refused"] and not opened.urls, to
        refused.clear()
