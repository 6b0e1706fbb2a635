from __future__ import annotations

import pytest
from pydantic import ValidationError

from adapters.webrtc.config import IceServer, WebRtcConfig
from adapters.webrtc.resource import link_header


def test_defaults() -> None:
    config = WebRtcConfig()
    assert (config.port, config.max_sessions, config.addresses) == (8189, 256, [])


@pytest.mark.parametrize(
    "given",
    [
        {"port": 70000},
        {"addresses": ["nowhere"]},
        {"public_address": "kit.example"},
        {"codecs": []},
        {"codecs": ["h264", "h264"]},
        {"codecs": ["vp8"]},
        {"connect_timeout": "soon"},
        {"ice_servers": [{"url": "http://x"}]},
        {"ice_servers": [{"url": 'stun:a";x'}]},
        {"ice_servers": [{"url": "turn:a", "username": 'x"y'}]},
        {"unknown": 1},
    ],
)
def test_refuses(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        WebRtcConfig(**given)  # type: ignore[arg-type]


def test_viewers_are_told_the_ice_servers_and_nobody_else_the_credential() -> None:
    turn = IceServer(url="turn:relay.example:3478?transport=udp", username="kit", credential='se"cret')  # type: ignore[arg-type]
    link = link_header((IceServer(url="stun:stun.example:3478"), turn))
    assert link == (
        '<stun:stun.example:3478>; rel="ice-server", <turn:relay.example:3478?transport=udp>; rel="ice-server"; '
        'username="kit"; credential="se\\"cret"; credential-type="password"'
    )
    assert 'se"cret' not in repr(WebRtcConfig(ice_servers=[turn]))
