"""URLs: what is built reads back, nothing that is shown holds a secret, nothing but RemoteProtocolError comes out."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.base.errors import RemoteProtocolError
from gateway.base.url import MAX_CHARACTERS, parse_url, shown_url
from tests.properties import fuzz_text

WORD = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Cn", "Zl", "Zp")), min_size=1, max_size=20)
HOST = st.from_regex(r"[a-z0-9]{1,10}(\.[a-z0-9]{1,10}){0,3}", fullmatch=True)


@given(WORD, WORD, HOST, st.integers(1, 65535), st.from_regex(r"(/[a-z0-9]{1,8}){0,4}", fullmatch=True))
def test_round_trip(user: str, password: str, host: str, port: int, path: str) -> None:
    secret = f"{password}-secret-0123456789"
    text = f"rtsp://{quote(user, safe='')}:{quote(secret, safe='')}@{host}:{port}{path}?key=secret-0123456789#program=2"
    if len(text) > MAX_CHARACTERS:
        return
    url = parse_url(text)
    assert (url.user, url.password, url.host, url.port) == (user, secret, host, port)
    assert url.path == f"{path or '/'}?key=secret-0123456789" or url.path == f"{path}?key=secret-0123456789"
    assert url.options == {"program": "2"}
    for shown in (str(url), repr(url), shown_url(text)):
        assert "secret-0123456789" not in shown and host in shown


@given(st.text(max_size=300))
def test_arbitrary_text(text: str) -> None:
    assert fuzz_text.attempt("url", text.encode("utf-8", "surrogatepass")) is None


@pytest.mark.parametrize(
    "text",
    [
        "", "rtsp", "rtsp://", "rtsp:///path", "//host/path", "rtsp://ho st/", "rtsp://host/\r\nDESCRIBE", "rtsp://h\0/",
        "rtsp://host:99999/", "rtsp://host:-1/", "rtsp://[::1/", "rtsp://a..b/", "rtsp://host/%0d%0aX", "1rtsp://host/",
        "rtsp://us%00er@host/", "rtsp://user:a%0ab@host/", "rtsp://host/#=&&=", "rtsp://ho|st/", "v4l2://host/dev",
        f"rtsp://host/{'a' * 2100}", "rtsp://host/#" + "&".join(f"a{i}=1" for i in range(17)),
    ],
)  # fmt: skip
def test_what_is_none(text: str) -> None:
    with pytest.raises(RemoteProtocolError) as bad:
        parse_url(text)
    assert bad.value.code == "bad-url" and (len(text) < 8 or text not in str(bad.value))


def test_some_ways_to_write_them() -> None:
    assert str(parse_url("udp://@239.1.1.1:5000")) == "udp://239.1.1.1:5000"
    assert parse_url("v4l2:/dev/video0#size=1280x720").path == "/dev/video0"
    assert str(parse_url("rtsp://[2001:db8::1]:554/1")) == "rtsp://[2001:db8::1]:554/1"
    assert str(parse_url("rtmp://live.example/app/0123-key")) == "rtmp://live.example/app/…"
    assert parse_url("srt://:9000?mode=listener").port == 9000


def test_short_fuzz() -> None:
    tried, found = fuzz_text.run("url", seed=20261129, rounds=6000)
    assert tried == 6000 and found == []


def test_the_kept_corpus() -> None:
    assert [w for data in fuzz_text.corpus_of("url") if (w := fuzz_text.attempt("url", data))] == []
