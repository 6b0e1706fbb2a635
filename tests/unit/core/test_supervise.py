"""One adapter's life."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from gateway.base.errors import ConfigError, LinkDown
from gateway.core.facts import AdapterStatus
from gateway.supervise import Supervised
from tests.fakes.loop import advance, by_hand, settle
from tests.unit.core.house import hand_clock


class Script:
    """An adapter that does what it is told, once a run."""

    def __init__(self, *does: Exception | str) -> None:
        self.does = list(does)
        self.runs: list[float] = []
        self.cleaned = 0

    def make(self, ready: Callable[[], None]) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            self.runs.append(asyncio.get_running_loop().time())
            what = self.does.pop(0) if self.does else "stay"
            try:
                if isinstance(what, Exception):
                    raise what
                ready()
                await asyncio.get_running_loop().create_future()
            finally:
                self.cleaned += 1

        return run


@by_hand
async def test_a_link_down_restarts_it_with_growing_waits() -> None:
    script, told = Script(*[LinkDown("no route")] * 5), list[AdapterStatus]()
    one = Supervised("balls", "gb28181", script.make, hand_clock(), told.append)
    one.start()
    await one.settled()
    assert (one.status.state, one.status.code) == ("waiting", "link-down") and one.status.retry_in_s is not None
    await advance(60)
    waits = [b - a for a, b in zip(script.runs, script.runs[1:], strict=False)]
    assert len(waits) == 5 and all(0.8 * 0.5 * 2**n <= wait <= 1.2 * 0.5 * 2**n for n, wait in enumerate(waits))
    assert one.status.state == "running" and one.status.restarts == 5
    await one.stop()
    assert one.status.state == "stopped" and script.cleaned == 6


@by_hand
async def test_a_wrong_configuration_stops_it_and_names_the_key() -> None:
    script = Script(ConfigError("listen", "5060 is no address"))
    one = Supervised("balls", "gb28181", script.make, hand_clock())
    one.start()
    await one.settled()
    await advance(120)
    assert len(script.runs) == 1 and (one.status.state, one.status.code) == ("failed", "config")
    assert one.status.detail == "adapter.balls.listen: 5060 is no address"
    one.start()
    await one.settled()
    assert one.status.state == "running", "it may be started again with another configuration"
    await one.stop()


@by_hand
async def test_a_port_that_is_taken_is_waited_for_and_stays_told_meanwhile() -> None:
    script, told = Script(*[ConfigError("listen", "port 5060 is taken", code="port-in-use")] * 3), list[AdapterStatus]()
    one = Supervised("balls", "gb28181", script.make, hand_clock(), told.append)
    one.start()
    await one.settled()
    assert (one.status.state, one.status.code) == ("waiting", "port-in-use")
    assert one.status.detail == "adapter.balls.listen: port 5060 is taken"
    await advance(60)
    assert (one.status.state, one.status.code) == ("running", "") and len(script.runs) == 4
    assert {status.code for status in told if status.state != "running"} == {"", "port-in-use"}
    assert [status.code for status in told].count("") == 2, "the first start, and that it runs"
    await one.stop()


@by_hand
async def test_the_api_does_not_wait_for_a_port() -> None:
    script = Script(ConfigError("api.port", "taken", code="port-in-use"))
    one = Supervised("api", "api", script.make, hand_clock(), patient=False)
    one.start()
    await one.settled()
    await advance(120)
    assert len(script.runs) == 1 and one.status.state == "failed"


@by_hand
async def test_what_it_runs_without_stands_beside_its_state() -> None:
    one = Supervised("rtsp", "rtsp", Script().make, hand_clock())
    one.lacking(
        ConfigError("listen", "taken", code="port-in-use"), ConfigError("listen_tls", "none", code="tls-failed")
    )
    assert (one.status.state, one.status.code) == ("starting", "")
    one.start()
    await one.settled()
    assert (one.status.state, one.status.code) == ("running", ""), "a new run begins with nothing said"
    one.lacking(
        ConfigError("listen", "taken", code="port-in-use"), ConfigError("listen_tls", "none", code="tls-failed")
    )
    assert (one.status.state, one.status.code) == ("running", "port-in-use")
    assert one.status.detail == "adapter.rtsp.listen: taken; adapter.rtsp.listen_tls: none"
    one.lacking()
    assert (one.status.state, one.status.code, one.status.detail) == ("running", "", "")
    await one.stop()


@by_hand
async def test_a_part_that_is_missing_when_it_is_first_needed_stops_it_with_a_reason() -> None:
    script = Script(ModuleNotFoundError("No module named 'aiomqtt'", name="aiomqtt"))
    one = Supervised("mqtt", "mqtt", script.make, hand_clock())
    one.start()
    await one.settled()
    await advance(120)
    assert len(script.runs) == 1 and (one.status.state, one.status.code) == ("failed", "not-installed")
    assert one.status.detail.startswith("aiomqtt is not installed")


@by_hand
async def test_a_mistake_of_ours_restarts_it_too() -> None:
    script = Script(ZeroDivisionError("x"))
    one = Supervised("balls", "gb28181", script.make, hand_clock())
    one.start()
    await advance(1)
    assert one.status.state == "running" and one.status.restarts == 1
    await one.stop()


@by_hand
async def test_one_that_does_not_end_is_left_behind() -> None:
    never = asyncio.Event()

    def make(ready: Callable[[], None]) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            ready()
            try:
                await never.wait()
            except asyncio.CancelledError:
                await never.wait()

        return run

    one = Supervised("balls", "gb28181", make, hand_clock())
    one.start()
    await one.settled()
    stopping = asyncio.create_task(one.stop(2.0))
    await advance(2.1)
    await stopping
    never.set()
    await settle()
