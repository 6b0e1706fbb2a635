"""The rig of calls as a fixture."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from adapters.sip.calls import CallLimits, CallManager
from tests.unit.sip.calls_rig import Rig, left_over
from tests.unit.sip.fake_legs import FakeSip
from tests.unit.sip.fakes import (
    FakeContext,
    FakeRouting,
    media_plane,
)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    with media_plane() as (engine, plane):
        context = FakeContext(engine, plane)
        routing, sip = FakeRouting(), FakeSip(engine)
        manager = CallManager(
            cast(Any, context), routing, cast(Any, sip), native=cast(Any, sip), limits=CallLimits(max_calls=300)
        )
        async with manager:
            yield Rig(engine, context, routing, sip, manager)
        assert context.calls.dial is None
        left_over(Rig(engine, context, routing, sip, manager))
