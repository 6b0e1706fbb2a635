"""Bearers among the links."""

from __future__ import annotations

import pytest

from gateway.base.errors import Busy, LocalProtocolError
from gateway.core.links import Links
from gateway.core.messages import Bus
from gateway.model.link import BearerFacts, BearerKind, LinkPhase, Recovery
from tests.fakes.loop import by_hand
from tests.unit.core.house import hand_clock


@by_hand
async def test_a_bearer_is_shown_as_its_adapter_tells_it_and_stays_when_the_adapter_ends() -> None:
    bus = Bus()
    links = Links("kit1", bus, hand_clock())
    changes: list[int] = []
    stop = links.on_change(lambda: changes.append(bus.cursor))
    with links.offer("modem1", BearerKind.LTE) as seat:
        assert links.view()[0].phase is LinkPhase.CONNECTING
        told = BearerFacts(
            LinkPhase.UP, interface="wwan0", device="EG25", recoveries=(Recovery("reopen", 2),), metered=True
        )
        seat.tell(told)
        seat.tell(told)
        (link,) = links.view()
        assert (link.interface, link.usable, link.metered, link.device) == ("wwan0", True, True, "EG25")
        assert len(changes) == 2, "what is told again unchanged is no news"
        with pytest.raises(Busy), links.offer("modem1", BearerKind.NR):
            pass
    (link,) = links.view()
    assert (link.phase, link.code, link.interface, link.usable) == (LinkPhase.ABSENT, "link-untended", "", False)
    assert link.recoveries == (Recovery("reopen", 2),)
    seat.tell(told)
    assert links.view()[0].phase is LinkPhase.ABSENT, "a seat that was given back says nothing any more"
    stop()
    with links.offer("modem1", BearerKind.LTE):
        assert links.view()[0].phase is LinkPhase.CONNECTING
    assert len(changes) == 3
    with pytest.raises(LocalProtocolError), links.offer("not a slug", BearerKind.LTE):
        pass
