"""Events of a kit's outbox by a broker: a center gets what it may see."""

from __future__ import annotations

from adapters.mqtt.kit import KitSession, KitSetting
from gateway.model.forward import ForwardFile
from tests.unit.mqtt.rig import Facts, Side, event, setting, stage, until


async def test_a_center_gets_what_lies_in_its_scope() -> None:
    async with stage("kit7") as s:
        side = Side()
        made = KitSetting(setting(s.broker.address("kit7")), 1.0, 4, 1024)
        scopes = {"center1": "kit7/ball-1"}
        session = KitSession(Facts("kit7"), {"center1": side}, made, scopes=scopes)
        mine = event("mine", body='{"device": "kit7/ball-1", "channel": "ch1"}')
        result = event("result", body='{"id": "o-1", "outcome": "done"}')
        others = [event(f"other-{n}", body='{"device": "kit7/ball-10"}') for n in range(20)]
        side.put(*others, mine, result)
        file = ForwardFile("01JABCDEFGHJKMNPQRSTVWXYZ1", "a", "image/jpeg", 3, "ab" * 32, device="kit7/ball-10")
        side.put_file(file, b"xyz")
        s.run(session.run())
        await until(lambda: not side.rows and side.done, "all go")
        assert sorted(id_ for _, id_ in s.inbox.events) == ["mine", "result"]
        assert session.figures.events_sent == 2 and not s.inbox.files and side.done == [file.id]
