"""The adapter where libsrt is missing, or its port taken: said in words, with a reason."""

from __future__ import annotations

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
    def srt_version(self) -> str:
        return "1.5.1"

    def srt_listen(self, *_: Any, **__: Any) -> tuple[int, int]:
        raise codecs.MediaError("listening for SRT on 0.0.0.0:8890: Address already in use")


@pytest.mark.parametrize(("engine", "code"), [(Without(), "srt-missing"), (Taken(), "port-in-use")])
async def test_it_stops_with_a_reason(engine: Any, code: str) -> None:
    context: Any = SimpleNamespace(media=SimpleNamespace(engine=engine), sources=None)
    with pytest.raises(ConfigError) as caught:
        await Srt(SrtConfig(), context).run()
    assert caught.value.code == code


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
