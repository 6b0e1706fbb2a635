"""What a camera offers: its profiles as channels and streams, opened by the URL that it tells, its stills."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from adapters.onvif.memory import MAX_KEPT_PROFILES
from adapters.onvif.protocol import media
from adapters.onvif.protocol.media import Profile
from adapters.onvif.protocol.soap import MEDIA, MEDIA2, PTZ, SoapFault
from gateway.base.errors import LinkDown, NotFound, RemoteProtocolError
from gateway.contract.adapter import Context
from gateway.contract.device import ChannelReport
from gateway.contract.media import Offer, Publication
from gateway.model.device import Capabilities
from gateway.model.ids import StreamId, stream_id

if TYPE_CHECKING:
    from adapters.onvif.camera import Camera

log = logging.getLogger(__name__)


class Offers:
    def __init__(self, camera: Camera, context: Context) -> None:
        self._camera = camera
        self._context = context
        self._space = MEDIA
        self._offered: dict[str, tuple[StreamId, StreamId | None]] = {}
        """By profile: its stream, and that of the larger picture."""

    @property
    def space(self) -> str:
        """The media service that it is asked by."""
        return self._space

    @property
    def version(self) -> str:
        """Of the profile that it follows, "T" or "S"."""
        return "T" if self._space == MEDIA2 else "S"

    def withdraw(self) -> None:
        for stream, _ in self._offered.values():
            self._context.streams.withdraw(stream)

    async def ask(self) -> list[Profile]:
        """Profile T first: it alone tells H.265."""
        camera = self._camera
        for space in (MEDIA2, MEDIA):
            if space not in camera.line:
                continue
            try:
                found = media.read_profiles(await camera.line.ask(space, media.get_profiles(space)))
            except (SoapFault, RemoteProtocolError) as exc:
                log.info("%s: profiles of %s: %s", camera, space, exc)
                continue
            if found:
                self._space = space
                return found
        return []

    def offer(self, profiles: Sequence[Profile]) -> None:
        camera = self._camera
        lens = camera.control.lens_of
        mains = {p.source: p.token for p in profiles if p.rank == 0}
        reports = [
            ChannelReport(
                external_id=p.token,
                name=_title(p, profiles),
                parent=mains.get(p.source, "") if p.rank else "",
                capabilities=Capabilities(
                    ptz=p.can_pan and PTZ in camera.line,
                    zoom=p.can_zoom and PTZ in camera.line,
                    focus=lens(p.source).focus,
                    iris=lens(p.source).iris is not None,
                    presets=bool(p.ptz_node) and PTZ in camera.line,
                    audio_in=bool(p.audio),
                    talk_back=p.talk_back,
                ),
            )
            for p in profiles
        ]
        kept = [[r.external_id, r.name, p.rank] for r, p in zip(reports, profiles, strict=True)]
        camera.remember(profiles=kept[:MAX_KEPT_PROFILES])
        self._publish(camera.attached.channels(reports), {r.external_id: r.name for r in reports})

    def remembered(self) -> None:
        """Before it has answered, viewers find its streams by name and read why there is no picture."""
        camera = self._camera
        known = [ChannelReport(token, name) for token, name, _ in camera.memory.profiles]
        if known:
            keys = camera.attached.channels(known, complete=False)
            self._publish(keys, {r.external_id: r.name for r in known})

    def _publish(self, keys: dict[str, str], names: dict[str, str]) -> None:
        camera = self._camera
        title = camera.setting.title or camera.admitted.name
        offered: dict[str, tuple[StreamId, StreamId | None]] = {}
        for token, key in keys.items():
            stream = stream_id(camera.admitted.id, key)
            main = keys.get(self._larger(token))
            larger = stream_id(camera.admitted.id, main) if main is not None else None
            offered[token] = (stream, larger)
            if self._offered.get(token) != (stream, larger):
                name = f"{title} {names[token]}" if len(keys) > 1 else title
                labels = {"source": "onvif", "profile": token}
                self._context.streams.offer(
                    Offer(
                        stream,
                        camera.admitted.id,
                        name,
                        partial(self._open, token),
                        labels=labels,
                        still=partial(self.still, token),
                        larger=larger,
                        encoder=partial(camera.encoders.limit, token),
                    )
                )
        for token, (stream, _) in self._offered.items():
            if token not in offered:
                self._context.streams.withdraw(stream)
        self._offered = offered

    def _larger(self, token: str) -> str:
        """The main profile of the same lens, of one that is not it."""
        camera = self._camera
        found = camera.profiles.get(token)
        if found is None or not found.rank:
            return ""
        return next((p.token for p in camera.profiles.values() if p.source == found.source and not p.rank), "")

    async def _open(self, token: str, publication: Publication) -> None:
        """See contract.media.Open: its URL is asked for anew, since some are good for one connection only."""
        camera = self._camera
        publication.say("opening", "onvif")
        try:
            url = await self.stream_url(token)
        except LinkDown:
            camera.look()
            raise
        publication.on_key_frame_wanted(partial(camera.control.key_frame, token))
        source = self._context.sources.parse(url)
        # Somebody admitted it by its address: a private network is where it belongs.
        source = replace(source, user=camera.setting.user, password=camera.setting.password, trusted=True)
        profile = camera.profiles.get(token)
        if profile is not None and profile.talk_back:
            # Its loudspeaker comes with its picture (ONVIF Streaming §5.3: the back channel).
            source = replace(source, options={**source.options, "talk": "1"})
        await self._context.sources.open(source, publication)

    async def stream_url(self, token: str) -> str:
        """RTSP URL of a profile, at the host we reach the camera at, without a user in it."""
        camera = self._camera
        if token not in camera.profiles and camera.profiles:
            raise NotFound(f"{camera} has no profile {token} any more", code="onvif-no-media")
        answer = await camera.line.ask(self._space, media.get_stream_uri(self._space, token))
        return media.at_host(media.read_uri(answer), camera.line.host, camera.setting.rtsp_port)

    async def still(self, token: str) -> bytes:
        """A JPEG of a profile, made by the camera (contract.media.Offer.still). Raises GatewayError."""
        camera = self._camera
        answer = await camera.line.ask(self._space, media.get_snapshot_uri(self._space, token))
        return await camera.line.fetch(camera.line.place(media.read_uri(answer)))

    async def key_frame(self, token: str) -> None:
        camera = self._camera
        await camera.line.ask(self._space, media.sync_point(self._space, token))

    def channel_of(self, source: str) -> str:
        """Key of the main channel of a lens; of the first lens where the camera does not say which."""
        camera = self._camera
        mains = [p for p in camera.profiles.values() if p.rank == 0]
        found = next((p for p in mains if p.source == source), mains[0] if len(mains) == 1 else None)
        offered = self._offered.get(found.token) if found is not None else None
        return offered[0].rpartition("/")[2] if offered is not None else ""


def _title(profile: Profile, all_: Sequence[Profile]) -> str:
    if profile.name:
        return profile.name
    word = {0: "main", 1: "sub"}.get(profile.rank, f"sub {profile.rank}")
    return f"{profile.source} {word}" if len({p.source for p in all_}) > 1 else word
