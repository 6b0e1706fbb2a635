"""Stream ids and SRT URLs, good and bad."""

from __future__ import annotations

import pytest

from adapters.srt.config import SrtConfig
from adapters.srt.protocol import (
    Dial,
    Mode,
    Request,
    Way,
    parse_query,
    parse_stream_id,
    selected_user,
    wanted_latency_ms,
)
from gateway.base.errors import RemoteProtocolError


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("#!::r=drone-1,m=publish,u=dji,s=secret", Request(Mode.PUBLISH, "drone-1", "dji", "secret")),
        ("#!::m=request,r=/ball-1/ch1", Request(Mode.REQUEST, "ball-1/ch1")),
        ("#!::r=ball-1", Request(Mode.REQUEST, "ball-1")),
        ("#!::r=a,m=publish,s=a%2Cb%3Dc,h=host,x-more=1,t=stream", Request(Mode.PUBLISH, "a", "", "a,b=c")),
        ("publish:drone-1", Request(Mode.PUBLISH, "drone-1")),
        ("publish:drone-1:dji:se:cret", Request(Mode.PUBLISH, "drone-1", "dji", "se:cret")),
        ("read:ball-1/ch1:key", Request(Mode.REQUEST, "ball-1/ch1", "", "key")),
        ("%23!::r=a%2Cm=publish,u=x,s=y", Request(Mode.PUBLISH, "a", "x", "y")),
        ("request:a", Request(Mode.REQUEST, "a")),
        ("drone%2D1", Request(Mode.PUBLISH, "drone-1")),
    ],
)
def test_stream_ids(text: str, wanted: Request) -> None:
    assert parse_stream_id(text) == wanted


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "srt-no-stream"),
        ("#!::m=publish", "srt-no-stream"),
        ("publish:", "srt-no-stream"),
        ("#!::r=a,m=bidirectional", "srt-mode"),
        ("#!::r=a,t=file", "srt-mode"),
        ("steal:a", "srt-mode"),
        ("#!:{r=a}", "bad-name"),
        ("publish:a\nb", "bad-name"),
        ("publish:a%00b", "bad-name"),
        ("%23!::r=a%0a", "bad-name"),
        ("#!::r=a%1b[2J", "bad-name"),
        ("x" * 513, "bad-name"),
        ("#!::" + "a=b," * 40, "bad-name"),
    ],
)
def test_bad_stream_ids_have_a_reason(text: str, code: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_stream_id(text)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "text",
    [
        "%23!::r=a,u=dji",
        "publish:a:dji:x",  # a short form is not what passphrases are chosen by
        "#!::r=a,u=d%6Ai",
        "#!:: u=dji,r=a",
        "#!::U=dji,r=a",
        "#!::r=u=dji",
        "#!::udji,r=a",
    ],
)
def test_nobody_is_taken_for_a_program_whose_passphrase_was_not_asked_for(text: str) -> None:
    assert selected_user(text) != "dji"


def test_the_first_user_counts_as_it_does_in_the_media_plane() -> None:
    assert selected_user("#!::r=a,u=dji,u=other") == "dji"
    assert parse_stream_id("#!::r=a,u=dji,u=other").user == "dji"
    assert selected_user("#!::u=,u=dji") == ""


@pytest.mark.parametrize(
    ("path", "host", "wanted"),
    [
        ("", "10.0.0.1", Dial()),
        ("/?mode=rendezvous", "10.0.0.1", Dial(Way.RENDEZVOUS)),
        ("/?passphrase=correct%20horse&latency=400", "", Dial(Way.LISTENER, "", "correct horse", 400)),
        ("/?streamid=%23!::r=a,m=request&localport=7000", "h", Dial(Way.CALLER, "#!::r=a,m=request", "", 0, 7000)),
        ("/?latency=120&rcvlatency=900", "h", Dial(latency_ms=900)),
    ],
)
def test_urls(path: str, host: str, wanted: Dial) -> None:
    assert parse_query(path, host) == wanted


@pytest.mark.parametrize(
    ("path", "host"),
    [
        ("/?mode=server", "h"),
        ("/?mode=caller", ""),
        ("/?mode=rendezvous", ""),
        ("/?latency=120ms", "h"),
        ("/?latency=999999", "h"),
        ("/?latency=-1", "h"),
        ("/?passphrase=short", "h"),
        ("/?streamid=a%0Ab", "h"),
        ("/?streamid=" + "x" * 513, "h"),
        ("/?localport=70000", "h"),
        ("/?" + "a=1&" * 40, "h"),
    ],
)
def test_bad_urls_are_told(path: str, host: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_query(path, host)
    assert caught.value.code == "bad-url"


def test_latency_is_three_round_trips_within_bounds() -> None:
    assert [wanted_latency_ms(rtt, 120, 2000) for rtt in (0.1, 100, 600, 5000)] == [120, 320, 1820, 2000]


def test_secrets_are_not_shown() -> None:
    config = SrtConfig.model_validate({"passphrase": "correct horse", "passphrases": {"dji": "battery staple"}})
    assert "horse" not in repr(config) and "staple" not in config.model_dump_json()
    for wrong in (
        {"passphrase": "short"},
        {"passphrases": {"a": "x" * 80}},
        {"latency_min": "3s", "latency_max": "1s"},
    ):
        with pytest.raises(ValueError, match=r"SRT passphrase|latency_min"):
            SrtConfig.model_validate(wrong)
    assert "secret" not in repr(parse_stream_id("publish:a:dji:secret"))
