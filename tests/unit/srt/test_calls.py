"""libsrt is never called on the event loop, and whoever is cancelled meanwhile leaves nothing open."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from adapters.srt import feed
from adapters.srt.adapter import Srt
from adapters.srt.config import SrtConfig
from adapters.srt.dial import Dialer
from adapters.srt.link import Latencies
from gateway import codecs
from gateway.base.errors import ConfigError, LinkDown
from gateway.base.url import parse_url

LISTENER, WIRE = 7, 9


class Engine:
    """Notes what is called, and where."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.on_loop: list[str] = []
        self.loop_thread = threading.get_ident()
        self.held = threading.Event()
        self.held.set()
        self.began = threading.Event()
        self.open: set[int] = set()

    def _note(self, what: str, *, slow: bool) -> None:
        self.called.append(what)
        if slow and threading.get_ident() == self.loop_thread:
            self.on_loop.append(what)
            return
        self.began.set()
        assert self.held.wait(20)

    def srt_version(self) -> str:
        self._note("version", slow=True)
        return "1.5.1"

    def srt_connect(self, host: str, port: int, **options: Any) -> int:
        self._note("connect", slow=True)
        self.open.add(WIRE)
        return WIRE

    def srt_listen(self, host: str, port: int, **options: Any) -> tuple[int, int]:
        self._note("listen", slow=True)
        self.open.add(LISTENER)
        return LISTENER, port

    def close_wire(self, wire: int) -> None:
        # A connection is let go by the SRT thread: only a listener is closed by who asks.
        self._note(f"close {wire}", slow=wire == LISTENER)
        self.open.discard(wire)


class Media:
    def __init__(self) -> None:
        self.engine = Engine()
        self.owners: dict[int, Callable[[codecs.WireEvent], None]] = {}

    def on_wire(self, wire: int, heard: Callable[[codecs.WireEvent], None]) -> None:
        self.owners[wire] = heard

    def forget_wire(self, wire: int) -> None:
        self.owners.pop(wire, None)


async def addresses(host: str, port: int, *, trusted: bool) -> list[tuple[int, str]]:
    return [(2, host)]


def dialer(media: Media) -> Dialer:
    context: Any = SimpleNamespace(media=media, reach=SimpleNamespace(addresses=addresses))
    return Dialer(context, Latencies(0.12, 2.0), 3.0)


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110  (threads tell no event)
            await asyncio.sleep(0.005)


async def ended(task: asyncio.Task[Any]) -> None:
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("query", ["", "mode=listener"])
async def test_a_source_is_called_and_awaited_off_the_loop(query: str) -> None:
    media = Media()
    engine = media.engine
    task = asyncio.create_task(dialer(media).source(parse_url(f"srt://127.0.0.1:9000?{query}"), cast(Any, None)))
    handle = LISTENER if query else WIRE
    await until(lambda: handle in media.owners)
    task.cancel()
    await ended(task)
    assert task.cancelled() and engine.open == set() and media.owners == {}
    assert engine.called == (["listen", f"close {LISTENER}"] if query else ["connect", f"close {WIRE}"])
    assert engine.on_loop == []


