"""Take one offered m-line: what it comes to for us, and our line of the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.wire.sdp.agreed import Agreed, DtlsPeer, PayloadType, SdesKeys
from gateway.wire.sdp.capability import Direction, Fingerprint, LocalMedia, SrtpPolicy
from gateway.wire.sdp.crypto import CryptoLine, pick
from gateway.wire.sdp.formats import Match, formats_of, matches, names_of
from gateway.wire.sdp.slots import Slot, written
from gateway.wire.sdp.text import Media, Sdp
from gateway.wire.sdp.transport import PeerLine, answer_role, cipher_for, mirrored


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a line can not be taken, in words, with the code of a Warning header."""

    words: str
    warning: int = 305


@dataclass(frozen=True, slots=True)
class Answering:
    srtp: SrtpPolicy
    suites: tuple[str, ...]
    fingerprint: Fingerprint | None
    any_profile: bool
    random: Callable[[int], bytes]

    def take(
        self, slot: Slot, index: int, sdp: Sdp, local: LocalMedia, wanted: Direction, session_host: str
    ) -> tuple[Agreed, Media] | Refusal:
        """Agreed and answer of line `index`; `slot` is changed only when it is taken."""
        media = sdp.media[index]
        peer = PeerLine.of(sdp, media)
        if (family := other_family(local.host, peer)) is not None:
            return Refusal(family, 301)
        theirs = formats_of(media)
        found = matches(local.codecs, theirs, any_profile=self.any_profile)
        main = [m for m in found if not m.ours.auxiliary]
        if not main:
            return Refusal(f"no common codec (offered {names_of(theirs)}; here {names_of(local.codecs)})", 305)
        cipher, why = cipher_for(peer, self.srtp, self.suites, self.fingerprint is not None)
        if why:
            return Refusal(why, 302)
        if local.kind == "video":
            main = [min(main, key=lambda m: m.rank)]
        return self._agree(slot, index, peer, local, wanted, session_host, main, found, cipher)

    def _agree(
        self,
        slot: Slot,
        index: int,
        peer: PeerLine,
        local: LocalMedia,
        wanted: Direction,
        session_host: str,
        main: list[Match],
        found: list[Match],
        cipher: str,
    ) -> tuple[Agreed, Media] | Refusal:
        chosen = [*main, *(m for m in found if m.ours.auxiliary)]
        receive = [PayloadType(pt, m.codec) for m in chosen if (pt := slot.pt_for(m.codec, m.theirs.pt)) is not None]
        send = tuple(m.theirs for m in chosen)
        crypto: list[CryptoLine] = []
        keys: SdesKeys | None = None
        dtls: DtlsPeer | None = None
        setup = ""
        if cipher == "sdes":
            line = pick(peer.crypto, self.suites)
            assert line is not None, "cipher_for saw one"  # noqa: S101
            ours = slot.key_for(line.suite, line.tag, self.random)
            crypto, keys = [ours], (line.suite, ours.key, ours.salt, line.key, line.salt)
        elif cipher == "dtls":
            same = slot.role if slot.peer_prints == peer.fingerprints else None
            role = answer_role(peer.setup, same)
            if role is None:
                return Refusal(f"a=setup:{peer.setup[:16]} can not be answered", 302)
            dtls, setup = DtlsPeer(role, peer.fingerprints), "active" if role == "client" else "passive"
            slot.role, slot.peer_prints = role, peer.fingerprints
        mux = peer.rtcp_mux and local.rtcp_mux
        ours_is = mirrored(wanted, peer)
        slot.kind, slot.proto, slot.ours = local.kind, peer.proto, True
        slot.formats = tuple(str(p.pt) for p in receive)
        answer = written(
            local,
            peer.proto,
            receive,
            ours_is,
            session_host,
            mux=mux,
            crypto=crypto,
            fingerprint=self.fingerprint if dtls else None,
            setup=setup,
        )
        agreed = agreed_line(index, local, peer, ours_is, mux, send, tuple(receive), cipher, keys, dtls)
        return agreed, answer


def agreed_line(
    index: int,
    local: LocalMedia,
    peer: PeerLine,
    direction: Direction,
    mux: bool,
    send: tuple[PayloadType, ...],
    receive: tuple[PayloadType, ...],
    cipher: str,
    keys: SdesKeys | None,
    dtls: DtlsPeer | None,
) -> Agreed:
    return Agreed(
        index,
        local.kind,
        True,
        "" if peer.zero else peer.host,
        0 if peer.zero else peer.port,
        "" if mux or peer.zero else peer.rtcp_host,
        0 if mux or peer.zero else peer.rtcp_port,
        mux,
        direction,
        not peer.receives,
        peer.proto,
        send,
        receive,
        "dtls" if dtls is not None else "sdes" if cipher == "sdes" else "",
        keys,
        dtls,
        peer.ptime_ms,
        frozenset(send[0].codec.feedback) if send else frozenset(),
        peer.ssrcs,
        peer.bandwidth_kbps,
    )


def other_family(host: str, peer: PeerLine) -> str | None:
    """Words when the peer's literal address is of another family than ours; names are not looked up here."""
    if peer.zero or (":" in host) == (":" in peer.host) or not (":" in peer.host or peer.host[-1:].isdigit()):
        return None
    return f"its address is IPv{6 if ':' in peer.host else 4}, ours IPv{6 if ':' in host else 4}"
