"""Who guesses is locked, and stays so whatever else is tried meanwhile."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.base.clock import Clock
from gateway.config.root import Accounts
from gateway.core import lockout as lockout_module
from gateway.core.lockout import EVERYBODY, FORGET_S, LONGEST_S, MAX_NAMES, Lockout

HERE, THERE = "192.0.2.7", "198.51.100.8"
CONFIG = Accounts()
MOST = CONFIG.lock_after


class Time:
    now = 1000.0

    def lockout(self) -> Lockout:
        return Lockout(Clock(monotonic=lambda: self.now), lambda: CONFIG)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tables that a test can fill."""
    for name, most in (("MAX_KEYS", 64), ("MAX_NETWORKS", 8), ("BASKETS", 4)):
        monkeypatch.setattr(lockout_module, name, most)
    yield


def lock(one: Lockout, name: str, address: str) -> None:
    for _ in range(MOST):
        one.failed(name, address)
    assert one.left(name, address) > 0


def test_a_name_is_locked_where_it_is_guessed_longer_each_time_and_free_elsewhere(time: Time) -> None:
    one = time.lockout()
    waits = []
    for _ in range(6):
        lock(one, "admin", HERE)
        waits.append(one.left("admin", HERE))
        time.now += waits[-1]
        assert one.left("admin", HERE) == 0
    assert waits == [60, 120, 240, 480, LONGEST_S, LONGEST_S]
    assert one.left("admin", THERE) == 0 and one.left("otto", HERE) == 0
    lock(one, "admin", HERE)
    one.passed("admin", HERE)
    assert one.left("admin", HERE) == 0


def test_one_host_of_ipv6_is_its_64(time: Time) -> None:
    one = time.lockout()
    for number in range(MOST):
        one.failed("admin", f"2001:db8:0:1::{number:x}")
    assert one.left("admin", "2001:db8:0:1:ffff::1") > 0 and one.left("admin", "2001:db8:0:2::1") == 0


def test_thousands_of_names_free_nobody(time: Time) -> None:
    one = time.lockout()
    lock(one, "admin", HERE)
    for number in range(3000):
        one.failed(f"name-{number}", HERE)
    assert one.left("admin", HERE) > 0, "a lock gives way to nobody"
    assert one.left("never tried", HERE) > 0, "who tries name after name is locked as a place"
    assert one.left("admin", THERE) == 0
    time.now += LONGEST_S
    for _ in range(MOST):
        assert one.left("name-2999", HERE) == 0
        one.failed("name-2999", HERE)
    assert one.left("name-0", HERE) > 0
    assert len(one._places) <= MAX_NAMES + 1, "a place has its bound"


def test_counts_that_are_not_yet_locks_stay_too(time: Time) -> None:
    one = time.lockout()
    for _ in range(MOST - 1):
        one.failed("admin", HERE)
    for number in range(5000):
        one.failed(f"name-{number}", f"10.{number % 200}.{number // 200}.1")
    one.failed("admin", HERE)
    assert one.left("admin", HERE) > 0


@pytest.mark.usefixtures("small")
def test_full_newcomers_are_counted_by_their_network(time: Time) -> None:
    one = time.lockout()
    lock(one, "admin", HERE)
    for number in range(64):
        one.failed("x", f"10.0.{number}.1")
    for host in range(MOST):
        one.failed(f"name-{host}", f"203.0.113.{host}")
    assert one.left("whatever", "203.0.113.250") > 0, "its neighbours guessed"
    assert one.left("admin", HERE) > 0 and one.left("admin", THERE) == 0
    for number in range(100):
        one.failed("y", f"172.16.{number}.1")
    assert len(one._places) == 64 and len(one._networks) == 8 and one.left("admin", HERE) > 0
    time.now += FORGET_S + 1
    one.failed("admin", THERE)
    assert len(one._places) == 1, "what is forgotten makes room"


@pytest.mark.usefixtures("small")
def test_a_name_tried_from_everywhere_is_locked_for_all_though_the_table_is_full(time: Time) -> None:
    one = time.lockout()
    for number in range(64):
        one.failed(f"name-{number}", f"10.0.{number}.1")
    for number in range(MOST * EVERYBODY):
        one.failed("admin", f"10.1.{number}.1")
    assert one.left("admin", THERE) > 0
    placed = time.lockout()
    for number in range(MOST * EVERYBODY):
        placed.failed("admin", f"10.1.{number}.1", everybody=False)
    assert placed.left("admin", THERE) == 0


def test_names_of_any_length_and_a_star(time: Time) -> None:
    one = time.lockout()
    lock(one, "*", HERE)
    assert one.left("admin", HERE) == 0, "a star is a name like others"
    lock(one, "x" * 100_000, HERE)
    assert max(len(name) for name, _ in one._places._counts) < 200
    for _ in range(MOST):
        one.failed("tail", THERE, everybody=False, times=EVERYBODY)
    assert one.left("tail", THERE) == 0
