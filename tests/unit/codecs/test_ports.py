"""One UDP port for all: whose a datagram is, and who may become whose."""

from __future__ import annotations

import os
import socket

import pytest

from gateway import codecs
from tests.unit.codecs.rig import Rig, stun, udp

DTLS = b"\x16\xfe\xfd" + bytes(10)


def send(rig: Rig, s: socket.socket, data: bytes) -> tuple[str, int]:
    s.sendto(data, rig.address)
    here: tuple[str, int] = s.getsockname()
    return here


def counted(rig: Rig, n: int) -> None:
    """The port has dropped `n` STUN messages: what was sent before them was handled too."""
    while rig.engine.engine_stats()["stun_unknown"] < n:
        rig.settle()


def test_stun_comes_up_by_ufrag_and_dtls_by_address(rig: Rig) -> None:
    one, two = rig.engine.open_session("one"), rig.engine.open_session("two")
    a, b = udp(), udp()
    here = send(rig, a, stun("two:remote"))
    event = rig.wait(codecs.Datagram)
    assert (event.session, event.port, (event.host, event.host_port)) == (two, rig.port, here)
    assert event.data[:2] == b"\x00\x01"
    send(rig, b, stun("one:remote"))
    assert rig.wait(codecs.Datagram).session == one
    send(rig, b, DTLS)
    event = rig.wait(codecs.Datagram)
    assert (event.session, event.data) == (one, DTLS)


def test_strangers_are_dropped_and_counted(rig: Rig) -> None:
    rig.engine.open_session("known")
    s = udp()
    for data in (DTLS, stun("unknown:x"), b"\x00\x01", os.urandom(40), b"\x80" + bytes(60), b"\x50garbage", b""):
        send(rig, s, data)
    send(rig, s, stun("nobody:x"))
    counted(rig, 3)
    assert not [e for e in rig.seen if isinstance(e, codecs.Datagram)]


def test_an_address_counts_only_with_the_password(rig: Rig) -> None:
    session = rig.engine.open_session("frag", pwd="the-local-password")
    thief, friend = udp(), udp()
    send(rig, thief, stun("frag:x"))
    send(rig, thief, stun("frag:x", "a-wrong-password"))
    send(rig, thief, DTLS)
    counted(rig, 2)
    assert not rig.seen
    here = send(rig, friend, stun("frag:x", "the-local-password"))
    event = rig.wait(codecs.Datagram)
    assert event.session == session and (event.host, event.host_port) == here
    send(rig, friend, DTLS)
    assert rig.wait(codecs.Datagram).data == DTLS


def test_answers_to_our_checks_find_their_session(rig: Rig) -> None:
    session = rig.engine.open_session("frag", pwd="secret")
    s = udp()
    host, port = s.getsockname()
    rig.engine.send_datagram(session, rig.port, stun("x:frag", "remote"), host, port)
    assert s.recvfrom(2000)[1] == rig.address
    send(rig, s, stun("", "remote", kind=0x0101))
    assert rig.wait(codecs.Datagram).session == session
    # An answer does not make it the session's address: DTLS from there is not taken.
    send(rig, s, DTLS)
    send(rig, s, stun("nobody:x"))
    counted(rig, 1)
    assert not [e for e in rig.seen if isinstance(e, codecs.Datagram)]


def test_a_ufrag_is_taken_until_its_session_closes(rig: Rig) -> None:
    session = rig.engine.open_session("frag")
    with pytest.raises(codecs.MediaError, match="taken"):
        rig.engine.open_session("frag")
    rig.engine.close_session(session)
    again = rig.engine.open_session("frag")
    assert again != session
    s = udp()
    send(rig, s, stun("frag:x"))
    assert rig.wait(codecs.Datagram).session == again


def test_nothing_is_sent_for_a_closed_session(rig: Rig) -> None:
    session = rig.engine.open_session("frag")
    s = udp()
    host, port = s.getsockname()
    rig.engine.send_datagram(session, rig.port, b"\x14first", host, port)
    rig.engine.close_session(session)
    rig.engine.send_datagram(session, rig.port, b"\x14second", host, port)
    rig.settle()
    assert s.recv(100) == b"\x14first"
    s.setblocking(False)
    with pytest.raises(BlockingIOError):
        s.recv(100)


def test_the_address_table_of_a_session_is_bounded(rig: Rig) -> None:
    rig.engine.open_session("frag")
    sockets = [udp() for _ in range(40)]
    for s in sockets:
        send(rig, s, stun("frag:x"))
        rig.wait(codecs.Datagram)
    send(rig, sockets[0], DTLS)  # long pushed out
    send(rig, sockets[-1], DTLS)
    event = rig.wait(codecs.Datagram)
    assert event.host_port == sockets[-1].getsockname()[1]


def test_lost_events_are_told(rig: Rig) -> None:
    small = codecs.Engine(event_capacity=16)
    s = udp()
    address = s.getsockname()
    small.open_port(s.detach())
    small.open_session("frag")
    sender = udp()
    for _ in range(100):
        sender.sendto(stun("frag:x"), address)
    while small.engine_stats()["packets_in"] < 100:
        pass
    events = small.drain()
    assert events[0] == codecs.EventsLost(count=100 - 12)
    assert len(events) == 13
    assert small.drain() == []
    small.close()
