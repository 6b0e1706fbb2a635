"""Link bundles: keys, and orders that can not be carried out."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from gateway import codecs

BOB = bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
BOB_PUBLIC = bytes.fromhex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f")


@pytest.fixture
def engine() -> Iterator[codecs.Engine]:
    made = codecs.Engine()
    yield made
    made.close()


def test_keys() -> None:
    """RFC 7748 §6.1; a new pair otherwise."""
    assert codecs.bundle_keys(BOB) == (BOB, BOB_PUBLIC)
    first, second = codecs.bundle_keys(), codecs.bundle_keys()
    assert first != second and codecs.bundle_keys(first[0]) == first
    with pytest.raises(codecs.MediaError, match="32 bytes"):
        codecs.bundle_keys(b"short")


def test_what_can_not_be_carried_out_says_why(engine: codecs.Engine) -> None:
    def dial(**wrong: object) -> None:
        right = {"private": BOB, "peer": BOB_PUBLIC, "gateway": "kit", "boot": 1}
        engine.bundle_dial(**(right | wrong))  # type: ignore[arg-type]

    with pytest.raises(codecs.MediaError, match="suite 9"):
        dial(suite=9)
    with pytest.raises(codecs.MediaError, match="32 bytes"):
        dial(peer=b"")
    with pytest.raises(codecs.MediaError, match="gateway id"):
        dial(gateway="")
    with socket.socket() as tcp, pytest.raises(codecs.MediaError, match="another type"):
        engine.bundle_listen(tcp.detach(), private=BOB)
    with pytest.raises(codecs.MediaError, match="not open"):
        engine.bundle_stream(7, 9999, purpose="rpc")
    with pytest.raises(codecs.MediaError, match="no such"):
        engine.bundle_stats(7)
    for wrong, word in (
        ({"klass": "picture"}, "class"),
        ({"mode": "all"}, "mode"),
        ({"playout_ms": 20_000}, "playout"),
    ):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, pytest.raises(codecs.MediaError, match=word):
            engine.bundle_flow(7, 1, ours.detach(), carries="frames", way="out", **wrong)  # type: ignore[arg-type]
        with pytest.raises(OSError):
            theirs.send(b"the plane has closed its end")
