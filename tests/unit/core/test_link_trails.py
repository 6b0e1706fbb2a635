"""Trails of links: kept over a restart, thinned, bounded."""

from __future__ import annotations

from pathlib import Path

from gateway.core import link_trails
from gateway.core.link_trails import LinkTrails
from gateway.model.kit import LinkState, LinkUse
from gateway.store.store import Store
from tests.fakes.loop import advance, by_hand
from tests.unit.core.house import hand_clock


@by_hand
async def test_kept_and_thinned(tmp_path: Path) -> None:
    store, clock = Store(tmp_path, b"audit"), hand_clock()
    trails = LinkTrails(store.link_trails, clock)
    for number in range(180):
        out = 100 <= number < 110
        use = LinkUse.OUT if out else LinkUse.IN
        loss = 1.0 if out else 0.0
        trails.note("kit7", [LinkState("lte-1", state=use, rtt_ms=30.0, loss=loss, bytes_out=number * 125_000)])
        trails.sample()
        await advance(10.0)
    trails.save()
    store.close()
    store = Store(tmp_path, b"audit")
    trails = LinkTrails(store.link_trails, clock)
    (whole,) = await trails.trails("kit7")
    assert len(whole.at) == 180 and whole.out_bps[1:] == (100_000.0,) * 179
    assert whole.at == tuple(sorted(whole.at)) and whole.used.count(False) == 10
    (thin,) = await trails.trails("kit7", points=9)
    assert len(thin.at) == 9 and thin.every_s == 200.0
    assert thin.loss[5] == 1.0 and thin.loss[0] == 0.0, "the worst loss is not thinned away"
    (late,) = await trails.trails("kit7", hours=0.25)
    assert len(late.at) == 90
    assert await trails.trails("kit8") == []
    store.close()


@by_hand
async def test_silence_is_no_sample_and_counters_may_begin_anew(tmp_path: Path) -> None:
    store, clock = Store(tmp_path, b"audit"), hand_clock()
    trails = LinkTrails(store.link_trails, clock)
    trails.note("kit7", [LinkState("lte-1", bytes_in=10_000)])
    trails.sample()
    await advance(60.0)
    trails.sample()
    trails.note("kit7", [LinkState("lte-1", bytes_in=10)])
    trails.sample()
    await advance(10.0)
    trails.note("kit7", [LinkState("lte-1", bytes_in=5)])
    trails.sample()
    (trail,) = await trails.trails("kit7")
    assert len(trail.at) == 3 and trail.in_bps == (0.0, 0.0, 0.0)
    assert trail.rtt_ms == trail.loss == (None, None, None)
    store.close()


@by_hand
async def test_old_rows_go_and_there_is_a_most(tmp_path: Path) -> None:
    store, clock = Store(tmp_path, b"audit"), hand_clock()
    trails = LinkTrails(store.link_trails, clock)
    trails.note("kit7", [LinkState(f"link-{number}") for number in range(link_trails.EACH + 5)])
    trails.sample()
    trails.save()
    assert len(await trails.trails("kit7")) == link_trails.EACH
    await advance(2 * 86400.0)
    trails.prune()
    await store.db.write(lambda _conn: None)
    assert await store.link_trails.since("kit7", 0) == []
    store.close()
