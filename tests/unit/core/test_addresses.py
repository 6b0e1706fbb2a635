"""Own addresses are read when the kernel has told of a change, and not each time that somebody asks."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from gateway.core import addresses


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What is sent here is a change that the kernel tells of."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.setblocking(False)
    with ours, theirs:
        monkeypatch.setattr(addresses, "_changes", lambda: ours)
        monkeypatch.setattr(addresses, "_kept", addresses._Kept())
        yield theirs


def test_the_kernel_s_own() -> None:
    assert "127.0.0.1" in addresses.all_addresses()
    assert addresses.all_addresses() == addresses.all_addresses()
    own = addresses.own_addresses()
    assert own and set(own) <= {*addresses.all_addresses(), "127.0.0.1"}


def test_they_are_read_anew_after_a_change_only(kernel: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([["192.0.2.1"], ["192.0.2.2"]])
    monkeypatch.setattr(addresses, "_read", lambda: next(answers))
    assert [list(addresses.all_addresses()) for _ in range(3)] == [["192.0.2.1"]] * 3
    for _ in range(5):
        kernel.send(b"changed")
    assert [list(addresses.all_addresses()) for _ in range(3)] == [["192.0.2.2"]] * 3


def test_a_kernel_that_tells_nothing_is_asked_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> socket.socket:
        raise OSError("no such group")

    monkeypatch.setattr(addresses, "_changes", refused)
    monkeypatch.setattr(addresses, "_kept", addresses._Kept())
    answers = iter([["192.0.2.1"], ["192.0.2.2"]])
    monkeypatch.setattr(addresses, "_read", lambda: next(answers))
    assert [list(addresses.all_addresses()) for _ in range(2)] == [["192.0.2.1"], ["192.0.2.2"]]
