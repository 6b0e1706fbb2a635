"""What senders write into their two fields."""

from __future__ import annotations

import pytest

from adapters.rtmp.config import RtmpConfig
from adapters.rtmp.far import app_and_stream
from adapters.rtmp.protocol.names import Asked, asked
from gateway.base.errors import RemoteProtocolError
from gateway.base.url import parse_url

APPS = tuple(RtmpConfig().apps)


@pytest.mark.parametrize(
    ("app", "stream", "found"),
    [
        ("live", "drone-1?key=S", Asked("drone-1", key="S")),
        ("live/", "drone-1?user=u&pass=p%26q", Asked("drone-1", "u", "p&q")),
        ("live?key=S", "drone-1/cam", Asked("drone-1/cam", key="S")),
        ("drone-1", "S", Asked("drone-1/S")),
        ("live/drone-1", "S", Asked("drone-1/S")),
        ("live", "S", Asked("S")),
        ("live/_definst_", "flv:drone-1", Asked("drone-1")),
        ("", "live/drone-1", Asked("drone-1")),
        ("live", "", Asked("live")),
    ],
)
def test_names_and_what_proves_them(app: str, stream: str, found: Asked) -> None:
    assert asked(app, stream, APPS) == found
    assert "S" not in repr(Asked("x", key="SECRET", password="SECRET"))


@pytest.mark.parametrize(
    ("app", "stream"), [("", ""), ("/", "?key=S"), ("live", "a\x00b"), ("x", "y" * 500), ("a", "b?" + "k=1&" * 40)]
)
def test_names_that_can_not_be(app: str, stream: str) -> None:
    with pytest.raises(RemoteProtocolError) as refused:
        asked(app, stream, APPS)
    assert refused.value.code == "bad-name"


@pytest.mark.parametrize(
    ("url", "app", "stream"),
    [
        ("rtmp://h/live/cam?key=1", "live", "cam?key=1"),
        ("rtmp://h/live/_definst_/cam", "live/_definst_", "cam"),
        ("rtmp://h/app/a/b#app=app", "app", "a/b"),
        ("rtmp://h/cam", "cam", ""),
        ("rtmp://u:p%26q@h/live/cam", "live", "cam?user=u&pass=p%26q"),
        ("rtmp://u:p@h/live/cam?key=1", "live", "cam?key=1&user=u&pass=p"),
    ],
)
def test_where_the_application_ends(url: str, app: str, stream: str) -> None:
    assert app_and_stream(parse_url(url)) == (app, stream)


def test_a_url_without_application_is_refused() -> None:
    with pytest.raises(RemoteProtocolError):
        app_and_stream(parse_url("rtmp://h"))
