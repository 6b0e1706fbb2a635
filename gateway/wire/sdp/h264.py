"""a=fmtp of H.264: profiles, levels, packetization-mode (RFC 6184 §8.1, §8.2.2)."""

from __future__ import annotations

from dataclasses import dataclass

# RFC 6184 table 5: (profile_idc, mask of profile-iop, its bits) → profile; the order matters.
_PROFILES = (
    (0x42, 0x4F, 0x40, "cb"), (0x4D, 0x8F, 0x80, "cb"), (0x58, 0xCF, 0xC0, "cb"),
    (0x42, 0x4F, 0x00, "b"), (0x58, 0xCF, 0x80, "b"),
    (0x4D, 0xAF, 0x00, "m"), (0x58, 0xCF, 0x00, "e"),
    (0x64, 0xFF, 0x00, "h"), (0x64, 0xFF, 0x0C, "ch"),
)  # fmt: skip
# Whose decoder reads whose streams, as far as it counts for choosing.
_READS = {"cb": "cb", "b": "cb b", "m": "cb m", "e": "cb b m e", "ch": "cb ch", "h": "cb m ch h"}
_DEFAULT = "420010"  # RFC 6184 §8.1: baseline, level 1


@dataclass(frozen=True, slots=True)
class H264:
    """The fmtp of one H.264 format. `level` is level_idc with level 1b as 9."""

    profile_level_id: str = _DEFAULT
    mode: int = 0
    asymmetry: bool = False
    sprop: str = ""

    @classmethod
    def parse(cls, fmtp: str) -> H264:
        fields = {k.strip().lower(): v.strip() for k, _, v in (p.partition("=") for p in fmtp.split(";"))}
        plid = fields.get("profile-level-id", _DEFAULT).lower()
        if len(plid) != 6 or any(ch not in "0123456789abcdef" for ch in plid):
            plid = _DEFAULT
        mode = fields.get("packetization-mode", "0")
        return cls(
            plid,
            int(mode) if mode in ("0", "1", "2") else 0,
            fields.get("level-asymmetry-allowed") == "1",
            fields.get("sprop-parameter-sets", ""),
        )

    @property
    def profile(self) -> str:
        idc, iop = int(self.profile_level_id[:2], 16), int(self.profile_level_id[2:4], 16)
        named = next((name for p, mask, bits, name in _PROFILES if idc == p and iop & mask == bits), None)
        return named or f"{idc:02x}{iop:02x}"

    @property
    def level(self) -> int:
        level, iop = int(self.profile_level_id[4:], 16), int(self.profile_level_id[2:4], 16)
        return 9 if level == 11 and iop & 0x10 and self.profile in ("cb", "b", "m", "e") else level

    def fits(self, theirs: H264, *, any_profile: bool) -> int | None:
        """Whether `theirs` is the same format (§8.2.2: packetization-mode and profile), 0 the best fit.

        With `any_profile` another profile is no hindrance but ranks behind: pictures are passed through, not decoded
        here, and most decoders read more than they say. A peer whose decoder reads ours ranks before one that does not.
        """
        if self.mode != theirs.mode:
            return None
        if self.profile == theirs.profile:
            return 0
        if not any_profile:
            return None
        return 1 if self.profile in _READS.get(theirs.profile, "").split() else 2

    def answer_to(self, theirs: H264) -> str:
        """Our fmtp as an answer: the offer's profile, our level where both allow asymmetry, else the lower one."""
        both = self.asymmetry and theirs.asymmetry
        lower = self if both or self.level < theirs.level else theirs
        iop = theirs.profile_level_id[:4]
        out = f"profile-level-id={iop}{lower.profile_level_id[4:]};packetization-mode={self.mode}"
        out += ";level-asymmetry-allowed=1" if both else ""
        return out + (f";sprop-parameter-sets={self.sprop}" if self.sprop else "")

    def as_agreed(self, agreed: str) -> str:
        """Our fmtp in a re-offer: the profile agreed before, our parameter sets of now."""
        kept = agreed.partition(";sprop-parameter-sets=")[0]
        return kept + (f";sprop-parameter-sets={self.sprop}" if self.sprop else "")
