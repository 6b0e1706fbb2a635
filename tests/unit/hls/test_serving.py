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
from gateway.model.principal import Principal, Role


class PushPoints:
    def __init__(self) -> None:
        self.gone = False
        self.asked: list[tuple[str, str, str]] = []

    def reading(self, name: str, who: Principal) -> str:
        self.asked.append((name, who.name, who.scope))
        if self.gone:
            raise Denied("there is no program wall", code="program-unknown")
        return name


async def test_a_program_that_is_gone_has_no_links_any_more() -> None:
    points, tickets = PushPoints(), Tickets(b"k" * 32)
    outputs: Any = SimpleNamespace(find=lambda _stream: None)
    context: Any = SimpleNamespace(push_points=points)
    serving = Serving(HlsConfig(), context, outputs, tickets)
    ticket = tickets.make("program:wall", "kit1/gate/main", time.time() + 60)
    request = HttpRequest(
        method="GET",
        path={"ticket": ticket, "file": "seg-1.m4s"},
        headers={},
        body=b"",
        who=Principal("-", Role.INFORMANT, "", scope="-", address="10.0.0.9"),
        base_url="https://kit",
        query={},
    )
    with pytest.raises(NotFound):
        await serving.file(request)
    assert points.asked == [("kit1/gate/main", "program:wall", "kit1/gate/main")]
    points.gone = True
    with pytest.raises(Denied) as refused:
        await serving.file(request)
    assert refused.value.code == "program-unknown"
