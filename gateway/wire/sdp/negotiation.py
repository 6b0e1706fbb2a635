"""Offer and answer of one call, kept over its life (RFC 3264, RFC 6337)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from secrets import token_bytes

from gateway.base.errors import LocalProtocolError, RemoteProtocolError
from gateway.wire.sdp.agreed import Agreed, Agreement
from gateway.wire.sdp.answering import Answering, Refusal
from gateway.wire.sdp.capability import Direction, Fingerprint, LocalMedia, SrtpPolicy
from gateway.wire.sdp.crypto import SUITES
from gateway.wire.sdp.offering import OfferedLine, Offering
from gateway.wire.sdp.slots import Slot, refused
from gateway.wire.sdp.text import Media, Sdp
from gateway.wire.sdp.transport import PLAIN

MAX_MEDIA_LINES = 32


class NotAcceptable(RemoteProtocolError):
    """Nothing common: answer 488 (an offer) or hang up (an answer). `str()` says why in words; `warning` is the code of
    a Warning header (RFC 3261 §20.43: 301 address, 302 transport, 304 media type, 305 format, 399 other)."""

    def __init__(self, words: str, warning: int = 305) -> None:
        super().__init__(words)
        self.warning = warning


class Negotiation:
    """Answers an offer or makes one; keeps m-line indexes, payload types and keys over re-offers.

    It is the `SdpSession` of a call (`gateway.net.sip.CallOptions.session`). Bounds: 32 m-lines (more: NotAcceptable),
    those of `Sdp.parse`, 16 crypto lines and 128 formats a line (more are passed over).
    """

    def __init__(
        self,
        media: Sequence[LocalMedia],
        *,
        srtp: SrtpPolicy = "optional",
        suites: Sequence[str] = ("AEAD_AES_256_GCM", "AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80"),
        fingerprint: Fingerprint | None = None,
        avpf: bool = False,
        any_profile: bool = True,
        name: str = "-",
        random: Callable[[int], bytes] = token_bytes,
    ) -> None:
        """`media` in the order in which lines are offered. `suites` best first, as the media plane can. `fingerprint`
        of our certificate: without, DTLS is neither offered nor taken. `avpf` offers the …F profile for video.
        `any_profile`: H.264 of another profile is taken too (see `H264.fits`). `name` is the s= line.

        Raises LocalProtocolError for a suite that does not exist, or for the policy dtls without a fingerprint.
        """
        if unknown := [suite for suite in suites if suite not in SUITES]:
            raise LocalProtocolError(f"crypto suite {unknown[0]}")
        if srtp == "dtls" and fingerprint is None:
            raise LocalProtocolError("DTLS-SRTP is required but there is no certificate")
        self._media: dict[str, LocalMedia] = {m.kind: m for m in media}
        self._held: set[str] = set()
        self._srtp: SrtpPolicy = srtp
        self._fingerprint = fingerprint
        self._random = random
        self._name = name
        self._answering = Answering(srtp, tuple(suites), fingerprint, any_profile, random)
        self._offering = Offering(srtp, tuple(suites), fingerprint, avpf, any_profile, random)
        self._slots: list[Slot] = []
        self._open: tuple[list[Slot], list[OfferedLine]] | None = None
        self._recent: tuple[list[Slot], list[OfferedLine]] | None = None  # answered, and may be answered otherwise
        self._agreement: Agreement | None = None
        self._origin = str(int.from_bytes(random(7), "big"))
        self._version = 0
        self._last = b""

    @property
    def agreement(self) -> Agreement | None:
        """What stands now; an open offer of ours changes it only when answered."""
        return self._agreement

    @property
    def offering(self) -> bool:
        """An offer of ours waits for its answer."""
        return self._open is not None

    def change(self, kind: str, media: LocalMedia | None) -> None:
        """Another address, port, codecs or direction for a kind from the next offer or answer on; None refuses the kind
        (its line goes to port 0). A kind not there before gets a line at the end (or a dead line's place)."""
        if media is None:
            self._media.pop(kind, None)
        else:
            self._media[kind] = media

    def hold(self, held: bool, *, kind: str | None = None) -> None:
        """Our own hold, from the next offer on: sendonly where we send, else inactive."""
        kinds = set(self._media) if kind is None else {kind}
        self._held = self._held | kinds if held else self._held - kinds

    # — we offer —

    def offer(self) -> bytes:
        """A new offer (the first, or a re-offer of all that stands). Raises LocalProtocolError while one is open, or
        when there is no media at all."""
        if self._open is not None:
            raise LocalProtocolError("an offer is open already")
        if not self._media and not self._slots:
            raise LocalProtocolError("no media to offer")
        slots = [slot.copy() for slot in self._slots]
        wanted = {kind: (media, self._wanted(media)) for kind, media in self._media.items()}
        lines = self._offering.lines(slots, wanted, self._host())
        self._open, self._recent = (slots, lines), None
        return self._render([line.written for line in lines])

    def answered(self, answer: bytes) -> Agreement:
        """The peer's answer to our offer. Raises RemoteProtocolError when it does not fit the offer, NotAcceptable. An
        error leaves what stood before. Lines that the answer leaves out at its end count as refused.

        Again, before the next offer of either side: the answer of another fork, or a 200 that says other than its 183.
        """
        opened = self._open or self._recent
        if opened is None:
            raise RemoteProtocolError("an answer without an offer")
        slots, lines = [slot.copy() for slot in opened[0]], opened[1]
        self._open = None
        sdp = Sdp.parse(answer)
        if len(sdp.media) > len(lines):
            raise RemoteProtocolError(f"the answer has {len(sdp.media)} m-lines, the offer had {len(lines)}")
        agreed: list[Agreed] = []
        reasons: list[Refusal] = []
        for index, (slot, line) in enumerate(zip(slots, lines, strict=True)):
            theirs = sdp.media[index] if index < len(sdp.media) else None
            if theirs is not None and theirs.kind != line.written.kind:
                raise RemoteProtocolError(f"line {index} of the answer is {theirs.kind[:16]}, of the offer {slot.kind}")
            result: Agreed | Refusal
            if line.media is None or theirs is None or theirs.port == 0:
                result = Refusal("refused by the peer", 304)
            else:
                result = self._offering.accepted(slot, index, line, sdp, theirs)
            if isinstance(result, Refusal):
                if theirs is not None and theirs.port and line.media is not None and slot.kind == "audio":
                    raise NotAcceptable(f"{slot.kind}: {result.words}", result.warning)  # it would talk unheard
                slot.ours, slot.agreed = False, None
                agreed.append(Agreed(index, slot.kind, False))
                reasons += [result] if line.media is not None else []
            else:
                slot.agreed = result
                agreed.append(result)
        if reasons and not any(line.active for line in agreed):
            raise NotAcceptable("the answer refuses every line", 304)
        self._slots, self._recent = slots, opened
        self._agreement = Agreement(tuple(agreed))
        return self._agreement

    def rolled_back(self) -> None:
        """Our offer was refused (488, 491, timeout): what stood before it stands."""
        self._open = None

    # — the peer offers —

    def answer(self, offer: bytes) -> bytes:
        """The answer to the peer's offer; `agreement` is the new one then. Raises NotAcceptable (the former state
        stands), RemoteProtocolError when it is no SDP or crosses an offer of ours."""
        if self._open is not None:
            raise RemoteProtocolError("two offers cross")
        sdp = Sdp.parse(offer)
        if len(sdp.media) > MAX_MEDIA_LINES:
            raise NotAcceptable(f"{len(sdp.media)} m-lines, at most {MAX_MEDIA_LINES} are taken", 399)
        before = [slot.copy() for slot in self._slots[: len(sdp.media)]]
        taken: dict[int, tuple[Slot, Agreed, Media]] = {}
        reasons: list[str] = []
        warning = 304
        for kind, local in self._media.items():
            for index in self._candidates(kind, sdp, before):
                slot = before[index] if index < len(before) else Slot(kind, "")
                if not slot.ours:
                    slot = Slot(kind, "", pts=dict(slot.pts) if slot.kind == kind else {})
                found = self._answering.take(slot, index, sdp, local, self._wanted(local), self._host())
                if isinstance(found, Refusal):
                    reasons.append(f"{kind}: {found.words}")
                    warning = found.warning
                    continue
                taken[index] = (slot, *found)
                break
        wanted = [m for m in sdp.media if m.port]
        if wanted and not taken:
            kinds = ", ".join(dict.fromkeys(m.kind[:16] for m in wanted))
            raise NotAcceptable("; ".join(reasons) or f"{kinds} not available here", warning)
        slots: list[Slot] = []
        agreed: list[Agreed] = []
        lines: list[Media] = []
        for index, m in enumerate(sdp.media):
            if index in taken:
                slot, result, line = taken[index]
                slot.agreed = result
            else:
                slot = before[index] if index < len(before) and before[index].kind == m.kind else Slot(m.kind, m.proto)
                slot.ours, slot.agreed, slot.keys, slot.role = False, None, {}, None
                slot.proto, slot.formats = m.proto, m.formats
                result, line = Agreed(index, m.kind, False), refused(m.kind, m.proto, m.formats)
            slots.append(slot)
            agreed.append(result)
            lines.append(line)
        self._slots, self._recent = slots, None
        self._agreement = Agreement(tuple(agreed))
        return self._render(lines)

    # — inside —

    def _candidates(self, kind: str, sdp: Sdp, slots: Sequence[Slot]) -> list[int]:
        """Lines of a kind that could be ours: the one in use first, then ciphered ones (unless off), then in order."""
        found = [i for i, m in enumerate(sdp.media) if m.kind == kind and m.port]

        def rank(i: int) -> tuple[bool, bool, int]:
            in_use = i < len(slots) and slots[i].ours and slots[i].kind == kind
            plain = sdp.media[i].proto.upper() in PLAIN
            return (not in_use, plain is (self._srtp != "off"), i)

        return sorted(found, key=rank)

    def _wanted(self, media: LocalMedia) -> Direction:
        if media.kind not in self._held:
            return media.direction
        return "sendonly" if media.direction in ("sendrecv", "sendonly") else "inactive"

    def _host(self) -> str:
        return next((m.host for m in self._media.values()), "0.0.0.0")  # noqa: S104 - "no address" in an SDP

    def _render(self, lines: Sequence[Media]) -> bytes:
        """o= counts up when something changed, and only then (RFC 3264 §8)."""
        host = self._host()
        session = Sdp("-", self._origin, str(self._version), host, self._name, connection=host, media=tuple(lines))
        data = bytes(session)
        if data != self._last:
            self._version += 1
            data = self._last = bytes(replace(session, origin_version=str(self._version)))
        return data
