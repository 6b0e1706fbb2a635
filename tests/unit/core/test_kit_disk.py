"""Room, read-only and wear of the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.core import kit_disk
from gateway.core.kit_disk import judged, read_space, read_wear, steady
from gateway.core.kit_state import WEAR_S, Machine


def test_a_real_disk(tmp_path: Path) -> None:
    space = read_space(tmp_path)
    assert space.total_bytes >= space.free_bytes > 0 and not space.read_only
    assert read_space(tmp_path / "gone").code == "disk-read-only"


@pytest.mark.parametrize(
    ("free", "total", "more", "code"),
    [
        (10**10, 10**11, {}, ""),
        (4 * 10**8, 10**11, {}, "disk-low"),
        (4 * 10**7, 10**11, {}, "disk-full"),
        (4 * 10**7, 10**8, {}, ""),  # a small disk is not always full
        (10**10, 10**11, {"read_only": True}, "disk-read-only"),
        (10**10, 10**11, {"worn": 0.9}, "disk-worn"),
        (10**10, 10**11, {"worn": 0.8}, ""),
        (10**10, 10**11, {"files": False}, "disk-full"),
    ],
)
def test_codes(free: int, total: int, more: dict[str, object], code: str) -> None:
    assert judged(free, total, **more).code == code  # type: ignore[arg-type]


def test_a_disk_that_can_make_no_more_files_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs(tmp_path)
    none = os.statvfs_result((*real[:5], 1000, 0, 0, *real[8:10]))
    monkeypatch.setattr(os, "statvfs", lambda _path: none)
    assert read_space(tmp_path).code == "disk-full"
    uncounted = os.statvfs_result((*real[:5], 0, 0, 0, *real[8:10]))  # btrfs
    monkeypatch.setattr(os, "statvfs", lambda _path: uncounted)
    assert read_space(tmp_path).code != "disk-full"


def test_a_disk_at_its_mark_does_not_flicker() -> None:
    code, codes = "", []
    for free in (510, 490, 510, 490, 590, 610, 510, 49, 51, 59, 61, 700):
        code = steady(judged(free * 10**6, 10**11), code).code
        codes.append(code)
    low, full = "disk-low", "disk-full"
    assert codes == ["", low, low, low, low, "", "", full, full, full, low, ""]


@pytest.mark.parametrize(
    ("told", "worn"),
    [("0x01 0x03", 0.3), ("0x0b 0x01", 1.0), ("0x00 0x00", None), ("", None), ("rust", None), ("0xff", None)],
)
def test_wear_of_flash(tmp_path: Path, told: str, worn: float | None) -> None:
    disk = tmp_path / "devices" / "mmcblk0"
    (disk / "device").mkdir(parents=True)
    (disk / "device" / "life_time").write_text(told + "\n")
    part = disk / "mmcblk0p2"
    part.mkdir()
    (part / "partition").write_text("2\n")
    (tmp_path / "dev" / "block").mkdir(parents=True)
    (tmp_path / "dev" / "block" / "179:2").symlink_to(part)
    assert read_wear(os.makedev(179, 2), tmp_path) == worn
    assert read_wear(os.makedev(8, 1), tmp_path) is None


def test_wear_is_read_once_an_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, read = [100.0], list[int]()
    monkeypatch.setattr(kit_disk, "read_wear", lambda device, _sysfs: read.append(device) or 0.3)  # type: ignore[func-returns-value]
    machine = Machine(tmp_path, lambda: now[0])
    for _ in range(3):
        assert machine().space.worn == 0.3
        now[0] += 5.0
    assert len(read) == 1
    now[0] += WEAR_S
    assert machine().space.worn == 0.3 and len(read) == 2
