"""Who spoke when: kept, read page by page, bounded by age and number."""

from __future__ import annotations

from pathlib import Path

from gateway.model.voice import GroupId, MemberKind, Priority, Spurt
from gateway.store.store import Store

OPS, FIRE = GroupId("kit1/talk/ops"), GroupId("kit1/talk/fire")


def spurt(number: int, group: GroupId = OPS) -> Spurt:
    began = 1000.0 + number
    return Spurt(
        f"S{number:04}{group[-1]}",
        group,
        "sip:1",
        MemberKind.SIP,
        "Gate",
        Priority.HIGH,
        number % 2 == 0,
        began,
        began + 0.5,
        "release",
    )


async def test_kept_read_in_pages_and_pruned(tmp_path: Path) -> None:
    store = Store(tmp_path, b"k")
    try:
        for number in range(10):
            store.spurts.put(spurt(number))
            store.spurts.put(spurt(number, FIRE))
        await store.db.write(lambda conn: None)
        newest = await store.spurts.recent(OPS, limit=4)
        assert list(newest) == [spurt(9), spurt(8), spurt(7), spurt(6)]
        older = await store.spurts.recent(OPS, before=newest[-1].began, limit=100)
        assert [one.began for one in older] == [1005.0, 1004.0, 1003.0, 1002.0, 1001.0, 1000.0]
        store.spurts.prune(1005.0)
        await store.db.write(lambda conn: None)
        assert len(await store.spurts.recent(OPS)) == 5
        store.spurts.prune(0.0, most=3)
        await store.db.write(lambda conn: None)
        left = [*await store.spurts.recent(OPS), *await store.spurts.recent(FIRE)]
        assert len(left) == 3 and min(one.began for one in left) >= 1008.0
    finally:
        store.close()
    again = Store(tmp_path, b"k")
    assert len(await again.spurts.recent(OPS)) + len(await again.spurts.recent(FIRE)) == 3
    again.close()
