"""URLs as they may be shown: no secret in them, wherever a device wants it."""

from __future__ import annotations

import pytest

from gateway.base.errors import RemoteProtocolError
from gateway.base.url import parse_url, shown_url

SECRET = "tlJwpbo6"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "rtsp://10.0.0.9:554/user=admin_password=tlJwpbo6_channel=1_stream=0.sdp?real_stream",
            "rtsp://10.0.0.9:554/user=admin_password=…_channel=1_stream=0.sdp",
        ),
        (
            "rtsp://10.0.0.9/user=admin&password=tlJwpbo6&channel=1&stream=0.sdp?",
            "rtsp://10.0.0.9/user=admin&password=…&channel=1&stream=0.sdp",
        ),
        ("rtsp://10.0.0.9/user=admin_password=a_tlJwpbo6_channel=1", "rtsp://10.0.0.9/user=admin_password=…_channel=1"),
        ("rtsp://10.0.0.9/User=admin_Password=tlJwpbo6", "rtsp://10.0.0.9/User=admin_Password=…"),
        ("rtsp://10.0.0.9/user%3Dadmin%5Fpassword%3DtlJwpbo6%5Fx", "rtsp://10.0.0.9/user%3Dadmin%5Fpassword%3D…"),
        ("rtsp://10.0.0.9/live;usr=a;pwd=tlJwpbo6;ch=1/x", "rtsp://10.0.0.9/live;usr=a;pwd=…;ch=1/x"),
        ("http://cloud.example/live/token=tlJwpbo6/1.m3u8?sign=tlJwpbo6", "http://cloud.example/live/token=…/1.m3u8"),
        ("rtsp://admin:tlJwpbo6@10.0.0.9/ch1?psw=tlJwpbo6#x=tlJwpbo6", "rtsp://10.0.0.9/ch1"),
        ("rtsp://10.0.0.9/passage/2/keyboard", "rtsp://10.0.0.9/passage/2/keyboard"),
    ],
)
def test_no_secret_is_shown(text: str, shown: str) -> None:
    for found in (str(parse_url(text)), shown_url(text)):
        assert found == shown and SECRET not in found
    assert SECRET not in repr(parse_url(text))


def test_what_is_asked_for_keeps_it() -> None:
    path = "/user=admin_password=tlJwpbo6_channel=1_stream=0.sdp?real_stream"
    assert parse_url(f"rtsp://10.0.0.9{path}").path == path


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://admin:p@ss/w@10.0.0.9:554/ch1",  # "ss" would be the host, and "w" be shown
        "rtsp://admin:12/tlJwpbo6@10.0.0.9/ch1",
        "rtsp://admin:pa/tlJwpbo6@10.0.0.9/ch1",
        "rtsp://admin:p#tlJwpbo6@camera.example:554/ch1",
        "rtsp://admin:1?tlJwpbo6@10.0.0.9",
    ],
)
def test_a_password_that_cuts_the_url_is_told(text: str) -> None:
    with pytest.raises(RemoteProtocolError, match="percent-encoded") as told:
        parse_url(text)
    assert SECRET not in str(told.value) and shown_url(text) == "rtsp:…"


@pytest.mark.parametrize(
    "text", ["rtsp://10.0.0.9/live@main", "http://relay.example/?url=rtsp://a:b@10.0.0.9:554/1", "rtsp://a:p@ss@h/1"]
)
def test_an_at_that_is_no_password_passes(text: str) -> None:
    parse_url(text)
