"""The habits of real devices that hurt, by name. README.md says which device habit each one imitates."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from gateway.sim.encoder import Frame, VideoSettings
from gateway.sim.ps import H264, H265, PsOptions

BIG_FRAME_BYTES = 400_000

# Name → the value meant when none is given (`None`: the fault takes no value), and what it does.
FAULTS: Mapping[str, tuple[float | None, str]] = {
    "wrong-password": (None, "answers the challenge with another password"),
    "wrong-id": (None, "registers under an id nobody knows"),
    "no-psm": (None, "key frames carry no program stream map"),
    "wrong-psm": (None, "the map says H.264 for H.265 and the other way round"),
    "pes-zero-length": (None, "video PES packets have length 0"),
    "big-frame": (None, "key frames of 400 KB"),
    "rtp-loss": (0.02, "this share of RTP packets never leaves"),
    "rtp-reorder": (0.05, "this share of RTP packets leaves up to three places late"),
    "tcp-framing": (2.0, "garbage between TCP frames, every so many seconds"),
    "no-ssrc": (None, "200 without y="),
    "other-ssrc": (None, "200 with another y=, and RTP with that one"),
    "silent-ssrc": (None, "RTP with another SSRC than any y="),
    "port-zero": (None, "200 with m=video 0"),
    "unroutable-c": (None, "200 with an address that leads nowhere in o= and c="),
    "udp-only": (None, "answers an offer of TCP with UDP, and sends UDP"),
    "tcp-refuses": (None, "answers an offer of TCP, but neither dials nor accepts"),
    "vanish": (5.0, "dies silently so many seconds into the first call, comes back 5 s later"),
    "nat-rebind": (5.0, "after so many seconds everything comes from new ports"),
    "catalog-lost": (None, "one item a page, and the first page never leaves"),
    "catalog-repeat": (None, "one item a page, every page twice"),
    "catalog-count-wrong": (None, "SumNum counts three more than there are"),
    "xml-lies": (None, "UTF-8 under a GB2312 label, and & unescaped"),
    "garbage-sip": (None, "junk to the SIP port with every keepalive"),
    "no-bye": (5.0, "media stops after so many seconds without a BYE"),
    "busy-once": (None, "486 to the first INVITE"),
    "bye-after": (5.0, "hangs up after so many seconds"),
    "b-frames": (None, "main profile with two B-frames"),
    "private-stream": (None, "vendor bytes instead of a program stream"),
    "h265": (None, "H.265 whatever was set"),
    "broadcast-refused": (None, "answers a voice broadcast with ERROR"),
    "broadcast-silent": (None, "agrees to a voice broadcast, and never calls for the sound"),
    "broadcast-late": (10.0, "calls for the sound of a broadcast so many seconds late"),
    "talk-busy": (None, "486 to a voice broadcast and to s=Talk"),
    "talk-refused": (None, "488 to s=Talk"),
    "talk-bye": (None, "hangs up at the first packet of sound"),
    "talk-bye-once": (None, "hangs up at the first packet of sound, the first time"),
    "talk-dials-early": (None, "connects for sound at the 200, and acknowledges when sound has come, or after 2 s"),
    "talk-other-port": (None, "the SDP names another UDP port than its sound has; packets come from the real one"),
    "talk-pcmu": (None, "wants its sound as G.711 µ-law"),
    "talk-no-ssrc": (None, "invites without y=, and plays any SSRC"),
    "talk-ids-swapped": (None, "From and To of its INVITE for sound are swapped"),
    "talk-no-ack": (None, "never acknowledges the answer to its INVITE for sound"),
    "echo": (0.2, "its microphone hears its loudspeaker so many seconds later"),
}


class Faults:
    """The faults one ball was given."""

    def __init__(self, given: Mapping[str, float] | None = None) -> None:
        self._given = dict(given or {})
        self._spent: set[str] = set()

    @classmethod
    def read(cls, words: Iterable[str]) -> Faults:
        """From `name` or `name=value`; raises ValueError with the known names."""
        given: dict[str, float] = {}
        for word in words:
            name, _, value = word.partition("=")
            if name not in FAULTS:
                raise ValueError(f"no fault is called {name!r}; there are: {', '.join(FAULTS)}")
            default = FAULTS[name][0]
            if value and default is None:
                raise ValueError(f"fault {name} takes no value")
            try:
                given[name] = float(value) if value else (default or 0.0)
            except ValueError as exc:
                raise ValueError(f"fault {name}: {value!r} is no number") from exc
        return cls(given)

    def __contains__(self, name: str) -> bool:
        assert name in FAULTS, name  # noqa: S101 - a fault misspelt here would never happen
        return name in self._given

    def __getitem__(self, name: str) -> float:
        return self._given[name]

    def get(self, name: str, default: float) -> float:
        return self._given.get(name, default)

    def once(self, name: str) -> bool:
        """True the first time only."""
        if name not in self or name in self._spent:
            return False
        self._spent.add(name)
        return True

    # -- what they do to pictures -----------------------------------------------------------------------------

    def settings(self, settings: VideoSettings) -> VideoSettings:
        if "h265" in self:
            settings = replace(settings, codec="h265")
        if "b-frames" in self:
            settings = replace(settings, b_frames=2)
        return settings

    def ps_options(self, settings: VideoSettings) -> PsOptions:
        h265 = (settings.codec == "h265") != ("wrong-psm" in self)
        return PsOptions(
            video_type=H265 if h265 else H264,
            audio=settings.audio,
            psm="no-psm" not in self,
            zero_length="pes-zero-length" in self,
        )

    def payload(self, frame: Frame, settings: VideoSettings, options: PsOptions) -> bytes:
        """What goes into the RTP packets for this frame."""
        if "big-frame" in self and frame.key:
            frame = replace(frame, data=_filled(frame.data, settings.codec), _packs={})
        pack = frame.pack(options)
        return scrambled(pack) if "private-stream" in self else pack


def _filled(data: bytes, codec: str) -> bytes:
    """A picture grown to BIG_FRAME_BYTES by filler data that every decoder must skip (H.264 §7.3.2.7: type 12)."""
    head = b"\x00\x00\x00\x01" + (b"\x0c" if codec == "h264" else b"\x4c\x01")
    return data + head + b"\xff" * max(0, BIG_FRAME_BYTES - len(data) - len(head) - 1) + b"\x80"


_SCRAMBLE = bytes((b * 167 + 91) % 256 for b in range(256))


def scrambled(pack: bytes) -> bytes:
    """Begins as vendor streams were seen to (01 00 00 00 … E2 42), and no start code anywhere."""
    return b"\x01\x00\x00\x00" + len(pack).to_bytes(4, "little") + b"\xe2\x42" + pack.translate(_SCRAMBLE)


class Path:
    """Loss and reordering of one leg, by a seed, so that a run can be had again."""

    def __init__(self, faults: Faults, seed: int) -> None:
        self._loss = faults.get("rtp-loss", 0.0)
        self._late = faults.get("rtp-reorder", 0.0)
        self._rng = random.Random(seed)

    def carry(self, packets: Sequence[bytes]) -> list[bytes]:
        """The packets as they leave."""
        out = [packet for packet in packets if self._rng.random() >= self._loss] if self._loss else list(packets)
        if self._late:
            places = [
                (at + (self._rng.randint(2, 3) + 0.5 if self._rng.random() < self._late else 0.0), at)
                for at in range(len(out))
            ]
            out = [out[at] for _, at in sorted(places)]
        return out

    def junk(self) -> bytes:
        """Bytes that are no RFC 4571 frame."""
        return self._rng.randbytes(self._rng.randint(20, 60))
