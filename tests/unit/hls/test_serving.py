"""Links with tickets: whose rights count when they are used."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.hls.config import HlsConfig
from adapters.hls.serving import Serving
from adapters.hls.tickets import Tickets
from gateway.base.errors import Denied, NotFound
from gateway.contract.http import HttpRequest
from gateway.model.ids import StreamId
from gateway.model.principal import Principal, Role
from tests.unit.core.house import ADMIN, House, housed


class PushPoints:
    def __init__(self) -> None:
        self.gone = False
        self.asked: list[tuple[str, str, str]] = []

    def reading(self, name: str, who: Principal) -> str:
        self.asked.append((name, who.name, who.scope))
        if self.gone:
            raise Denied("there is no program wall", code="program-unknown")
        return name


def asked(ticket: str, file: str) -> HttpRequest:
    return HttpRequest(
        method="GET",
        path={"ticket": ticket, "file": file},
        headers={},
        body=b"",
        who=Principal("-", Role.INFORMANT, "", scope="-", address="10.0.0.9"),
        base_url="https://kit",
        query={},
    )


@housed
async def test_the_links_of_a_person_end_when_the_person_is_removed(house: House) -> None:
    accounts = house.core.accounts
    await accounts.add(ADMIN, name="vera2", role=Role.VIEWER, scope="", password="correct horse")
    who = accounts.verify((await accounts.sign_in("vera2", "correct horse", "10.0.0.9")).token)
    assert who is not None
    outputs: Any = SimpleNamespace(find=lambda _stream: None)
    context: Any = SimpleNamespace(push_points=PushPoints(), grants=house.core.grants)
    serving = Serving(HlsConfig(), context, outputs, Tickets(b"k" * 32))
    ticket = serving._ticket(who, StreamId("kit1/gate/main"))
    with pytest.raises(NotFound):
        await serving.file(asked(ticket, "seg-1.m4s"))
    await accounts.remove(ADMIN, "vera2")
    for file in ("index.m3u8", "media.m3u8", "init-1.mp4", "seg-1.m4s", "part-1-1.m4s"):
        with pytest.raises(Denied) as refused:
            await serving.file(asked(ticket, file))
        assert refused.value.code == "link-revoked"


async def test_a_program_that_is_gone_has_no_links_any_more() -> None:
    points, tickets = PushPoints(), Tickets(b"k" * 32)
    outputs: Any = SimpleNamespace(find=lambda _stream: None)
    grants = SimpleNamespace(granted=lambda grant, scope, _: Principal(grant, Role.VIEWER, "link", scope))
    context: Any = SimpleNamespace(push_points=points, grants=grants)
    serving = Serving(HlsConfig(), context, outputs, tickets)
    ticket = tickets.make("program:wall", "kit1/gate/main", time.time() + 60)
    request = asked(ticket, "seg-1.m4s")
    with pytest.raises(NotFound):
        await serving.file(request)
    assert points.asked == [("kit1/gate/main", "program:wall", "kit1/gate/main")]
    points.gone = True
    with pytest.raises(Denied) as refused:
        await serving.file(request)
    assert refused.value.code == "program-unknown"
