"""The picture: it moves as the head does, and what it shows can be read."""

from __future__ import annotations

import av

from gateway.sim.font import GLYPHS, text_rows
from gateway.sim.panorama import HEIGHT, WIDTH, panorama
from gateway.sim.scene import Scene, View


def luma(frame: av.VideoFrame) -> bytes:
    return bytes(memoryview(frame.planes[0]))


def test_planes_fit() -> None:
    drawn = panorama()
    assert (len(drawn.y), len(drawn.u), len(drawn.v)) == (WIDTH * HEIGHT, WIDTH * HEIGHT // 4, WIDTH * HEIGHT // 4)


def test_every_move_changes_the_picture_and_standing_still_does_not() -> None:
    scene = Scene(640, 360)
    start = luma(scene.render(0, "12:00", View(200.0, 5.0)))
    assert luma(scene.render(0, "12:00", View(200.0, 5.0))) == start
    for view in (View(205.0, 5.0), View(200.0, 9.0), View(200.0, 5.0, 2.0)):
        other = luma(scene.render(0, "12:00", view))
        differ = sum(a != b for a, b in zip(other, start, strict=True))
        assert differ > len(start) // 4, view


def test_a_pan_shifts_the_picture_by_its_angle() -> None:
    scene = Scene(960, 540)  # 16 pixels a degree: as the panorama
    before = luma(scene.render(0, "", View(200.0, 20.0)))
    after = luma(scene.render(0, "", View(210.0, 20.0)))
    row = 270 * 960
    assert after[row : row + 700] == before[row + 160 : row + 860]


def test_looking_north_joins_both_ends() -> None:
    scene = Scene(640, 360)
    assert luma(scene.render(3, "", View(0.0))) == luma(scene.render(3, "", View(360.0)))


def test_smoke_moves_and_the_counter_counts() -> None:
    scene = Scene(640, 360)
    assert luma(scene.render(1, "", View(15.0, 5.0))) != luma(scene.render(40, "", View(15.0, 5.0)))


def test_odd_corners_render() -> None:
    scene = Scene(352, 288, "BALL")
    for view in (View(359.9, 60.0), View(0.1, -30.0, 10.0), View(15.0, 7.0, 10.0)):
        assert len(luma(scene.render(7, "2026-01-01 00:00:00.000", view))) >= 352 * 288


def test_every_glyph_is_five_by_seven_and_none_alike() -> None:
    assert all(len(rows) == 7 and all(len(row) == 5 for row in rows) for rows in GLYPHS.values())
    assert len(set(GLYPHS.values())) == len(GLYPHS)
    assert len(list(text_rows("AB", 2, 235, 16))) == 2 * 9
