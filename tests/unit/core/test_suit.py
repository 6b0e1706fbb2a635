"""What suits whom, and what is made where nothing does."""

from __future__ import annotations

import pytest

from gateway.base.errors import Unsupported
from gateway.contract.media import Needs
from gateway.convert.recipe import COPY, Recipe
from gateway.core.suit import misfit, passed_through, wanted
from gateway.model.media import Codec, StreamFigures, Track, TrackKind

BROWSER = Needs(video=(Codec.H264,), audio=(Codec.OPUS, Codec.PCMA), b_frames=False, mixes=True)
SOUND_ONLY, SILENT = Needs(video=(), audio=(Codec.OPUS,)), Needs(video=(Codec.H264,), audio=())
PROGRAM = Needs(video=(Codec.H264, Codec.H265), audio=(Codec.AAC,))


def video(codec: Codec = Codec.H264, *, b_frames: bool = False, size: tuple[int, int] = (1920, 1080)) -> Track:
    return Track(TrackKind.VIDEO, codec, 90_000, 1, *size, b_frames=b_frames)


def audio(codec: Codec) -> Track:
    return Track(TrackKind.AUDIO, codec, 8_000)


def test_a_reader_that_follows_no_change_is_kept_on_what_it_was_begun_with() -> None:
    program = Needs(video=(Codec.H264, Codec.H265), audio=(Codec.AAC, Codec.OPUS))
    assert program.begun(()) == program
    assert program.begun((video(), audio(Codec.AAC))) == Needs(video=(Codec.H264,), audio=(Codec.AAC,))
    # H.265 is made of nothing: it is better to send another codec than none.
    assert program.begun((video(Codec.H265),)) == program


@pytest.mark.parametrize(
    ("tracks", "needs", "recipe", "why"),
    [
        # What fits is passed through; G.711 to a browser is the media plane's own affair.
        ((video(), audio(Codec.PCMA)), BROWSER, None, ()),
        ((video(), audio(Codec.G722)), BROWSER, None, ()),
        ((video(Codec.H265), audio(Codec.AAC)), PROGRAM, None, ()),
        ((video(b_frames=True),), PROGRAM, None, ()),
        # What does not is made; the other track goes on as it is.
        ((video(Codec.H265), audio(Codec.PCMA)), BROWSER, Recipe("h264", COPY), ("convert-codec",)),
        ((video(b_frames=True),), BROWSER, Recipe("h264"), ("convert-b-frames",)),
        ((video(), audio(Codec.AAC)), BROWSER, Recipe(COPY, "opus"), ("convert-audio",)),
        ((video(Codec.MJPEG), audio(Codec.AAC)), BROWSER, Recipe("h264", "opus"), ("convert-codec", "convert-audio")),
        # A program that needs AAC takes no G.711 by itself: nobody mixes for it.
        ((video(), audio(Codec.PCMA)), PROGRAM, Recipe(COPY, "aac"), ("convert-audio",)),
        # Nothing of a kind is made for who wants none of it.
        ((video(Codec.H265), audio(Codec.AAC)), SOUND_ONLY, Recipe("", "opus"), ("convert-audio",)),
        ((video(Codec.H265), audio(Codec.AAC)), SILENT, Recipe("h264", ""), ("convert-codec",)),
    ],
)  # fmt: skip
def test_what_is_made(tracks: tuple[Track, ...], needs: Needs, recipe: Recipe | None, why: tuple[str, ...]) -> None:
    wants = wanted(tracks, needs)
    assert (wants.recipe, wants.why, wants.missing) == (recipe, why, ())
    assert (recipe is None) is all(not misfit(t, needs) for t in tracks if (needs.video if t.width else needs.audio))


def test_a_smaller_picture_is_made_only_of_a_larger_one() -> None:
    low = Needs(video=(Codec.H264,), audio=(), b_frames=False, max_height=360, max_fps=10, max_bitrate_bps=300_000)
    made = wanted((video(),), low)
    assert (made.recipe, made.why) == (Recipe("h264", "", 360, 10, 300_000), ("convert-smaller",))
    assert misfit(video(), low) == misfit(video(size=(360, 640)), low, StreamFigures(fps=25.0)) == "picture-too-large"
    # Upright pictures of phones: lines are of the shorter side.
    upright = video(size=(360, 640))
    slow = StreamFigures(fps=8.0, bitrate_bps=250_000)
    assert wanted((upright,), low, slow).recipe is None
    assert wanted((upright,), low, StreamFigures(fps=25.0, bitrate_bps=250_000)).recipe is not None
    assert wanted((upright,), low, StreamFigures(fps=8.0, bitrate_bps=2_000_000)).recipe is not None


def test_what_nothing_can_be_made_of() -> None:
    with pytest.raises(Unsupported) as refused:
        wanted((video(Codec.H264),), Needs(video=(Codec.H265,)))
    assert refused.value.code == "codec-unsupported"
    # Sound that can not be had leaves the picture.
    wants = wanted((video(), audio(Codec.AAC)), Needs(audio=(Codec.G722,)))
    assert (wants.recipe, wants.missing) == (None, (("audio", "audio-unsupported"),))
    suited = passed_through(7, (video(), audio(Codec.AAC)), Needs(audio=(Codec.G722,)), wants.missing)
    assert [track.codec for track in suited.tracks] == [Codec.H264] and suited.missing == wants.missing


def test_sound_alone_is_left_where_there_is_no_room_for_the_picture() -> None:
    wants = wanted((video(Codec.H265), audio(Codec.AAC)), BROWSER)
    assert wants.sound_only == Recipe(audio="opus")
    assert wanted((video(Codec.H265), audio(Codec.PCMA)), BROWSER).sound_only is None
