"""What a viewer is sent where its browser can not take the source's codec: the core makes it, the session moves to it.

The session is subscribed to the source's own stream first, for that is all there is to begin with. When the source's
tracks are known, and whenever they or what is made of them change, the core is asked anew what suits, and the same
subscription goes on with that: no new offer, no new handshake, the numbers go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

from adapters.webrtc.offer import Chosen, Plan
from gateway import codecs
from gateway.base.errors import GatewayError, RemoteProtocolError
from gateway.contract.media import Needs, Suited, Viewing
from gateway.model.media import Codec, StreamStatus

QUALITIES: dict[str, tuple[int, float, int]] = {
    "": (0, 0.0, 0),
    "main": (0, 0.0, 0),
    "sub": (576, 15.0, 1_000_000),
    "low": (360, 10.0, 300_000),
    "stills": (480, 1.0, 150_000),
}
"""`?quality=`: lines, pictures a second, bits a second; 0 as the source has it."""

Move = Callable[[int], None]


def needs_of(plan: Plan, quality: str) -> Needs:
    """What a browser's offer says that it takes. Raises RemoteProtocolError (`bad-request`)."""
    if quality not in QUALITIES:
        raise RemoteProtocolError(f"quality is one of {', '.join(q for q in QUALITIES if q)}", code="bad-request")
    height, fps, bitrate = QUALITIES[quality]
    return Needs(
        video=_codecs(plan.video),
        audio=_codecs(plan.audio),
        b_frames=False,
        max_height=height,
        max_fps=fps,
        max_bitrate_bps=bitrate,
        mixes=True,
    )


def _codecs(chosen: Chosen | None) -> tuple[Codec, ...]:
    return tuple(dict.fromkeys(Codec(one.codec) for one in chosen.payloads)) if chosen is not None else ()


class Suiting:
    """`run` lasts as long as the viewing. `code` says why the viewer goes without its picture, empty while it does not;
    `making` that something is being made for it."""

    def __init__(self, viewing: Viewing, needs: Needs, move: Move) -> None:
        self._viewing = viewing
        self._needs = needs
        self._move = move
        self.suited: Suited | None = None
        self.making = False
        self.code = ""
        self.detail = ""

    async def run(self) -> None:
        changes = self._viewing.changes()
        asked: object = None
        try:
            async for status in changes:
                if status.tracks and (now := _matters(status)) != asked:
                    asked = now
                    await self._ask()
        finally:
            if isinstance(changes, AsyncGenerator):
                await changes.aclose()

    async def _ask(self) -> None:
        self.making = True
        try:
            suited = await self._viewing.suited(self._needs)
        except GatewayError as exc:
            self.code, self.detail = exc.code, str(exc)
            return
        finally:
            self.making = False
        self.suited = suited
        self.code = next((code for kind, code in suited.missing if kind == "video"), "")
        self.detail = ""
        try:
            self._move(suited.handle)
        except codecs.MediaError as exc:
            # The stream went while it was being asked for: the next change tells.
            self.code, self.detail = "convert-worker-died", str(exc)

    def words(self) -> tuple[str, str]:
        """Why there is no picture, or why it stands: code and detail."""
        if self.code:
            return self.code, self.detail
        if self.suited is not None and self.suited.rendition:
            for one in self._viewing.status.renditions:
                if one.name == self.suited.rendition:
                    return one.code, one.detail
        return "", ""

    @property
    def audio_missing(self) -> str:
        return next((code for kind, code in self.suited.missing if kind == "audio"), "") if self.suited else ""


def _matters(status: StreamStatus) -> object:
    """What of a status may change the answer."""
    return status.tracks, tuple((one.name, one.state, one.code) for one in status.renditions)


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
