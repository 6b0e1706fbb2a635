"""Streams with an adapter and the media plane in memory: what viewers live through."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest

from gateway import codecs
from gateway.base.errors import Busy, Denied, GatewayError, NotFound, PeerError
from gateway.contract.media import Offer, Publication
from gateway.core.facts import Missed
from gateway.model.ids import DeviceId, StreamId
from gateway.model.media import Codec, StreamState, StreamStatus
from gateway.model.principal import SYSTEM, Principal, Role
from gateway.net.suiting import SETTLED_S, settled
from tests.fakes.loop import advance, settle
from tests.unit.core.house import AUDITOR, OPERATOR, VIEWER, House, housed

BALL = DeviceId("kit1/ball-1")
STREAM = StreamId("kit1/ball-1/ch1")


@dataclass
class Source:
    """An adapter's `open`: opens one leg and stays until the leg has ended, as GB/T 28181's does."""

    failing: GatewayError | None = None
    opened: int = 0
    ended: int = 0
    asked: list[float] = field(default_factory=list)

    async def open(self, publication: Publication) -> None:
        self.opened += 1
        publication.say("opening")
        if self.failing is not None:
            raise self.failing
        publication.on_key_frame_wanted(self._ask)
        leg = publication.rtp(None, ssrc=1, hint="ps")
        publication.say("waiting-media")
        try:
            await leg.first_media(5.0)
            await leg.ended()
        finally:
            self.ended += 1

    async def _ask(self) -> None:
        self.asked.append(asyncio.get_running_loop().time())

    def offer(self, id_: StreamId = STREAM, *, on_demand: bool = True, alias: str = "") -> Offer:
        return Offer(id_, DeviceId(id_.rpartition("/")[0]), "ball", self.open, on_demand=on_demand, alias=alias)


async def goes_live(house: House, stream: StreamId = STREAM) -> int:
    """Media and a track come; returns the leg."""
    await settle()
    leg = house.engine.newest_leg(stream)
    house.engine.media(leg)
    house.engine.track(house.engine.legs[leg])
    await turn()
    return leg


async def turn() -> None:
    """The eventfd is read by a real selector: give it a turn."""
    for _ in range(3):
        await settle()


@housed
async def test_first_viewer_opens_second_shares_last_closes(house: House) -> None:
    streams, source = house.core.streams, Source()
    streams.offer(source.offer())
    assert streams.status(STREAM).state is StreamState.IDLE
    async with streams.view(STREAM, VIEWER, "whep") as first:
        await goes_live(house)
        assert first.status.state is StreamState.LIVE and first.tracks[0].width == 1920
        async with streams.view(STREAM, OPERATOR, "whep") as second:
            assert second.handle == first.handle and streams.status(STREAM).viewers == 2
            assert len(house.core.sessions.viewings(SYSTEM)) == 2
    assert source.opened == 1 and source.ended == 0
    await advance(house.config.streams.idle_close + 0.1)
    assert (source.ended, streams.status(STREAM).state) == (1, StreamState.IDLE)
    assert house.engine.streams == {}, "the media plane's stream goes as well"


@housed
async def test_viewer_is_kept_through_an_outage(house: House) -> None:
    streams, source = house.core.streams, Source()
    streams.offer(source.offer())
    seen: list[StreamState] = []
    async with streams.view(STREAM, VIEWER, "whep") as viewing:
        watcher = asyncio.create_task(_note_states(viewing.changes(), seen))
        handle = viewing.handle
        leg = await goes_live(house)
        house.engine.leg_event(leg, "stalled")
        await turn()
        assert (viewing.status.state, viewing.status.code) == (StreamState.STALLED, "media-stopped")
        await advance(house.config.streams.patience + 0.1)
        assert viewing.status.state is StreamState.WAITING and source.ended == 1
        await advance(1.0)
        assert source.opened == 2
        back = house.engine.newest_leg(STREAM)
        house.engine.media(back)
        await turn()
        assert viewing.status.state is StreamState.OPENING, "packets are no picture"
        house.engine.leg_event(back, "picture")
        await turn()
        # The same track goes on: no new TrackEvent comes, and none is needed.
        assert viewing.status.state is StreamState.LIVE and viewing.handle == handle
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)
    s = StreamState
    assert [a for a, b in zip(seen, [*seen[1:], None], strict=True) if a is not b] == [
        s.OPENING, s.LIVE, s.STALLED, s.WAITING, s.OPENING, s.LIVE,
    ]  # fmt: skip


@housed
async def test_who_can_be_told_but_once_waits_for_what_a_returning_source_sends(house: House) -> None:
    streams, source = house.core.streams, Source()
    streams.offer(source.offer())
    async with streams.view(STREAM, VIEWER, "rtsp") as viewing:
        leg = await goes_live(house)
        await asyncio.wait_for(settled(viewing), 0.1)
        house.engine.leg_event(leg, "closed", "eof")
        await turn()
        waits = asyncio.create_task(settled(viewing))
        await advance(1.0)
        back = house.engine.newest_leg(STREAM)
        house.engine.media(back)
        await turn()
        assert back != leg and not waits.done() and viewing.tracks[0].codec is Codec.H264, "what it sent before"
        house.engine.track(house.engine.legs[back], "h265", generation=2)
        house.engine.leg_event(back, "picture")
        await turn()
        assert waits.done() and viewing.tracks[0].codec is Codec.H265
        house.engine.leg_event(back, "closed", "eof")
        await turn()
        waits = asyncio.create_task(settled(viewing))
        await advance(SETTLED_S - 0.1)
        assert not waits.done()
        await advance(0.2)
        assert waits.done() and viewing.status.state is not StreamState.LIVE, "it does not wait for ever"


async def _note_states(changes: object, seen: list[StreamState]) -> None:
    async for status in changes:  # type: ignore[attr-defined]
        assert isinstance(status, StreamStatus)
        seen.append(status.state)


@housed
async def test_failing_on_start_is_retried_and_says_why(house: House) -> None:
    streams = house.core.streams
    source = Source(failing=PeerError("486 Busy Here", status=486, code="device-busy"))
    streams.offer(source.offer())
    async with streams.view(STREAM, VIEWER, "whep") as viewing:
        await settle()
        assert (viewing.status.state, viewing.status.code) == (StreamState.WAITING, "device-busy")
        assert viewing.status.retry_in_s is not None and 0.4 <= viewing.status.retry_in_s <= 0.6
        await advance(2.0)
        assert source.opened >= 3
        source.failing = None
        await advance(3.0)
        await goes_live(house)
        assert viewing.status.state is StreamState.LIVE


@housed
async def test_no_media_is_said_and_tried_again(house: House) -> None:
    streams, source = house.core.streams, Source()
    streams.offer(source.offer())
    async with streams.view(STREAM, VIEWER, "whep") as viewing:
        await advance(5.05)
        assert (viewing.status.state, viewing.status.code) == (StreamState.WAITING, "no-media")
        await advance(1.0)
        assert source.opened == 2


@housed
async def test_a_mistake_in_an_adapter_ends_the_attempt_only(house: House) -> None:
    async def broken(publication: Publication) -> None:
        raise ZeroDivisionError

    streams = house.core.streams
    streams.offer(Offer(STREAM, BALL, "ball", broken))
    async with streams.view(STREAM, VIEWER, "whep") as viewing:
        await settle()
        assert (viewing.status.state, viewing.status.code) == (StreamState.WAITING, "internal")


@housed
async def test_key_frame_wishes_reach_the_source_but_not_too_often(house: House) -> None:
    streams, source = house.core.streams, Source()
    streams.offer(source.offer())
    async with streams.view(STREAM, VIEWER, "whep") as viewing:
        await goes_live(house)
        for _ in range(5):
            house.engine.key_frame_wanted(viewing.handle, "pli")
            await turn()
        assert len(source.asked) == 1
        await advance(5.0)
        assert len(source.asked) == 2, "wishes that came meanwhile are one more"
        assert source.asked[1] - source.asked[0] >= 1.0


@housed
async def test_device_offline_says_so_and_online_opens_at_once(house: House) -> None:
    streams, source = house.core.streams, Source()
    streams.device_online(BALL, False, "keepalive-lost")
    streams.offer(source.offer())
    async with streams.view(STREAM, VIEWER, "whep") as viewing:
        await advance(30)
        assert (viewing.status.state, viewing.status.code) == (StreamState.OFFLINE, "keepalive-lost")
        assert source.opened == 0
        streams.device_online(BALL, True)
        await settle()
        assert source.opened == 1


@housed
async def test_withdrawn_stream_tells_its_viewers(house: House) -> None:
    streams, source = house.core.streams, Source()
    streams.offer(source.offer())
    async with streams.view(STREAM, VIEWER, "whep") as viewing:
        await goes_live(house)
        streams.withdraw(STREAM)
        states = [status.state async for status in viewing.changes()]
        assert states[-1] is StreamState.REMOVED
        with pytest.raises(NotFound):
            streams.status(STREAM)
        await turn()
        assert source.ended == 1


@housed
async def test_offering_again_keeps_viewers_and_takes_the_new_way(house: House) -> None:
    streams, old, new = house.core.streams, Source(), Source()
    streams.offer(old.offer())
    async with streams.view(STREAM, VIEWER, "whep") as viewing:
        leg = await goes_live(house)
        streams.offer(new.offer())
        assert viewing.status.viewers == 1 and old.ended == 0
        house.engine.leg_event(leg, "closed", code="source-ended")
        await advance(1.0)
        assert (old.opened, new.opened) == (1, 1)


@housed
async def test_panic_of_the_media_plane_gives_the_stream_a_new_one(house: House) -> None:
    streams, source = house.core.streams, Source()
    streams.offer(source.offer())
    async with streams.view(STREAM, VIEWER, "whep") as viewing:
        await goes_live(house)
        before = viewing.handle
        house.engine.panic(before)
        await turn()
        assert viewing.status.code == "stream-panic"
        await advance(1.0)
        assert source.opened == 2 and viewing.handle != before
        await goes_live(house)
        assert viewing.status.state is StreamState.LIVE


@housed
async def test_names(house: House) -> None:
    streams, source = house.core.streams, Source()
    for channel in ("ch10", "ch2"):
        streams.offer(source.offer(StreamId(f"{BALL}/{channel}"), alias="gate" if channel == "ch10" else ""))
    assert streams.resolve("kit1/ball-1/ch10") == streams.resolve("ball-1/ch10") == streams.resolve("gate")
    assert streams.resolve("ball-1") == "kit1/ball-1/ch2", "a device means its first stream"
    for wrong in ("ball-1/ch3", "ball-2", "../etc", "", "a/b/c/d"):
        with pytest.raises(NotFound):
            streams.resolve(wrong)


@housed
async def test_rights_and_limits_of_viewing(house: House) -> None:
    streams, source = house.core.streams, Source()
    streams.offer(source.offer())
    stranger = Principal("x", Role.VIEWER, "s", scope="kit1/ball-10")
    with pytest.raises(Denied):
        async with streams.view(STREAM, stranger, "whep"):
            pass
    assert source.opened == 0
    most = house.config.streams.max_viewings
    async with AsyncExitStack() as stack:
        for _ in range(most):
            await stack.enter_async_context(streams.view(STREAM, VIEWER, "whep"))
        with pytest.raises(Busy) as refused:
            await stack.enter_async_context(streams.view(STREAM, VIEWER, "whep"))
        assert refused.value.code == "too-many-viewers"
    assert streams.status(STREAM).viewers == 0


@housed
async def test_publishing_lives_as_long_as_its_source(house: House) -> None:
    streams, source = house.core.streams, Source()
    published = asyncio.create_task(streams.publish(source.offer(), OPERATOR))
    leg = await goes_live(house)
    assert streams.status(STREAM).state is StreamState.LIVE
    with pytest.raises(Busy):
        await streams.publish(Source().offer(), OPERATOR)
    house.engine.leg_event(leg, "closed", code="eof")
    await turn()
    await published
    with pytest.raises(NotFound):
        streams.status(STREAM)
    with pytest.raises(Denied):
        await streams.publish(source.offer(), VIEWER)
    talk = [row for row in await house.core.audit.read(AUDITOR) if row.act.startswith("publish")]
    assert [(row.name, row.act, row.outcome, row.detail) for row in talk] == [
        ("otto", "publish.start", "done", "talk: ball"),
        ("otto", "publish.end", "done", "talk 0 s"),
        ("vera", "publish.start", "refused", "talk"),
    ], "who talked, where and how long; who may not"


@housed
async def test_figures_reach_the_status(house: House) -> None:
    streams, source = house.core.streams, Source()
    streams.offer(source.offer())
    async with streams.view(STREAM, VIEWER, "whep") as viewing:
        leg = await goes_live(house)
        house.engine.stream_counters[viewing.handle] = {
            "fps": 25.0,
            "bitrate_bps": 4e6,
            "frame_age_ms": 40,
            "frames": 9,
        }
        house.engine.leg_counters[leg] = {
            "packets": 100,
            "lost": 2,
            "reordered": 1,
            "loss_ratio": 0.02,
            "jitter_ms": 3.5,
        }
        await house.core.figures.once()
        figures = viewing.status.figures
        assert (figures.fps, figures.frame_age_s, figures.lost, figures.loss_ratio) == (25.0, 0.04, 2, 0.02)
        house.engine.answers = False
        await house.core.figures.once()
        assert not await house.core.plane.alive()
        house.engine.answers = True


@housed
async def test_an_end_of_the_daemon_ends_sources_in_their_own_way(house: House) -> None:
    source = Source()
    house.core.streams.offer(source.offer(on_demand=False))
    await goes_live(house)
    await house.core.quiesce()
    assert source.ended == 1
    house.core.streams.offer(source.offer())
    assert house.core.streams.all() == [], "nothing is offered to a daemon that stops"


@housed
async def test_lost_events_are_asked_for(house: House) -> None:
    """The plane's word that media came, flows, stopped and ended never arrives; a look at it tells the same."""
    streams, source, engine = house.core.streams, Source(), house.engine
    streams.offer(source.offer())
    notices = house.core.bus.subscribe(SYSTEM, types=["notice"])
    async with notices as told, streams.view(STREAM, VIEWER, "whep") as viewing:
        leg = await goes_live(house)
        engine.leg_event(leg, "stalled")
        await turn()
        assert viewing.status.state is StreamState.STALLED
        engine.leg_counters[leg] = {"packets": 900, "payload": "ps"}
        engine.stream_counters[viewing.handle] = {"key_frames": 3, "frames": 70, "frame_age_ms": 40.0}
        await lose_events(house)
        assert viewing.status.state is StreamState.LIVE and len(source.asked) == 1, "a key frame is asked for"
        notice = await anext(aiter(told))
        assert not isinstance(notice, Missed) and notice.data.code == "events-lost"
        engine.stream_counters[viewing.handle] = {"key_frames": 3, "frames": 70, "frame_age_ms": 4000.0}
        await lose_events(house)
        assert (viewing.status.state, viewing.status.code) == (StreamState.STALLED, "media-stopped")
        await advance(house.config.streams.patience + 0.1)
        assert source.ended == 1, "its patience ran, as after the event"
        await advance(1.0)
        assert source.opened == 2
        engine.legs.pop(engine.newest_leg(STREAM))
        await lose_events(house)
        assert source.ended == 2, "the leg is gone, and its source was told so"


