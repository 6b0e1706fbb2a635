"""How one call behaves, and what it asks about its media."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol


class SdpSession(Protocol):
    """What a call asks about its media: `gateway.wire.sdp.Negotiation`, or something around it that opens ports.

    The call keeps the rules of who may offer when (RFC 3264, 3311, 6337) and calls these in order; every method
    returns at once. What an early or confirmed answer of another fork says is never told: the first dialog that
    answers our offer is asked, another one that wins by its 2xx comes as `answered` again.
    """

    def offer(self) -> bytes:
        """A new offer: of an INVITE, a 200 to an INVITE without SDP, a re-INVITE, an UPDATE."""
        ...

    def answer(self, offer: bytes) -> bytes:
        """Answer the peer's offer. RemoteProtocolError (NotAcceptable with its words): 488 is said, or the call ends
        where an offer can not be refused (it stood in a 2xx or a reliable 1xx)."""
        ...

    def answered(self, answer: bytes) -> object:
        """The peer's answer to our offer; errors as in `answer` end the call."""
        ...

    def rolled_back(self) -> None:
        """Our offer was refused or never answered."""
        ...


@dataclass(frozen=True, slots=True)
class CallOptions:
    """`session` None: bodies are the caller's own business, and nothing below is done (GB/T 28181).

    `reliable`: 100rel (RFC 3262): "required" puts it into Require. `session_expires_s` 0: no session timer asked for,
    a peer's wish is followed all the same (RFC 4028). `late` sends our INVITE without an offer.
    `follow`: where requests inside the dialog go: "contact" to the route set or the remote target (RFC 3261 §12.2),
    "source" to where the peer's packets come from (a phone behind NAT). "contact" turns into "source" by itself when
    the peer's Via shows a NAT.
    """

    session: SdpSession | None = None
    reliable: Literal["off", "supported", "required"] = "supported"
    session_expires_s: int = 1800
    min_se_s: int = 90
    refresher: Literal["", "us", "peer"] = ""  # whom we ask for where the choice is ours
    late: bool = False
    follow: Literal["contact", "source"] = "contact"
    allow: tuple[str, ...] = (
        "INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "UPDATE", "PRACK", "INFO", "REFER", "NOTIFY", "MESSAGE",
    )  # fmt: skip
