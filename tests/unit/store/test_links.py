"""What passed by links is kept over a restart."""

from __future__ import annotations

from pathlib import Path

from gateway.store.store import Store


def test_kept_over_a_restart(tmp_path: Path) -> None:
    store = Store(tmp_path, b"audit")
    assert store.link_use.all() == {}
    store.link_use.put([("modem1", "2026-11-01", 5), ("wire", "2026-11-01", 7)])
    store.link_use.put([("modem1", "2026-12-01", 1)])
    store.close()
    store = Store(tmp_path, b"audit")
    assert store.link_use.all() == {"modem1": ("2026-12-01", 1), "wire": ("2026-11-01", 7)}
    store.close()
