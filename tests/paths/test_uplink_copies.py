"""However many watch at the center, a picture goes up once: counted in viewers, flows, and bytes on the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import pytest

from tests.paths.uplink_rig import STREAM, County, Viewer, county
from tests.peers.stage import Ports, ports
from tests.unit.webrtc.client import only_loopback

ENOUGH = 60


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Ports, Ports]]:
    only_loopback(monkeypatch)
    with ExitStack() as stack:
        yield stack.enter_context(ports()), stack.enter_context(ports())


def flows_out(made: County) -> list[str]:
    """Flows that go out of the kit."""
    (bundle,) = (call._handle for _, call, _ in made.kit.uplink._calls.values())
    stats = made.kit.core.plane.engine.bundle_stats(bundle)
    return [name for name in stats if name.startswith("out.") and name.endswith(".units")]


@pytest.mark.long
async def test_three_viewers_cost_the_links_one(tmp_path: Path, free: tuple[Ports, Ports]) -> None:
    # By one link alone and without a second copy of anything: what passes there is what is sent.
    async with county(tmp_path, *free, kit='fallback = false\nmode = "best"\n', links=1) as made:
        await made.here()
        async with made.center.person() as anna, AsyncExitStack() as stack:
            viewers = [await stack.enter_async_context(made.viewer(anna))]
            one = await _bytes_a_picture(made, viewers)
            viewers += [await stack.enter_async_context(made.viewer(anna)) for _ in range(2)]
            three = await _bytes_a_picture(made, viewers)
            (status,) = [row for row in made.kit.core.streams.all() if row.id == STREAM]
            assert status.viewers == 1, "the kit has one viewer: the center"
            assert len(flows_out(made)) == 1
            assert 0 < three < 1.5 * one, "three copies would be three times as much"


async def _bytes_a_picture(made: County, viewers: list[Viewer]) -> float:
    """Towards the center, while everybody sees."""
    for viewer in viewers:
        await viewer.sees(20)
    before, shown = made.net.carried, [viewer.pictures for viewer in viewers]
    for viewer in viewers:
        await viewer.sees(ENOUGH)
    return (made.net.carried - before) / max(
        viewer.pictures - seen for viewer, seen in zip(viewers, shown, strict=True)
    )
