"""The seam between who may call whom (accounts, trunks, registrar, number plan) and the calls themselves.

`Routing` is asked once per call: by an incoming INVITE for who that is and where it goes, by an order for the ways to a
number. What it hands out is complete: the call needs nothing else of accounts and trunks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from gateway.model.principal import Principal

if TYPE_CHECKING:
    from gateway.net.sip import IncomingCall, SipEndpoint
    from gateway.wire.digest import DigestClient
    from gateway.wire.sip import Hop

Srtp = Literal["off", "optional", "sdes", "dtls", "required"]
"""`optional` offers plain RTP and takes what the peer offers; `required` takes SDES or DTLS and refuses plain."""


@dataclass(frozen=True, slots=True)
class MediaPolicy:
    """What a call of this trunk or user may carry."""

    srtp: Srtp = "optional"
    audio: tuple[str, ...] = ("opus", "g722", "pcma", "pcmu")
    video: tuple[str, ...] = ("h264", "h265")  # empty: audio only
    # Media from: the address of the SDP, its host, the first packet; `auto`: `host` where the SDP's host is where the
    # signalling comes from, `first` where it is another (NAT).
    latch: Literal["strict", "host", "first", "auto"] = "first"
    no_media_s: float = 0.0  # 0: no RTP is no hang-up (push-to-talk); else BYE after this long without any packet
    keyed_by: Literal["voice", "digit"] = "voice"
    session_expires_s: int = 1800
    reliable: bool = True  # offer 100rel
    max_ring_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Target:
    """Where a number leads. `ref` is a group id, a channel id, or a number to dial on."""

    kind: Literal["group", "channel", "console", "number"]
    ref: str = ""
    may_talk: bool = True  # to a channel: its loudspeaker is opened too


@dataclass(frozen=True, slots=True)
class Origin:
    """Who calls, after his proof (digest, certificate or the trunk's address)."""

    name: str  # trunk or user name of the configuration
    trunk: str  # "" for a softphone of the kit's own network
    principal: Principal
    number: str  # as he may be shown
    display: str
    policy: MediaPolicy
    dialled: str
    target: Target
    emergency: bool = False  # Priority: emergency, or an emergency number of the plan
    diversion: str = ""
    ended: Callable[[], None] = field(default=lambda: None)  # gives the place among the concurrent calls back
    again: Callable[[], Awaitable[Hop]] | None = None  # as in Route


@dataclass(frozen=True, slots=True)
class Route:
    """One way to a number, complete. Tried in order: the next one on 408, 430, 500, 503, 504 and a dead link."""

    endpoint: SipEndpoint
    hop: Hop
    uri: str  # Request-URI
    from_uri: str
    from_display: str
    contact_user: str
    headers: tuple[tuple[str, str], ...]  # P-Asserted-Identity, Diversion, Route …
    policy: MediaPolicy
    name: str
    trunk: str
    credentials: DigestClient | None = None
    ended: Callable[[], None] = field(default=lambda: None)
    # The way to the same peer once our address has changed (a TLS connection to its name); raises LinkDown. None: the
    # endpoint is asked for a way to the address that the call had.
    again: Callable[[], Awaitable[Hop]] | None = None
    engine: str = "native"  # or "pjsua2"


class Routing(Protocol):
    async def incoming(self, call: IncomingCall) -> Origin | None:
        """Who calls and where to. None: it was answered here already (401, 403, 404, 486, 503, the reason logged)."""

    def outgoing(self, who: Principal, number: str, on_behalf: str = "") -> Sequence[Route]:
        """The ways to a number, best first, with a place taken for one call (`ended` of the route used gives it back;
        the others' are given back by whoever asked). `on_behalf`: the group or channel that calls, by its full id: the
        account that is for it lends its name, unless `who` has one of his own.
        Raises Denied (`number-denied`), NotFound (`no-route`), Busy
        (`trunk-full`), LinkDown (`trunk-down`)."""

    def lookup(self, who: Principal, number: str) -> Target:
        """Where a number leads for `who`: a group, channel or the console of ours, or a number that `outgoing` takes.
        Raises Denied (`number-denied`), NotFound (`no-route`)."""

    def refer_to(self, who: Principal, number: str, trunk: str = "") -> str:
        """The URI by which the peer of a call reaches a number that `who` may call: what Refer-To says. A phone of ours
        (`trunk` "") calls through us again, so it is the number without a host, at our own address; a trunk's peer is
        sent to an address of the trunk's own domain. Takes no place. Raises as `lookup`."""

    def moved(self, called: Callable[[], None]) -> None:
        """`called` when our end of the way may be another one: own address changed, or a trunk's connection broke or
        was made anew. Calls that stand by the old one send a new Contact and re-INVITE."""

    def trunk_lost(self, called: Callable[[str, str], None]) -> None:
        """`called(trunk, words)` when a trunk's server fell silent, its connection could not be had anew, or it went
        over to another server: nothing else would tell the calls that stand by it before their session timer."""
