"""Figures of a kit: worked out between two looks, and left out where the system does not tell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from adapters.mqtt.kit_figures import PAGE, Figures
from gateway.model.device import DeviceState
from tests.unit.mqtt.rig import device


def proc(folder: Path) -> Path:
    (folder / "self").mkdir()
    (folder / "self" / "statm").write_text(f"100 {50 * (1 << 20) // PAGE} 3 1 0 20 0\n")
    (folder / "loadavg").write_text("0.52 0.40 0.30 1/200 4711\n")
    (folder / "meminfo").write_text("MemTotal: 8000000 kB\nMemAvailable: 2048000 kB\n")
    return folder


def test_what_is_told(tmp_path: Path) -> None:
    now, cpu = [100.0], [5.0]
    figures = Figures(now=lambda: now[0], cpu=lambda: cpu[0], proc=proc(tmp_path))
    devices = [device("kit7", "a"), replace(device("kit7", "b"), state=DeviceState.OFFLINE)]
    now[0], cpu[0] = 110.0, 7.5
    assert figures.told(devices, ()) == {
        "devices": 2,
        "devices_online": 1,
        "streams": 0,
        "streams_live": 0,
        "cpu": 0.25,
        "load": 0.52,
        "rss_mb": 50.0,
        "memory_free_mb": 2000.0,
    }
    assert figures.told((), ())["cpu"] == 0.0, "no time has passed"
    now[0] = 120.0
    assert figures.told((), ())["cpu"] == 0.0, "and none of it was ours"


def test_what_can_not_be_read_is_left_out(tmp_path: Path) -> None:
    told = Figures(proc=tmp_path).told((), ())
    assert "cpu" in told and not {"load", "rss_mb", "memory_free_mb"} & set(told)
    (tmp_path / "loadavg").write_text("")
    (tmp_path / "meminfo").write_text("MemTotal: 1 kB\n")
    assert not {"load", "memory_free_mb"} & set(Figures(proc=tmp_path).told((), ()))
