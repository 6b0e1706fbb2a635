"""The adapter where libsrt is missing, or its port taken: said in words, with a reason."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.srt import adapter as adapter_module
from adapters.srt.adapter import Srt
from adapters.srt.config import SrtConfig
from adapters.srt.link import HOSTS, Latencies
from gateway import codecs
from gateway.base.errors import ConfigError, Denied
from gateway.model.doctor import Grade


class Without:
    """A system without libsrt."""

    def srt_version(self) -> str:
        return ""


class Taken:
    taken = True

    def srt_version(self) -> str:
        return "1.5.1"

    def srt_listen(self, *_: Any, **__: Any) -> tuple[int, int]:
        if self.taken:
            raise codecs.MediaError("listening for SRT on 0.0.0.0:8890: Address already in use")
        return 7, 8890

    def close_wire(self, *_: Any) -> None: ...


async def test_without_the_library_it_stops_with_a_reason() -> None:
    context: Any = SimpleNamespace(media=SimpleNamespace(engine=Without()), sources=None)
    with pytest.raises(ConfigError) as caught:
        await Srt(SrtConfig(), context).run()
    assert caught.value.code == "srt-missing"


async def test_without_its_port_sources_are_pulled_all_the_same_and_it_is_had_when_it_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(adapter_module, "PORT_AGAIN_S", 0.01)
    told: asyncio.Queue[list[str]] = asyncio.Queue()
    opened: list[str] = []
    ready = asyncio.Event()

    def scheme(name: str, _call: object) -> Callable[[], None]:
        opened.append(name)
        return lambda: opened.remove(name)

    engine = Taken()
    heard: list[int] = []
    media = SimpleNamespace(
        engine=engine, on_wire=lambda wire, _call: heard.append(wire), forget_wire=lambda _wire: None
    )
    context: Any = SimpleNamespace(
        media=media,
        sources=SimpleNamespace(scheme=scheme, push_scheme=scheme),
        ready=ready.set,
        lacking=lambda *problems: told.put_nowait([one.code for one in problems]),
    )
    adapter = Srt(SrtConfig(), context)
    run = asyncio.create_task(adapter.run())
    async with asyncio.timeout(20):
        assert await told.get() == ["port-in-use"]
        await ready.wait()
        assert opened == ["srt", "srt"] and not adapter.port
        engine.taken = False
        assert await told.get() == [] and adapter.port == 8890 and told.empty()
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    assert not opened


async def test_the_doctor_asks_for_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter_module, "_version", lambda: "")
    (finding,) = await Srt.checks(SrtConfig())
    assert (finding.grade, finding.code) == (Grade.FAIL, "srt-missing") and "libsrt1.5-gnutls" in finding.measured
    monkeypatch.undo()
    library, _port = await Srt.checks(SrtConfig())
    assert library.grade is Grade.OK and library.measured.startswith("libsrt 1.5")


def test_links_are_remembered_within_a_bound() -> None:
    latencies = Latencies(0.12, 2.0)
    assert latencies.of("10.0.0.1") == 120
    assert latencies.learnt("10.0.0.1", 300.0) == 920 == latencies.of("10.0.0.1")
    for n in range(HOSTS):
        latencies.learnt(f"host-{n}", 1.0)
    assert len(latencies.all()) == HOSTS and latencies.of("10.0.0.1") == 120


def test_who_is_refused_again_and_again_does_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    adapter = Srt(SrtConfig(), SimpleNamespace())  # type: ignore[arg-type]
    for port in range(500):
        adapter._refuse(f"10.0.0.9:{40000 + port}", Denied("name or password is wrong", code="program-password"))
    adapter._refuse("10.0.0.8:40000", Denied("name or password is wrong", code="program-password"))
    assert adapter.figures()["srt_refused_total"] == 501
    lines = [record.message for record in caplog.records]
    assert len(lines) < 10 and "10.0.0.8:40000" in lines[-1] and "program-password" in lines[0]
