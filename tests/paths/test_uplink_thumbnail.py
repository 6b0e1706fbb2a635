"""What the center really receives, shown on the kit's own page: its picture, its age, and that the age grows by itself
when nothing arrives any more."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import av
import httpx
import pytest

from tests.paths.uplink_rig import STREAM, comes, county
from tests.peers.stage import Ports, ports
from tests.unit.webrtc.client import only_loopback

BY_CENTER = "/api/v1/kits/county/thumbnail.jpg"
"""At the kit: by the name of the center that receives it."""


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Ports, Ports]]:
    only_loopback(monkeypatch)
    with ExitStack() as stack:
        yield stack.enter_context(ports()), stack.enter_context(ports())


def shown(answer: httpx.Response) -> tuple[int, int]:
    """Width and height of the JPEG, decoded by a library that is not ours."""
    assert answer.headers["Content-Type"] == "image/jpeg"
    with av.open(io.BytesIO(answer.content), "r", format="mjpeg") as file:
        picture = next(file.decode(video=0))
        return picture.width, picture.height


def age_s(answer: httpx.Response) -> float:
    return float(answer.headers["Fieldgate-Picture-Age"])


async def test_the_kit_sees_what_arrives_and_how_old_it_is(tmp_path: Path, free: tuple[Ports, Ports]) -> None:
    async with (
        county(tmp_path, *free, center="thumbnails = '2s'\n") as made,
        made.center.person() as anna,
        made.kit.person(name="driver") as driver,
    ):
        await made.here()
        assert (await driver.get(BY_CENTER)).json()["code"] == "thumbnail-none", "nobody watches: nothing arrives"

        async def arrived() -> httpx.Response | None:
            answer = await driver.get(BY_CENTER)
            return answer if answer.status_code == 200 else None

        async with made.viewer(anna) as viewer:
            await viewer.sees()
            answer = await comes("a picture of what the center receives", arrived)
            assert answer.headers["Fieldgate-Picture-Stream"] == STREAM
            assert shown(answer) == (320, 180), "the ball's own shape"
            (center,) = (await driver.get("/api/v1/kits/kit7")).json()["centers"]
            assert center["thumbnail_at"] is not None, "the page has something to show"
            # The links die: the kit's page keeps the last picture, and says how old it is.
            made.net.cut = True
            last = await driver.get(BY_CENTER)

            async def older() -> bool:
                now = await driver.get(BY_CENTER)
                return now.content == last.content and age_s(now) > age_s(last) + 3.0

            await comes("an age that grows while nothing arrives", older)
            made.net.cut = False

            async def newer() -> bool:
                now = await driver.get(BY_CENTER)
                return now.content != last.content and age_s(now) < 3.0

            await viewer.sees()
            await comes("a new picture when the links are back", newer)
