"""Outputs: kept up, tried again with growing waits, and changed one by one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from gateway.base.errors import PeerError
from gateway.base.url import SourceUrl
from gateway.config.sources import Push
from gateway.contract.media import Viewing
from gateway.model.media import StreamState
from gateway.model.source import PushState, PushStatus
from tests.fakes.loop import advance, settle
from tests.unit.core.house import House, housed
from tests.unit.core.test_streams import STREAM, Source, goes_live

URL = "rtmp://user:s3cret@center.example/live/key-s3cret"


@dataclass
class Far:
    """The other side of a push."""

    failing: bool = False
    sent: list[tuple[SourceUrl, str]] = field(default_factory=list)
    ended: int = 0
    hang_up: asyncio.Event = field(default_factory=asyncio.Event)

    async def open(self, url: SourceUrl, viewing: Viewing) -> None:
        self.sent.append((url, viewing.stream))
        try:
            if self.failing:
                raise PeerError("the server said no", code="peer-refused")
            await self.hang_up.wait()
        finally:
            self.ended += 1


def pushes(house: House, **given: str) -> None:
    house.config.push.clear()
    house.config.push.update(
        {name: Push.model_validate({"stream": "ball-1/ch1", "url": url}) for name, url in given.items()}
    )
    house.core.sources_changed()


def status(house: House, name: str = "center") -> PushStatus:
    return next(push for push in house.core.pushes.all() if push.name == name)


@housed
async def test_a_push_holds_its_stream_open_and_shows_no_secret(house: House) -> None:
    source, far = Source(), Far()
    house.core.streams.offer(source.offer())
    pushes(house, center=URL)
    await settle()
    assert (status(house).state, status(house).code) == (PushState.WAITING, "adapter-off") and source.opened == 0
    forget = house.core.sources.push_scheme("rtmp", far.open)
    await goes_live(house)
    assert (status(house).state, status(house).code) == (PushState.RUNNING, "")
    ((url, stream),) = far.sent
    assert (url.password, url.trusted, stream) == ("s3cret", True, STREAM)
    assert house.core.streams.status(STREAM).viewers == 1
    assert status(house).url == "rtmp://center.example/live/…" and "s3cret" not in repr(house.core.pushes.all())
    assert "s3cret" not in repr(house.config.push)
    forget()
    await settle()
    assert (status(house).code, far.ended) == ("adapter-off", 1)
    assert house.core.streams.status(STREAM).viewers == 0
    await advance(600)
    assert len(far.sent) == 1 and status(house).failures == 0, "without its adapter nothing is tried"


@housed
async def test_what_fails_is_tried_again_ever_later(house: House) -> None:
    house.core.streams.offer(Source().offer())
    far = Far(failing=True)
    house.core.sources.push_scheme("rtmp", far.open)
    pushes(house, center=URL)
    await settle()
    assert (status(house).state, status(house).code) == (PushState.WAITING, "peer-refused")
    wait = status(house).retry_in_s
    assert wait is not None and 0.3 <= wait <= 0.7
    await advance(3600)
    assert 200 < len(far.sent) < 330, "every 15 s or so"
    assert status(house).failures == len(far.sent)
    far.failing = False
    await advance(20)
    assert status(house).state is PushState.RUNNING
    await advance(60)
    far.hang_up.set()
    await settle()
    wait = status(house).retry_in_s
    assert status(house).code == "push-ended" and wait is not None and wait < 0.7, "one that lived begins anew"


@housed
async def test_a_stream_that_is_not_there_yet(house: House) -> None:
    far, source = Far(), Source()
    house.core.sources.push_scheme("rtmp", far.open)
    pushes(house, center=URL)
    await settle()
    assert status(house).code == "not-found" and far.sent == []
    house.core.streams.offer(source.offer())
    await advance(20)
    assert status(house).state is PushState.RUNNING and source.opened >= 1
    house.core.streams.withdraw(STREAM)
    await settle()
    assert (far.ended, status(house).code) == (1, "not-found"), "what is no more is not sent"


@housed
async def test_one_that_changes_leaves_the_others_alone(house: House) -> None:
    house.core.streams.offer(Source().offer())
    far = Far()
    house.core.sources.push_scheme("rtmp", far.open)
    pushes(house, center=URL, other="rtmp://other.example/live/1")
    await goes_live(house)
    assert len(far.sent) == 2
    pushes(house, center="rtmp://user:another@center.example/live/key-s3cret", other="rtmp://other.example/live/1")
    await settle()
    assert len(far.sent) == 3 and far.ended == 1 and far.sent[-1][0].password == "another"
    pushes(house)
    await settle()
    assert far.ended == 3 and house.core.pushes.all() == []
    await advance(house.config.streams.idle_close + 1)
    assert house.core.streams.status(STREAM).state is StreamState.IDLE
