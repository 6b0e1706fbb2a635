"""The handshake: our two sides, cut anywhere; digests, strangers."""

from __future__ import annotations

import pytest

from adapters.rtmp.protocol.handshake import BLOCK, ClientHandshake, ServerHandshake
from gateway.base.errors import RemoteProtocolError


@pytest.mark.parametrize("cut", [1, 7, 1536, 5000])
def test_both_sides_of_ours_agree_however_they_are_cut(cut: int) -> None:
    client, server = ClientHandshake(), ServerHandshake()
    to_server, to_client = client.hello(), b""
    while to_server or to_client:
        piece, to_server = to_server[:cut], to_server[cut:]
        if piece:
            to_client += server.receive(piece)
        piece, to_client = to_client[:cut], to_client[cut:]
        if piece:
            answer = client.receive(piece)
            to_server += answer + (b"first chunk" if answer else b"")
    assert client.done
    assert server.done
    # What came behind C2, as far as it was cut into the same piece.
    assert b"first chunk".startswith(server.rest)


def test_c1_is_echoed_and_flashs_digest_is_answered_simply() -> None:
    c1 = bytes((0, 0, 0, 1, 128, 0, 7, 2)) + bytes(range(256)) * 5 + bytes(BLOCK - 8 - 1280)
    server = ServerHandshake()
    answer = server.receive(b"\x03" + c1)
    assert len(answer) == 1 + 2 * BLOCK
    assert answer[1 + BLOCK :] == c1
    # A version of 0 says: no digest.
    assert answer[5:9] == bytes(4)
    assert not server.done
    # Some echo anything but S1.
    server.receive(bytes(BLOCK) + b"\x03\x00")
    assert server.done
    assert server.rest == b"\x03\x00"


@pytest.mark.parametrize(
    ("first", "code"),
    [(b"\x06", "rtmp-rtmpe"), (b"GET /", "rtmp-not"), (b"\x00", "rtmp-not"), (b"\x16\x03", "rtmp-not")],
)
def test_strangers_are_told_apart_by_their_first_byte(first: bytes, code: str) -> None:
    for side in (ServerHandshake(), ClientHandshake()):
        with pytest.raises(RemoteProtocolError) as refused:
            side.receive(first)
        assert refused.value.code == code
