"""Talk groups with members and the media plane in memory: who is heard by whom, and what is told."""

from __future__ import annotations

from gateway.model.voice import FloorState
from tests.unit.core.house import House, housed
from tests.unit.core.talkers import OPS, member, seated


@housed
async def test_the_holder_is_heard_by_the_others_at_once(house: House) -> None:
    async with seated(house, "sip:1") as one, seated(house, "sip:2") as two, seated(house, "sip:3") as three:
        assert house.engine.hears(two.voice) == set()
        one.seat.press()
        # No turn of the loop lies between the key and the route.
        assert house.engine.hears(two.voice) == house.engine.hears(three.voice) == {one.voice}
        assert house.engine.hears(one.voice) == set()
        status = house.core.talk.status(OPS)
        assert (status.floor.state, status.floor.holder) == (FloorState.TAKEN, "sip:1")
        assert member(house, "sip:1").talking
        one.seat.release()
        assert house.engine.hears(two.voice) == set()
        assert one.said == ["granted", "released"] and two.said == []
