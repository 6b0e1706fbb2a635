"""When the team's word is looked for: after what may change it, and now and then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

from gateway.model.kit_state import FieldWord
from tests.unit.core.house import a_house, advance, by_hand


@by_hand
async def test_at_rest_the_word_is_looked_for_now_and_then_and_at_once_when_something_happens(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        core, looked = house.core, list[float]()
        core.field.started = lambda: True
        core.links.view = tuple  # type: ignore[method-assign]  # of the machine of the tests
        core.watch._alive.clear()  # its thread does not live by the time of the tests
        look, loop = core.field.look, asyncio.get_running_loop()
        core.field.look = lambda: (looked.append(loop.time()), look())[0]  # type: ignore[method-assign,assign]
        await advance(30.0)
        assert core.field.state.word is FieldWord.TECHNICIAN
        looked.clear()
        await advance(30.0)
        assert len(looked) == 6, "nothing happens and nothing waits to have lasted"

        async def within_a_second(what: str, happens: Callable[[], object]) -> None:
            await advance(30.0)
            looked.clear()
            happened = loop.time()
            happens()
            await advance(1.1)
            assert looked and looked[0] < happened + 1.01, what

        # Of what the rule looks at.
        for type_ in ("links", "kit", "device", "adapter", "condition", "notice", "text-carrier"):
            await within_a_second(type_, partial(core.bus.publish, type_, "kit1", None))
        await within_a_second("a link", core.links._tell)
        await within_a_second("a part of the daemon", lambda: core.watch._stands("media", "internal"))
        await within_a_second("a broker", lambda: core.standing.held("mqtt", True))
        await within_a_second("a pairing", lambda: [called() for called in core.pairings._listeners])
        # A link that went: it waits to have lasted, and is told in the time that the rule gives it.
        core.watch._stands("media", "")
        await advance(30.0)
        core.standing.held("mqtt", False)
        await advance(4.1)
        assert core.field.state.word is FieldWord.TECHNICIAN
