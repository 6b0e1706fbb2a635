"""SIP over asyncio: `SipEndpoint` owns the sockets and timers of one `gateway.wire.sip.SipCore`. See README.md.

async with SipEndpoint([Listen("udp", "0.0.0.0", 5060), Listen("tcp", "0.0.0.0", 5060)]) as endpoint:
    endpoint.on_request("MESSAGE", handle_message)
    endpoint.on_call(handle_call)
    response = await endpoint.request(request, hop)
"""

from gateway.net.sip.call import Call, CallEnd
from gateway.net.sip.changes import attended_target
from gateway.net.sip.endpoint import SipEndpoint
from gateway.net.sip.incoming import IncomingRequest
from gateway.net.sip.incoming_call import IncomingCall
from gateway.net.sip.invite_call import InviteCall
from gateway.net.sip.limits import EndpointLimits, Listen
from gateway.net.sip.options import CallOptions, SdpSession
from gateway.net.sip.subscription import Notifier, Subscription
from gateway.net.sip.transfer import Referral, Transfer

__all__ = [
    "Call",
    "CallEnd",
    "CallOptions",
    "EndpointLimits",
    "IncomingCall",
    "IncomingRequest",
    "InviteCall",
    "Listen",
    "Notifier",
    "Referral",
    "SdpSession",
    "SipEndpoint",
    "Subscription",
    "Transfer",
    "attended_target",
]
