"""A kit's conversation with its center on asyncio: what the far side says went wrong."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import Any

import pytest

from adapters.uplink.line import Line
from gateway.base.errors import GatewayError, PeerError


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("ptz-held", "ptz-held"),
        ("unauthenticated", "peer-refused"),
        ("csrf", "peer-refused"),
        ("x" * 60, "peer-refused"),
    ],
)
async def test_the_far_sides_reason_is_about_itself(said: str, heard: str) -> None:
    """A kit that says `unauthenticated` would sign out whoever asked at the center."""

    async def refuse(_args: Mapping[str, Any]) -> None:
        raise GatewayError("not so", code=said)

    one, other = socket.socketpair()
    lines = [Line("kit7", one), Line("county", other)]
    lines[1].serve("do", refuse)
    running = [asyncio.create_task(line.run()) for line in lines]
    try:
        with pytest.raises(PeerError) as failed:
            await lines[0].ask("do")
        assert failed.value.code == heard
        assert str(failed.value) == ("not so" if said == heard else f"{said}: not so")
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
