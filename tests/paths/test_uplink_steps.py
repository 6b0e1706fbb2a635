"""Links thin out to almost nothing, over the real bundle with real conversions: every step of a picture down to stills,
each shown and said at the center, and back by itself. What the links carry is told to the kit's ladder here; that it is
found out is `codecs/tests/bundle_links.rs`'s to show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.uplink import ladder
from adapters.uplink.figures import LinkFigures, Look, Stats
from adapters.uplink.giving import Giving
from gateway.model.kit import KitState
from gateway.model.principal import SYSTEM
from tests.paths.uplink_rig import STREAM, County, county, until
from tests.peers.stage import Ports, ports
from tests.unit.webrtc.client import only_loopback

PATIENCE_S = 60.0


class Links:
    """`press` is for one look: more was wanted than passed."""

    bps, press = 100e6, False


@pytest.fixture
def links(monkeypatch: pytest.MonkeyPatch) -> Links:
    told, real = Links(), LinkFigures.look

    def look(self: LinkFigures, stats: Stats, seconds: float) -> Look:
        pressed, told.press = told.press, False
        return replace(real(self, stats, seconds), usable_bps=told.bps, beside_bps=0.0, pressed=pressed)

    async def unmeasured(_self: Giving, _seconds: float) -> None:
        """The ball's picture is small enough for most steps: the ladder shall not know."""

    monkeypatch.setattr(LinkFigures, "look", look)
    monkeypatch.setattr(Giving, "measure", unmeasured)
    monkeypatch.setattr(ladder, "PRESSED_S", 0.0)
    monkeypatch.setattr(ladder, "WAIT_S", 3600.0)
    return told


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Ports, Ports]]:
    only_loopback(monkeypatch)
    with ExitStack() as stack:
        yield stack.enter_context(ports()), stack.enter_context(ports())


def flows(made: County) -> list[str]:
    """The classes of the pictures' flows that go out of the kit."""
    (bundle,) = (call._handle for _, call, _ in made.kit.uplink._calls.values())
    stats: Mapping[str, object] = made.kit.core.plane.engine.bundle_stats(bundle)
    return [str(value) for name, value in stats.items() if name.startswith("out.") and name.endswith(".class")]


@pytest.mark.long
async def test_every_step_down_to_stills_and_back(
    tmp_path: Path, free: tuple[Ports, Ports], links: Links, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with county(tmp_path, *free) as made:
        await made.here()
        async with made.center.person() as anna, made.viewer(anna) as viewer:
            await viewer.sees(20)
            for bps, code, klass, pictures in (
                (450e3, "link-low", "video", 10),
                (100e3, "link-pictures", "video", 3),
                (20e3, "link-stills", "still", 2),
            ):
                links.bps, links.press = bps, True
                await until(f"{code} is said", lambda code=code: made.state() == ("live", code), PATIENCE_S)
                await until("the one before is let go", lambda klass=klass: flows(made) == [klass], PATIENCE_S)
                await viewer.sees(pictures, PATIENCE_S)
                kit = made.center.core.fleet.kit(SYSTEM, "kit7")
                assert kit.state is KitState.DEGRADED
                assert [(one.stream, one.code) for one in kit.gave_up] == [(STREAM, code)]
            links.bps = 100e6
            monkeypatch.setattr(ladder, "WAIT_S", 0.2)
            await until("it is whole again", lambda: made.state() == ("live", ""), PATIENCE_S)
            await viewer.sees(20, PATIENCE_S)
            await until("nothing is given up", lambda: not made.center.core.fleet.kit(SYSTEM, "kit7").gave_up)
            assert not viewer.client.ended.is_set(), "one session of the viewer all the time"
