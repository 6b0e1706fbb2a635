"""Sound in one codec, out in another. Its times follow the source's, so that it stays with the picture."""

from __future__ import annotations

from fractions import Fraction

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame

from gateway.convert.pictures import Out
from gateway.convert.recipe import Recipe
from gateway.convert.records import Track, Unit

DECODERS = {
    "aac": "aac", "pcma": "pcm_alaw", "pcmu": "pcm_mulaw", "opus": "libopus", "g722": "g722", "l16": "pcm_s16be",
    "mp2": "mp2", "ac3": "ac3", "eac3": "eac3",
}  # fmt: skip
JUMP_S = 0.1
"""The source's times may stray from ours by this (loss, restart) before ours follow."""


class Sound:
    def __init__(self, recipe: Recipe, out: Out) -> None:
        self._target = recipe.audio
        self._out = out
        self._track: Track | None = None
        self._decoder: AudioCodecContext | None = None
        self._encoder: AudioCodecContext | None = None
        self._resampler: av.AudioResampler | None = None
        self._input: tuple[int, str, str] = (0, "", "")
        self._begin = 0  # place of the first sample since the last jump, in samples of what comes out
        self._fed = 0.0
        self._out_samples = 0
        self._newest: int | None = None
        self.fed = 0
        self.made = 0
        self.errors = 0

    @property
    def words(self) -> str:
        return f"{self._track.codec} → {self._target}" if self._track is not None else ""

    def track(self, track: Track) -> None:
        if self._track is None or (track.codec, track.clock_hz, track.channels, track.sets) != (
            self._track.codec, self._track.clock_hz, self._track.channels, self._track.sets,
        ):  # fmt: skip
            self._decoder = self._open_decoder(track)
            self._encoder = self._resampler = None
        self._track = track

    def feed(self, unit: Unit) -> None:
        if self._decoder is None or self._track is None or unit.codec != self._track.codec:
            return
        self.fed += 1
        place_s = unit.pts / self._track.clock_hz
        for part in unit.parts:
            try:
                frames = self._decoder.decode(av.Packet(part))
                for frame in frames:
                    self._take(frame, place_s)
                    place_s += frame.samples / frame.sample_rate
            except (av.FFmpegError, ValueError):
                self.errors += 1

    def _open_decoder(self, track: Track) -> AudioCodecContext:
        context = av.CodecContext.create(DECODERS[track.codec], "r")
        assert isinstance(context, AudioCodecContext)  # noqa: S101 - for the type checker
        layout = "stereo" if track.channels > 1 else "mono"
        if track.codec == "aac":
            if track.sets:
                context.extradata = track.sets[0]
        else:
            context.sample_rate = {"g722": 16_000, "opus": 48_000}.get(track.codec, track.clock_hz)
            context.layout = layout
        return context

    def _open_encoder(self, channels: int) -> AudioCodecContext:
        name, rate, form = {
            "opus": ("libopus", 48_000, "s16"), "aac": ("aac", 48_000, "fltp"), "pcma": ("pcm_alaw", 8_000, "s16"),
        }[self._target]  # fmt: skip
        stereo = channels > 1 and self._target != "pcma"
        context = av.CodecContext.create(name, "w")
        assert isinstance(context, AudioCodecContext)  # noqa: S101 - for the type checker
        context.sample_rate, context.layout, context.format = rate, "stereo" if stereo else "mono", form
        context.time_base = Fraction(1, rate)
        if self._target != "pcma":
            context.bit_rate = {("opus", False): 32_000, ("opus", True): 64_000}.get(
                (self._target, stereo), 128_000 if stereo else 64_000
            )
        if self._target == "opus":
            context.options = {"application": "audio", "frame_duration": "20"}
        context.open()
        sets = (bytes(context.extradata),) if self._target == "aac" and context.extradata else ()
        self._out.track(Track(self._target, rate, sample_rate_hz=rate, channels=2 if stereo else 1, sets=sets))
        return context

    def _take(self, frame: AudioFrame, place_s: float) -> None:
        if self._encoder is None:
            self._encoder = self._open_encoder(frame.layout.nb_channels)
        encoder = self._encoder
        rate = encoder.sample_rate
        place = round(place_s * rate)
        given = (frame.sample_rate, frame.format.name, frame.layout.name)
        if self._resampler is None or given != self._input or abs(self._begin + self._fed - place) > JUMP_S * rate:
            # What was begun of a frame goes: it is less than one.
            self._input = given
            self._resampler = av.AudioResampler(
                encoder.format, encoder.layout, rate, frame_size=encoder.frame_size or rate // 50
            )
            self._begin = place if self._newest is None else max(place, self._newest + 1)
            self._fed, self._out_samples = 0.0, 0
        self._fed += frame.samples * rate / frame.sample_rate
        frame.pts = None
        for piece in self._resampler.resample(frame):
            piece.pts, piece.time_base = self._begin + self._out_samples, Fraction(1, rate)
            self._out_samples += piece.samples
            self._newest = piece.pts
            for packet in encoder.encode(piece):
                pts = piece.pts if packet.pts is None else packet.pts
                self.made += 1
                self._out.unit(Unit(self._target, (bytes(packet),), pts, pts, True))