@pytest.mark.parametrize(("query", "code"), [("", "unreachable"), ("mode=rendezvous", "port-in-use")])
async def test_a_call_that_fails_says_in_which_way(query: str, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    media = Media()

    def fails(*_: Any, **__: Any) -> int:
        raise codecs.MediaError("connecting by SRT to 127.0.0.1:9000: it failed")

    monkeypatch.setattr(media.engine, "srt_connect", fails)
    with pytest.raises(LinkDown) as failed:
        await dialer(media).source(parse_url(f"srt://127.0.0.1:9000?{query}"), cast(Any, None))
    assert failed.value.code == code


@pytest.mark.parametrize("query", ["", "mode=listener"])
async def test_who_is_cancelled_while_libsrt_holds_a_call_up_leaves_nothing_open(query: str) -> None:
    media = Media()
    engine = media.engine
    engine.held.clear()
    task = asyncio.create_task(dialer(media).source(parse_url(f"srt://127.0.0.1:9000?{query}"), cast(Any, None)))
    await until(engine.began.is_set)
    task.cancel()
    await asyncio.sleep(0)
    engine.held.set()
    await ended(task)
    assert task.cancelled() and engine.open == set() and media.owners == {} and engine.on_loop == []


async def test_the_adapters_own_port_is_opened_and_closed_off_the_loop() -> None:
    media = Media()
    ready = asyncio.Event()
    sources = SimpleNamespace(scheme=lambda *_: lambda: None, push_scheme=lambda *_: lambda: None)
    context: Any = SimpleNamespace(media=media, sources=sources, ready=ready.set)
    task = asyncio.create_task(Srt(SrtConfig(), context).run())
    await asyncio.wait_for(ready.wait(), 60)
    task.cancel()
    await ended(task)
    assert media.engine.called == ["version", "listen", f"close {LISTENER}"]
    assert media.engine.on_loop == [] and media.engine.open == set()


async def test_a_port_is_free_when_its_listener_has_been_left() -> None:
    """On libsrt itself: the adapter is started anew at once when its configuration changes."""
    engine = codecs.Engine()
    media = Media()
    media.engine = cast(Any, engine)
    try:
        for _ in range(20):
            listener, port = await asyncio.to_thread(engine.srt_listen, "127.0.0.1", 0)
            await asyncio.to_thread(engine.close_wire, listener)
            again, same = await asyncio.to_thread(engine.srt_listen, "127.0.0.1", port)
            assert same == port
            await asyncio.to_thread(engine.close_wire, again)
        taken, port = await asyncio.to_thread(engine.srt_listen, "127.0.0.1", 0)
        with pytest.raises(LinkDown) as refused:
            await dialer(media).source(parse_url(f"srt://127.0.0.1:{port}?mode=listener"), cast(Any, None))
        assert refused.value.code == "port-in-use"
        told: list[ConfigError] = []
        ready = asyncio.Event()
        sources = SimpleNamespace(scheme=lambda *_: lambda: None, push_scheme=lambda *_: lambda: None)
        context: Any = SimpleNamespace(media=media, sources=sources, ready=ready.set, lacking=told.append)
        run = asyncio.create_task(Srt(SrtConfig.model_validate({"listen": f"127.0.0.1:{port}"}), context).run())
        await asyncio.wait_for(ready.wait(), 60)
        run.cancel()
        await ended(run)
        assert [one.code for one in told] == ["port-in-use"]
        await asyncio.to_thread(engine.close_wire, taken)
    finally:
        engine.close()


@pytest.mark.parametrize(
    ("rtt_ms", "anew", "code"), [(300.0, True, "srt-latency"), (10.0, True, "over"), (300.0, False, "over")]
)
async def test_a_latency_that_is_short_of_its_link_is_made_anew_where_we_called(
    monkeypatch: pytest.MonkeyPatch, rtt_ms: float, anew: bool, code: str
) -> None:
    """One who called us is not cut off for it."""
    monkeypatch.setattr(feed, "SETTLE_S", 0.0)
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stats(_bound: int) -> dict[str, float]:
        loop.call_soon_threadsafe(asked.set)
        return {"rtt_ms": rtt_ms, "latency_ms": 120.0}

    over: asyncio.Future[str] = loop.create_future()

    async def leg() -> str:
        return await over

    media: Any = SimpleNamespace(engine=SimpleNamespace(srt_stats=stats))
    ended = asyncio.create_task(leg())
    judged = asyncio.create_task(feed.watched(media, 7, ended, Latencies(0.12, 2.0), "10.0.0.9", anew=anew))
    await asked.wait()
    if code == "over":
        await asyncio.sleep(0.05)  # for what must not happen
        over.set_result("over")
    assert await judged == code
