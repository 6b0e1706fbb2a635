"""Write our offer's m-lines, and read the answer to each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from gateway.wire.sdp.agreed import Agreed, DtlsPeer, PayloadType, SdesKeys
from gateway.wire.sdp.answering import Refusal, agreed_line, other_family
from gateway.wire.sdp.capability import Direction, Fingerprint, LocalMedia, SrtpPolicy
from gateway.wire.sdp.crypto import CryptoLine
from gateway.wire.sdp.formats import formats_of, names_of, same_format
from gateway.wire.sdp.h264 import H264
from gateway.wire.sdp.slots import Slot, refused, written
from gateway.wire.sdp.text import Media, Sdp
from gateway.wire.sdp.transport import DTLS, PLAIN, SECURE, PeerLine, Role, mirrored

_CLASSES = (PLAIN, SECURE, DTLS)


@dataclass(frozen=True, slots=True)
class OfferedLine:
    """One line as offered; `media` None: at port 0."""

    written: Media
    media: LocalMedia | None = None
    wanted: Direction = "inactive"
    receive: tuple[PayloadType, ...] = ()
    crypto: tuple[CryptoLine, ...] = ()


@dataclass(frozen=True, slots=True)
class Offering:
    srtp: SrtpPolicy
    suites: tuple[str, ...]
    fingerprint: Fingerprint | None
    avpf: bool
    any_profile: bool
    random: Callable[[int], bytes]

    def lines(
        self, slots: list[Slot], wanted: Mapping[str, tuple[LocalMedia, Direction]], session_host: str
    ) -> list[OfferedLine]:
        """A line for each slot and each kind without one; new slots are appended to `slots`."""
        places: dict[int, str] = {}
        for kind in wanted:
            ours = [i for i, s in enumerate(slots) if s.ours and s.kind == kind and i not in places]
            dead = [i for i, s in enumerate(slots) if not s.ours and s.kind == kind and i not in places]
            if not ours and not dead:
                slots.append(Slot(kind, ""))
            places[(ours or dead or [len(slots) - 1])[0]] = kind
        out: list[OfferedLine] = []
        for index, slot in enumerate(slots):
            if index in places:
                out.append(self._line(slot, *wanted[places[index]], session_host))
            else:
                slot.ours, slot.keys, slot.role = False, {}, None
                out.append(OfferedLine(refused(slot.kind, slot.proto or "RTP/AVP", slot.formats)))
        return out

    def _line(self, slot: Slot, media: LocalMedia, wanted: Direction, session_host: str) -> OfferedLine:
        stands = slot.agreed if slot.ours else None
        secure = self._first_cipher() if stands is None else stands.secure
        proto = self._proto(secure, media) if stands is None else stands.profile
        receive = _numbered(slot, media, stands)
        crypto: tuple[CryptoLine, ...] = ()
        if secure == "sdes":
            # The suite in use stays the first, with its key.
            first = [] if stands is None or stands.keys is None else [stands.keys[0]]
            order = [*first, *(suite for suite in self.suites if suite not in first)]
            crypto = tuple(slot.key_for(suite, tag, self.random) for tag, suite in enumerate(order, 1))
        setup = {"client": "active", "server": "passive", None: "actpass"}[slot.role]
        slot.kind, slot.proto, slot.ours = media.kind, proto, True
        slot.formats = tuple(str(p.pt) for p in receive)
        line = written(
            media,
            proto,
            receive,
            wanted,
            session_host,
            mux=media.rtcp_mux,
            crypto=crypto,
            fingerprint=self.fingerprint if secure == "dtls" else None,
            setup=setup,
        )
        return OfferedLine(line, media, wanted, receive, crypto)

    def accepted(self, slot: Slot, index: int, line: OfferedLine, sdp: Sdp, theirs: Media) -> Agreed | Refusal:
        """What the peer's answer to one line comes to."""
        peer = PeerLine.of(sdp, theirs)
        assert line.media is not None, "a line at port 0 is not answered"  # noqa: S101
        if (family := other_family(line.media.host, peer)) is not None:
            return Refusal(family, 301)
        if not any(peer.proto in c and line.written.proto in c for c in _CLASSES):
            return Refusal(f"the answer says {peer.proto[:24]}, the offer {line.written.proto}", 302)
        formats = formats_of(theirs)
        send, receive = self._formats(line, formats)
        if not any(not p.codec.auxiliary for p in send):
            return Refusal(f"no codec of the offer (answered {names_of(formats)})", 305)
        keys: SdesKeys | None = None
        dtls: DtlsPeer | None = None
        if line.crypto:
            found = [
                (ours, c) for c in peer.crypto for ours in line.crypto if (ours.tag, ours.suite) == (c.tag, c.suite)
            ]
            if not found:
                return Refusal("the answer takes none of the keys offered", 302)
            ours, c = found[0]
            keys = (c.suite, ours.key, ours.salt, c.key, c.salt)
            slot.keys = {c.suite: ours}
        elif line.written.attribute("fingerprint") is not None:
            if not peer.fingerprints:
                return Refusal("the answer has no fingerprint", 302)
            offered = line.written.setup
            role: Role = "server" if peer.setup == "active" or offered == "passive" else "client"
            dtls = DtlsPeer(role, peer.fingerprints)
            slot.role, slot.peer_prints = role, peer.fingerprints
        mux = peer.rtcp_mux and line.media.rtcp_mux
        cipher = "sdes" if keys is not None else ""
        return agreed_line(index, line.media, peer, mirrored(line.wanted, peer), mux, send, receive, cipher, keys, dtls)

    def _formats(
        self, line: OfferedLine, theirs: list[PayloadType]
    ) -> tuple[tuple[PayloadType, ...], tuple[PayloadType, ...]]:
        """The peer's formats that we offered, in its order, and ours that it took. A peer that answers with numbers of
        its own is also heard on those, where they mean nothing else: some send what they answered (RFC 3264 §5.1 has
        it the other way)."""
        send: list[PayloadType] = []
        receive: dict[int, PayloadType] = {}
        also: list[PayloadType] = []
        for p in theirs:
            fits = [
                (rank, ours.pt != p.pt, i)
                for i, ours in enumerate(line.receive)
                if (rank := same_format(ours.codec, p.codec, any_profile=self.any_profile)) is not None
            ]
            if not fits:
                continue
            ours = line.receive[min(fits)[2]]
            send.append(p)
            receive.setdefault(ours.pt, ours)
            also.append(PayloadType(p.pt, ours.codec))
        taken = {p.pt for p in line.receive}
        for p in also:
            if p.pt not in taken:
                receive.setdefault(p.pt, p)
        # What rides beside stands behind, so that send[0] is a codec.
        send.sort(key=lambda p: p.codec.auxiliary)
        return tuple(send), tuple(sorted(receive.values(), key=lambda p: p.codec.auxiliary))

    def _first_cipher(self) -> str:
        return {"off": "", "optional": "", "sdes": "sdes", "required": "sdes", "dtls": "dtls"}[self.srtp]

    def _proto(self, secure: str, media: LocalMedia) -> str:
        base = {"": "RTP/AVP", "sdes": "RTP/SAVP", "dtls": "UDP/TLS/RTP/SAVP"}[secure]
        return f"{base}F" if self.avpf and media.kind == "video" else base


def _numbered(slot: Slot, media: LocalMedia, stands: Agreed | None) -> tuple[PayloadType, ...]:
    """Our codecs with their payload types. H.264 that was agreed with another profile than our own keeps its number and
    its profile: the same format of the same call."""
    agreed = {H264.parse(p.codec.fmtp).mode: p for p in (stands.receive if stands else ()) if p.codec.name == "h264"}
    out: list[PayloadType] = []
    for codec in media.codecs:
        kept = agreed.pop(H264.parse(codec.fmtp).mode, None) if codec.name == "h264" else None
        if kept is not None:
            out.append(PayloadType(kept.pt, replace(codec, fmtp=H264.parse(codec.fmtp).as_agreed(kept.codec.fmtp))))
        elif (pt := slot.pt_for(codec)) is not None:
            out.append(PayloadType(pt, codec))
    return tuple(out)
