"""The ball's line to its platform: REGISTER with digest, refresh, keepalive, MESSAGEs out.

GB/T 28181-2022 §9.1 and §9.6. Raises LinkDown when the platform is silent and PeerError when it refuses; the ball
decides what to do then.
"""

from __future__ import annotations

import asyncio
import itertools

from gateway.base.errors import LinkDown, PeerError
from gateway.net.sip import SipEndpoint
from gateway.sim import messages
from gateway.sim.nat import Nat
from gateway.sim.profile import GB_VERSIONS, Profile
from gateway.wire.digest import DigestClient
from gateway.wire.sip import Hop, SipRequest, SipResponse, new_call_id, new_request

MISSES = 3  # keepalives unanswered before the platform counts as gone


class Line:
    """Belongs to one life of a ball: made with its endpoint, gone with it."""

    def __init__(self, profile: Profile, endpoint: SipEndpoint, nat: Nat | None) -> None:
        self.profile, self.endpoint, self.nat = profile, endpoint, nat
        wrong = "x" if "wrong-password" in profile.faults else ""
        self._auth = DigestClient(profile.wire_id, profile.password + wrong)
        self._call_id = ""
        self._cseq = 0
        self._sn = itertools.count(1)
        self.hop: Hop | None = None
        self.registered = asyncio.Event()
        self._dropped = asyncio.Event()
        endpoint.on_flow_closed(self._on_flow_closed)

    def next_sn(self) -> int:
        return next(self._sn)

    async def way(self) -> Hop:
        """The hop to the platform; a broken TCP connection is made anew."""
        server = self.nat.inner if self.nat is not None else self.profile.server
        self.hop = await self.endpoint.hop_to("tcp" if self.profile.transport == "tcp" else "udp", server)
        return self.hop

    def _on_flow_closed(self, hop: Hop, why: str) -> None:
        if hop == self.hop:
            self._dropped.set()

    async def register(self, *, fresh: bool) -> None:
        """Register or refresh; `fresh` takes a new Call-ID, as a device does that lost its registration."""
        if fresh or not self._call_id:
            self._call_id, self._cseq = new_call_id(), 0
        self._dropped.clear()
        await self._register(self.profile.expires_s)
        self.registered.set()

    async def unregister(self) -> None:
        """Expires 0."""
        if self.registered.is_set():
            self.registered.clear()
            await self._register(0)

    async def _register(self, expires_s: int) -> None:
        hop = await self.way()
        headers = [("Expires", str(expires_s))]
        if self.profile.version == "2022":
            headers.append(("X-GB-Ver", GB_VERSIONS[self.profile.version]))
        request = self._request("REGISTER", hop, headers=headers, registering=True)
        self._cseq += 2  # the answer to the challenge takes a number too
        response = await self.endpoint.request(request, hop, timeout=self.profile.answer_s, auth=self._auth)
        if not response.ok:
            raise PeerError(f"REGISTER was answered {response}", status=response.status)

    def _request(
        self, method: str, hop: Hop, *, headers: list[tuple[str, str]], registering: bool = False, body: bytes = b""
    ) -> SipRequest:
        profile = self.profile
        own = f"sip:{profile.wire_id}@{profile.domain}"
        platform = f"sip:{profile.server_id}@{profile.domain}"
        return new_request(
            method,
            platform,
            from_=own,
            to=own if registering else platform,
            hop=hop,
            contact_user=profile.wire_id if registering else None,
            call_id=self._call_id if registering else None,
            cseq=self._cseq + 1 if registering else 20,
            headers=headers,
            body=body,
            content_type=messages.CONTENT_TYPE if body else None,
        )

    async def say(self, text: str) -> SipResponse:
        """Send one MANSCDP text as a MESSAGE; any final answer."""
        hop = await self.way()
        body = messages.encode(text, lies="xml-lies" in self.profile.faults)
        request = self._request("MESSAGE", hop, headers=[], body=body)
        return await self.endpoint.request(request, hop, timeout=self.profile.answer_s, auth=self._auth)

    async def keep_alive(self) -> None:
        """Keepalives and refreshes until the platform is gone (LinkDown) or knows us no more (PeerError)."""
        loop = asyncio.get_running_loop()
        refresh_at = loop.time() + self.profile.expires_s * 0.8
        missed = 0
        while True:
            await self._pause(self.profile.keepalive_s)
            if loop.time() >= refresh_at:
                await self.register(fresh=False)
                refresh_at = loop.time() + self.profile.expires_s * 0.8
            if self.nat is not None and "garbage-sip" in self.profile.faults:
                self.nat.junk()
            try:
                response = await self.say(messages.keepalive(self.next_sn(), self.profile.wire_id))
            except LinkDown:
                missed += 1
                if missed >= MISSES:
                    raise
                continue
            missed = 0
            if response.status in (401, 403, 404, 481):
                raise PeerError(f"the platform answered a keepalive {response}", status=response.status)

    async def _pause(self, seconds: float) -> None:
        """Sleep, unless the TCP connection breaks: then the registration is void (§9.1.1 f)."""
        try:
            async with asyncio.timeout(seconds):
                await self._dropped.wait()
        except TimeoutError:
            return
        raise LinkDown("the connection to the platform broke")
