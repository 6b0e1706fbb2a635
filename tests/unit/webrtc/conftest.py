from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest

import adapters.webrtc.session
from adapters.webrtc import WebRtc
from adapters.webrtc.config import WebRtcConfig
from tests.unit.webrtc.client import only_loopback
from tests.unit.webrtc.fakes import FakeContext, FakeEngine, SessionEvent, started


class Rig:
    """The adapter, running, on a fake engine."""

    def __init__(self, engine: FakeEngine, context: FakeContext, adapter: WebRtc, task: asyncio.Task[None]) -> None:
        self.engine = engine
        self.context = context
        self.adapter = adapter
        self.task = task
        self.call = context.http.call

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@pytest.fixture
async def rig(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """`@pytest.mark.parametrize("rig", [{...}], indirect=True)` gives settings."""
    only_loopback(monkeypatch)
    monkeypatch.setattr(adapters.webrtc.session, "codecs", SimpleNamespace(SessionEvent=SessionEvent))
    engine = FakeEngine()
    context = FakeContext(engine)
    context.streams.add("kit1/ball-1/ch1")
    adapter = WebRtc(WebRtcConfig(port=0, **getattr(request, "param", {})), context)
    made = Rig(engine, context, adapter, await started(adapter.run(), context))
    try:
        yield made
    finally:
        await made.stop()
        assert not engine.sessions and not engine.subscribed and not engine.handlers and not engine.ports
        assert not engine.voices and not context.talk.seats
        assert not context.http.routes and not context.streams.viewings and not context.media.subscriptions