@housed
async def test_a_source_that_waits_for_lost_media_goes_on(house: House) -> None:
    streams, source, engine = house.core.streams, Source(), house.engine
    streams.offer(source.offer())
    seen = house.core.bus.subscribe(SYSTEM, types=["stream"])
    async with seen as states, streams.view(STREAM, VIEWER, "whep") as viewing:
        await settle()
        leg, before = engine.newest_leg(STREAM), viewing.handle
        engine.leg_counters[leg] = {"packets": 9, "payload": "ps"}
        await lose_events(house)
        assert viewing.status.code == "waiting-key-frame"
        await advance(6.0)
        assert source.ended == 0, "first_media has returned"
        # A picture whose track was not heard of: only a new stream tells of it again.
        engine.stream_counters[before] = {"key_frames": 1, "frames": 1, "frame_age_ms": 5.0}
        await lose_events(house)
        await advance(1.0)
        assert source.opened == 2 and viewing.handle != before and before not in engine.streams
        async for event in states:
            assert not isinstance(event, Missed)
            if (event.data.state, event.data.code) == (StreamState.WAITING, "events-lost"):
                break


@housed
async def test_a_stream_that_is_gone_unheard_begins_anew(house: House) -> None:
    streams, source, engine = house.core.streams, Source(), house.engine
    streams.offer(source.offer())
    async with streams.view(STREAM, VIEWER, "whep") as viewing:
        await goes_live(house)
        for leg in engine.streams.pop(viewing.handle).legs:
            engine.legs.pop(leg)
        engine.answers = False
        await lose_events(house)
        assert viewing.status.state is StreamState.LIVE, "nothing is known yet"
        engine.answers, before = True, house.core.recheck.rounds
        await advance(1.1)
        await asked_anew(house, before)
        assert viewing.status.code in ("stream-panic", "opening")
        await advance(1.0)
        assert source.opened == 2


@housed
async def test_a_viewer_hears_of_its_first_frame_all_the_same(house: House) -> None:
    engine, heard = house.engine, []
    stream = engine.open_stream("s")
    subscription = engine.subscribe_session(stream, 1)
    house.core.plane.on_subscription(subscription, lambda event: heard.append(event.state))
    engine.subscription_counters[subscription] = {"frames": 5, "congested": 0}
    await lose_events(house)
    assert heard == ["first-frame", "recovered"]
    house.core.plane.forget_subscription(subscription)
    engine.close_stream(stream)


async def lose_events(house: House) -> None:
    before = house.core.recheck.rounds
    house.engine.tell(codecs.EventsLost(count=7))
    await advance(1.1)
    await asked_anew(house, before)


async def asked_anew(house: House, before: int) -> None:
    """The asking is done in a real thread."""
    while house.core.recheck.rounds == before:  # noqa: ASYNC110  (a loop whose time stands still)
        await asyncio.sleep(0)
    await turn()
