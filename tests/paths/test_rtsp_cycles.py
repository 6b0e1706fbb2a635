"""Nothing is left of senders and readers that came and went. `python -m tests.paths.test_rtsp_cycles 1000` for more."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.paths.rtsp_cycles import cycles, left
from tests.paths.rtsp_rig import a_rig


async def test_nothing_is_left_of_those_that_came_and_went(tmp_path: Path) -> None:
    async with a_rig(tmp_path) as rig:
        before, after = await cycles(rig, 20)
    assert not left(before, after)


async def _many(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with a_rig(Path(folder)) as rig:
            before, after = await cycles(rig, count)
    print(before, after)
    assert not left(before, after)


if __name__ == "__main__":
    asyncio.run(_many(int(sys.argv[1])))
