"""Our end of the SIP line: the requests a platform sends, with our id, and the answers turned into errors."""

from __future__ import annotations

from typing import Literal

from adapters.gb28181.protocol import orders
from adapters.gb28181.protocol.memory import Dialog
from gateway.base.errors import LinkDown, PeerError, RemoteProtocolError
from gateway.net.sip import IncomingCall, InviteCall, SipEndpoint, Subscription
from gateway.net.sip.endpoint import RequestHandler
from gateway.wire.sip import Hop, NameAddr, SipResponse, SipUri, new_request, peer_uri

MESSAGE_TIMEOUT_S = 5.0
BYE_TIMEOUT_S = 2.0
SPARE_CSEQ = 1000


class Line:
    """Who we are, and the endpoint that speaks for us. From is `sip:<our id>@<our domain>` in every request."""

    def __init__(self, endpoint: SipEndpoint, platform: str, domain: str) -> None:
        self.endpoint = endpoint
        self.platform = platform
        self._from = f"sip:{platform}@{domain}"

    async def hop_to(self, transport: Literal["udp", "tcp"], host: str, port: int, local: str) -> Hop:
        """A way to where a device was before our restart. Raises LinkDown."""
        bound = next((b for b in self.endpoint.bound if b.transport == "udp"), None)
        # A local address that this machine has no more (another network now) is found anew by routing.
        if transport == "udp" and local and bound is not None:
            try:
                return await self.endpoint.hop_to(transport, (host, port), local=(local, bound.port))
            except LinkDown:
                pass
        return await self.endpoint.hop_to(transport, (host, port))

    async def message(self, hop: Hop, user: str, body: bytes, *, timeout: float = MESSAGE_TIMEOUT_S) -> None:
        """A MESSAGE, taken by the device. Raises PeerError(status) when it refused, LinkDown without answer."""
        request = new_request(
            "MESSAGE", peer_uri(user, hop), from_=self._from, hop=hop, body=body, content_type=orders.CONTENT_TYPE
        )
        answer = await self.endpoint.request(request, hop, timeout=timeout)
        refuse(answer, f"MESSAGE to {user}")

    async def subscribe(
        self, hop: Hop, user: str, event: str, expires_s: int, body: bytes, heard: RequestHandler
    ) -> Subscription:
        """Raises PeerError(status), LinkDown."""
        request = new_request(
            "SUBSCRIBE",
            peer_uri(user, hop),
            from_=self._from,
            hop=hop,
            contact_user=self.platform,
            headers=(("Event", event), ("Expires", str(expires_s))),
            body=body,
            content_type=orders.CONTENT_TYPE,
        )
        return await self.endpoint.subscribe(request, hop, heard, timeout=MESSAGE_TIMEOUT_S)

    async def invite(self, hop: Hop, channel: str, subject: str, sdp: bytes) -> InviteCall:
        """Raises LinkDown when the way to the device is gone, Busy when too many calls stand."""
        request = new_request(
            "INVITE",
            peer_uri(channel, hop),
            from_=self._from,
            hop=hop,
            contact_user=self.platform,
            headers=(("Subject", subject),),
            body=sdp,
            content_type="Application/SDP",
        )
        return await self.endpoint.invite(request, hop)

    async def end_stale(self, hop: Hop, dialog: Dialog) -> bool:
        """BYE in a dialog that we have no object for any more. True when the device answered, whatever it said."""
        try:
            ours, theirs = NameAddr.parse(dialog.ours), NameAddr.parse(dialog.theirs)
            target: SipUri | str = dialog.target
            SipUri.parse(dialog.target)
        except RemoteProtocolError:
            return True
        request = new_request(
            "BYE", target, from_=ours, to=theirs, hop=hop, call_id=dialog.call_id, cseq=dialog.cseq + 1
        )
        try:
            await self.endpoint.request(request, hop, timeout=BYE_TIMEOUT_S)
        except LinkDown:
            return False
        return True


def refuse(answer: SipResponse, what: str) -> None:
    """Raise PeerError for a final answer that is not 2xx."""
    if not answer.ok:
        raise PeerError(f"{what}: answered {answer.status} {answer.reason[:60]}", status=answer.status)


def dialog_taken(call: IncomingCall) -> Dialog | None:
    """The same for a call that the device made, once we have accepted it."""
    found = call.dialog
    if found is None:
        return None
    # What we may ask inside it until it ends takes numbers, too.
    return Dialog(call.call_id, str(found.local), str(found.remote), found.target, found.local_seq + SPARE_CSEQ)


def dialog_of(call: InviteCall, answer: SipResponse) -> Dialog | None:
    """What is needed to end this call later without its object; None where the answer lacks it."""
    try:
        contact = answer.contact
        target = contact.uri if contact is not None else call.request.uri
        return Dialog(call.call_id, str(call.request.from_), str(answer.to), target, call.request.cseq.number)
    except RemoteProtocolError:
        return None
