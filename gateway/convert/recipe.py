"""What one conversion makes, as the daemon orders it and the worker reads it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

COPY = "copy"
PICTURES = ("", COPY, "h264")
SOUNDS = ("", COPY, "opus", "aac", "pcma")


@dataclass(frozen=True, slots=True)
class Recipe:
    """Two that are equal make the same of the same source. `video` and `audio`: what comes out, "copy" as it is, ""
    none of it. Height in lines, 0 as the source has it; `fps` and `bitrate_bps` 0: no limit."""

    video: str = ""
    audio: str = ""
    height: int = 0
    fps: float = 0.0
    bitrate_bps: int = 0

    @property
    def name(self) -> str:
        """Short, for people: "h264 360p 10 fps + opus"."""
        parts = []
        if self.video:
            size = f" {self.height}p" if self.height else ""
            parts.append(
                ("picture" if self.video == COPY else self.video) + size + (f" {self.fps:g} fps" * bool(self.fps))
            )
        if self.audio:
            parts.append("sound" if self.audio == COPY else self.audio)
        return " + ".join(parts)

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Recipe:
        """Raises ValueError."""
        given = json.loads(text)
        recipe = cls(**given)
        if recipe.video not in PICTURES or recipe.audio not in SOUNDS:
            raise ValueError(f"no such target: {recipe.video!r}, {recipe.audio!r}")
        return recipe
