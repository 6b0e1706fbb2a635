"""`stream.open` warms a picture up for a bounded time; `stream.close` ends what its asker holds."""

from __future__ import annotations

from gateway.core.holds import EACH, MOST_S
from gateway.model.command import Action, Outcome
from gateway.model.ids import StreamId
from gateway.model.media import StreamState
from tests.fakes.loop import advance, settle
from tests.unit.core.house import OPERATOR, OTHER, VIEWER, House, housed
from tests.unit.core.test_commands import order
from tests.unit.core.test_streams import STREAM, Source, goes_live


@housed
async def test_an_order_opens_the_source_and_time_closes_it(house: House) -> None:
    streams, source, commands = house.core.streams, Source(), house.core.commands
    streams.offer(source.offer())
    done = await commands.execute(order(house, VIEWER, Action.STREAM_OPEN, "ball-1", hold_s=20))
    assert (done.outcome, done.data["stream"], done.data["state"]) == (Outcome.DONE, STREAM, "opening")
    await goes_live(house)
    assert source.opened == 1 and streams.status(STREAM).viewers == 1
    async with streams.view(STREAM, OPERATOR, "whep") as viewing:
        assert viewing.status.state is StreamState.LIVE, "warm: there at once"
    await advance(15.0)
    await commands.execute(order(house, VIEWER, Action.STREAM_OPEN, STREAM, hold_s=20))
    await advance(15.0)
    assert streams.status(STREAM).viewers == 1, "renewed, and still one hold"
    await advance(5.1)
    assert streams.status(STREAM).viewers == 0
    await advance(house.config.streams.idle_close + 0.1)
    assert (source.ended, streams.status(STREAM).state) == (1, StreamState.IDLE)


@housed
async def test_close_ends_the_askers_own_hold_only(house: House) -> None:
    streams, commands = house.core.streams, house.core.commands
    streams.offer(Source().offer())
    for who in (OPERATOR, OTHER):
        await commands.execute(order(house, who, Action.STREAM_OPEN, STREAM, hold_s=MOST_S))
    assert streams.status(STREAM).viewers == 2
    for left, ended in ((1, True), (1, False)):
        done = await commands.execute(order(house, OPERATOR, Action.STREAM_CLOSE, STREAM))
        assert (done.outcome, done.data["ended"]) == (Outcome.DONE, ended)
        assert streams.status(STREAM).viewers == left
    await house.core.holds.close_all()
    await settle()
    assert streams.status(STREAM).viewers == 0


@housed
async def test_holds_are_bounded_in_time_and_number(house: House) -> None:
    commands = house.core.commands
    for number in range(EACH + 1):
        house.core.streams.offer(Source().offer(StreamId(f"kit1/ball-1/ch{number}")))
    for hold_s in (0, -1, MOST_S + 1, "long"):
        wrong = await commands.execute(order(house, VIEWER, Action.STREAM_OPEN, STREAM, hold_s=hold_s))
        assert (wrong.outcome, wrong.code) == (Outcome.FAILED, "bad-request")
    for number in range(EACH):
        done = await commands.execute(order(house, VIEWER, Action.STREAM_OPEN, f"kit1/ball-1/ch{number}"))
        assert done.outcome is Outcome.DONE
    full = await commands.execute(order(house, VIEWER, Action.STREAM_OPEN, f"kit1/ball-1/ch{EACH}"))
    assert (full.outcome, full.code) == (Outcome.REFUSED, "too-many")
    other = await commands.execute(order(house, OPERATOR, Action.STREAM_OPEN, f"kit1/ball-1/ch{EACH}"))
    assert other.outcome is Outcome.DONE
    unknown = await commands.execute(order(house, VIEWER, Action.STREAM_OPEN, "ball-7"))
    assert (unknown.outcome, unknown.code) == (Outcome.REFUSED, "not-found")
