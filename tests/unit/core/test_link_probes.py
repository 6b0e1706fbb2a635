"""What is asked by a link: one target at rest, all of them in doubt."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gateway.base.clock import Clock
from gateway.config.links import Links as LinksConfig
from gateway.config.links import LinkSection
from gateway.core.link_judge import Standing
from gateway.core.link_probes import LinkProbes
from gateway.core.links import Links
from gateway.core.messages import Bus
from gateway.net.links import echo
from tests.unit.core.test_link_watch import LO, free_port, until


class Rig:
    """The loopback as a link, time by hand."""

    def __init__(self, *probe: str, metered: bool = False) -> None:
        self.now = 100.0
        self.config = LinksConfig(probe=list(probe))
        clock = Clock(lambda: self.now)
        said = {"lo": LinkSection(metered=metered)}
        self.links = Links("kit1", Bus(), clock, lambda: self.config, lambda: said)
        self.probes = LinkProbes(clock, lambda: self.config)
        self.links.found([LO])
        self.entry = self.links.entries["lo"]

    async def run(self, seconds: float) -> None:
        """Answers of the loopback are read as they come."""
        end = self.now + seconds
        while self.now < end:
            self.now += 0.1
            self.probes.tend(self.entry, self.now)
            await asyncio.sleep(0.002)
            self.links.update()


@pytest.fixture
def ports() -> tuple[int, int]:
    return free_port(), free_port()


async def test_a_target_that_is_silent_gives_way_to_the_next_and_the_link_stays(ports: tuple[int, int]) -> None:
    shut, port = ports
    rig = Rig(f"udp://127.0.0.1:{shut}", f"udp://127.0.0.1:{port}")
    stop_first, stop = echo.serve("127.0.0.1", shut), echo.serve("127.0.0.1", port)
    await rig.run(3)
    assert rig.entry.judge.standing is Standing.GOOD and rig.entry.probe.endswith(f":{shut}")
    stop_first()
    await rig.run(5)
    assert rig.entry.judge.standing is Standing.GOOD and rig.entry.judge.downs == 0
    assert rig.entry.probe.endswith(f":{port}") and rig.entry.heard_of
    stop()
    await rig.run(3)
    assert rig.entry.judge.standing is Standing.BAD
    rig.probes.close()
    assert len(rig.probes) == 0


async def test_addresses_need_no_resolving_and_names_that_are_new_are_found_soon(ports: tuple[int, int]) -> None:
    rig = Rig(f"udp://127.0.0.1:{ports[1]}")
    stop = echo.serve("127.0.0.1", ports[1])
    await rig.run(1)
    assert rig.entry.judge.standing is Standing.GOOD
    resolving = asyncio.create_task(rig.probes.resolve(lambda: set(rig.config.probe)))
    rig.config = LinksConfig(probe=[f"udp://localhost:{ports[1]}"])
    await until(lambda: rig.probes._targets(rig.entry))
    resolving.cancel()
    await asyncio.gather(resolving, return_exceptions=True)
    stop()
    rig.probes.close()


async def test_a_link_that_was_forgotten_and_is_new_is_asked_anew(ports: tuple[int, int]) -> None:
    rig = Rig(f"udp://127.0.0.1:{ports[1]}")
    stop = echo.serve("127.0.0.1", ports[1])
    await rig.run(1)
    rig.links._drop("lo")
    rig.links.found([replace(LO)])
    rig.entry = rig.links.entries["lo"]
    await rig.run(1)
    assert rig.entry.judge.standing is Standing.GOOD, "answers go to the one that stands now"
    rig.links.found([replace(LO, out4=False)])
    rig.probes.tend(rig.entry, rig.now)
    assert rig.entry.probe == "" and len(rig.probes) == 0
    stop()


async def test_what_is_due_is_never_past() -> None:
    rig = Rig("udp://127.0.0.1:9", metered=True)
    for _ in range(300):
        rig.now += 0.2
        rig.probes.tend(rig.entry, rig.now)
        rig.links.update()
        assert rig.probes.due(rig.now) > rig.now
    assert rig.entry.judge.standing is Standing.BAD
    rig.probes.close()
