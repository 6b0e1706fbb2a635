"""Ending a call so that the end is not lost, whatever happens to who ended it."""

from __future__ import annotations

import asyncio

from adapters.gb28181.link import DeviceLink
from adapters.gb28181.protocol.memory import Dialog
from gateway.net.sip import IncomingCall, InviteCall

BYE_WAIT_S = 1.0


async def hang_up(link: DeviceLink, call: InviteCall | IncomingCall, dialog: Dialog | None = None) -> None:
    """BYE (or CANCEL, or a refusal), carried on by the platform's crew, so that being cancelled ourselves does not lose
    it. With `dialog` it is also said where the device has moved to since."""
    if call.end is not None:
        return
    done = asyncio.Event()

    async def bye() -> None:
        try:
            # The endpoint speaks to where the call was made; NAT may have moved the device since.
            moved = link.alive and link.hop is not None and link.hop.remote != call.hop.remote
            if moved and link.hop is not None and dialog is not None:
                await asyncio.gather(call.bye(), link.station.line.end_stale(link.hop, dialog))
            else:
                await call.bye()
        finally:
            done.set()

    if link.station.crew.start(bye(), f"BYE {call.call_id}"):
        try:
            async with asyncio.timeout(BYE_WAIT_S):
                await done.wait()
        except TimeoutError:
            pass
