"""Whether registered phones are still there: OPTIONS to those over UDP, whose going away nothing else tells.

A phone that was switched off would be rung for as long as its registration lasts. Any answer is life, a refusal too.
The packets also keep the mapping of a NAT between phone and kit open. Phones over TCP and TLS go with their connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from adapters.sip.registrar import Binding, Location
from gateway.base.clock import Clock
from gateway.base.errors import GatewayError, LinkDown
from gateway.net.sip import SipEndpoint
from gateway.wire.sip import Address, SipUri, new_request

AT_ONCE = 16  # OPTIONS under way together: a round of a thousand phones is no burst
PATIENCE_S = 4.0

_Key = tuple[str, str, Address]


class Pulse:
    """A phone that left `misses` OPTIONS in a row unanswered, `every_s` apart, is no longer rung; `gone` hears of it.
    `every_s` 0: nobody is asked."""

    def __init__(
        self,
        endpoint: SipEndpoint,
        location: Location,
        gone: Callable[[Binding, str], None],
        clock: Clock,
        *,
        every_s: float,
        misses: int,
    ) -> None:
        self._endpoint = endpoint
        self._location = location
        self._gone = gone
        self._clock = clock
        self._every_s = every_s
        self._misses = misses
        self._missed: dict[_Key, tuple[float, int]] = {}  # since which REGISTER, and how many

    async def run(self) -> None:
        """Until cancelled."""
        while self._every_s > 0:
            await asyncio.sleep(self._every_s)
            await self.round()

    async def round(self) -> None:
        """Ask each of them once."""
        there = [one for one in self._location.all(self._clock.monotonic()) if one.hop.transport == "udp"]
        known = {_key(one) for one in there}
        self._missed = {key: count for key, count in self._missed.items() if key in known}
        left = iter(there)
        async with asyncio.TaskGroup() as group:
            for _ in range(min(AT_ONCE, len(there))):
                group.create_task(self._ask_all(left), name="SIP phones asked")

    async def _ask_all(self, left: Iterator[Binding]) -> None:
        for one in left:
            if await self._answers(one):
                self._missed.pop(_key(one), None)
            else:
                self._miss(one)

    async def _answers(self, one: Binding) -> bool:
        host = one.hop.local[0]
        us = SipUri(host, "fieldgate")
        try:
            request = new_request("OPTIONS", one.contact, from_=us, hop=one.hop, contact_user=us.user)
            await self._endpoint.request(request, one.hop, timeout=PATIENCE_S)
        except LinkDown:
            return False
        except GatewayError:
            return True  # ours, not the phone's: nothing is known of it
        return True

    def _miss(self, one: Binding) -> None:
        since, count = self._missed.get(_key(one), (one.since, 0))
        count = count + 1 if since == one.since else 1  # a REGISTER in between was a sign of life
        self._missed[_key(one)] = (one.since, count)
        if count >= self._misses and self._location.drop(one):
            del self._missed[_key(one)]
            self._gone(one, f"it left {count} OPTIONS unanswered")


def _key(one: Binding) -> _Key:
    return one.user, one.contact, one.hop.remote
