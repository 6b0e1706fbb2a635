"""A WebRTC publisher may be silent for longer than a source that is asked anew."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from gateway.core.publication import SESSION_PATIENCE_S, Attempt
from gateway.model.ids import StreamId


async def test_a_session_is_waited_for_as_long_as_consent_lasts() -> None:
    engine = SimpleNamespace(open_session_in=lambda *given, **more: 7)
    plane: Any = SimpleNamespace(engine=engine, on_leg=lambda *given: None)
    attempt = Attempt(
        plane, StreamId("kit1/a/main"), 1, stall_s=3, patience_s=10, said=lambda *_: None, told=lambda _: None
    )
    loop = asyncio.get_running_loop()
    for leg, patience_s in ((attempt.session(1, video=[], audio=[]), SESSION_PATIENCE_S), (attempt.leg(8), 10.0)):
        leg.found_stalled()
        assert leg._patience is not None and abs(leg._patience.when() - loop.time() - patience_s) < 5
        leg.found_frames()
