"""SIP over asyncio: `SipEndpoint` owns the sockets and timers of one `gateway.wire.sip.SipCore`. See README.md.

async with SipEndpoint([Listen("udp", "0.0.0.0", 5060), Listen("tcp", "0.0.0.0", 5060)]) as endpoint:
    endpoint.on_request("MESSAGE", handle_message)
    endpoint.on_call(handle_call)
    response = await endpoint.request(request, hop)
"""

from gateway.net.sip.call import CallEnd, InviteCall
from gateway.net.sip.endpoint import Listen, SipEndpoint
from gateway.net.sip.incoming import IncomingRequest
from gateway.net.sip.incoming_call import IncomingCall
from gateway.net.sip.limits import EndpointLimits
from gateway.net.sip.subscription import Notifier, Subscription

__all__ = [
    "CallEnd",
    "EndpointLimits",
    "IncomingCall",
    "IncomingRequest",
    "InviteCall",
    "Listen",
    "Notifier",
    "SipEndpoint",
    "Subscription",
]
