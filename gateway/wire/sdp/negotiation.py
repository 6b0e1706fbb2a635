"""Offer and answer of one call, kept over its life (RFC 3264, RFC 6337)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from secrets import token_bytes

from gateway.base.errors import RemoteProtocolError
from gateway.wire.sdp.agreed import Agreement
from gateway.wire.sdp.capability import Fingerprint, LocalMedia, SrtpPolicy


class NotAcceptable(RemoteProtocolError):
    """Nothing common: answer 488 (an offer) or hang up (an answer). `str()` says why in words; `warning` is the text
    and code of a Warning header (RFC 3261 §20.43: 304 media type, 305 format, 302 address, 399 other)."""

    def __init__(self, words: str, warning: int = 305) -> None:
        super().__init__(words)
        self.warning = warning


class Negotiation:
    """Answers an offer or makes one; keeps m-line indexes, payload types and keys over re-offers.

    It is the `SdpSession` of a call (`gateway.net.sip.CallOptions.session`).
    """

    def __init__(
        self,
        media: Sequence[LocalMedia],
        *,
        srtp: SrtpPolicy = "optional",
        suites: Sequence[str] = ("AEAD_AES_256_GCM", "AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80"),
        fingerprint: Fingerprint | None = None,
        avpf: bool = False,
        name: str = "-",
        random: Callable[[int], bytes] = token_bytes,
    ) -> None:
        """`media` in the order in which lines are offered. `suites` best first, as the media plane can. `fingerprint`
        of our certificate: without, DTLS is neither offered nor taken. `avpf` offers the …F profile for video."""
        raise NotImplementedError

    @property
    def agreement(self) -> Agreement | None:
        """What stands now; an open offer of ours changes it only when answered."""
        raise NotImplementedError

    @property
    def offering(self) -> bool:
        """An offer of ours waits for its answer."""
        raise NotImplementedError

    def change(self, kind: str, media: LocalMedia | None) -> None:
        """Another address, port, codecs or direction for a kind from the next offer or answer on; None refuses the kind
        (its line goes to port 0). A kind not there before gets a line at the end (or a dead line's place)."""
        raise NotImplementedError

    def hold(self, held: bool, *, kind: str | None = None) -> None:
        """Our own hold, from the next offer on: sendonly where we send, else inactive."""
        raise NotImplementedError

    def offer(self) -> bytes:
        """A new offer (the first, or a re-offer of all that stands). Raises LocalProtocolError while one is open."""
        raise NotImplementedError

    def answer(self, offer: bytes) -> bytes:
        """The answer to the peer's offer; `agreement` is the new one then. Raises NotAcceptable (the former state
        stands), RemoteProtocolError when it is no SDP."""
        raise NotImplementedError

    def answered(self, answer: bytes) -> Agreement:
        """The peer's answer to our offer. Raises RemoteProtocolError when it does not fit the offer, NotAcceptable."""
        raise NotImplementedError

    def rolled_back(self) -> None:
        """Our offer was refused (488, 491, timeout): what stood before it stands."""
        raise NotImplementedError
