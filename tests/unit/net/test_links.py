"""Probes, their answers, routes and the end of connections, over the loopback and in a network of the test's own."""

from __future__ import annotations

import asyncio
import errno
import socket
import subprocess
import sys

import pytest

from gateway.base.errors import ConfigError
from gateway.net.links import echo, routes
from gateway.net.links.prober import Prober, Target, parse_target
from gateway.net.links.severed import sever

TOKEN = bytes(range(8))


def test_words() -> None:
    asked = echo.probe(TOKEN, 7)
    said = echo.answer(asked)
    assert said is not None and len(said) == len(asked) and echo.number_of(said, TOKEN) == 7
    assert echo.number_of(said, bytes(8)) is None, "an answer to somebody else"
    assert echo.number_of(asked, TOKEN) is None and echo.answer(said) is None, "two that answer do not talk for ever"
    for cut in range(len(said)):
        assert echo.number_of(said[:cut], TOKEN) is None and echo.answer(asked[:cut]) is None
    question = echo.question(0x12345)
    assert question[:2] == b"\x23\x45" and echo.id_of(question) is None
    assert echo.id_of(question[:2] + b"\x81\x85" + question[4:]) == 0x2345 and echo.id_of(b"") is None
    assert parse_target("dns://[2001:db8::1]:53") == ("dns", "2001:db8::1", 53)
    assert str(Target("udp", "2001:db8::1", 1)) == "udp://[2001:db8::1]:1"
    for text in ("", "icmp://h:1", "udp://h", "udp://:1"):
        with pytest.raises(ValueError, match="nothing to ask"):
            parse_target(text)


async def test_a_probe_is_answered_and_a_port_that_is_shut_is_silence() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    heard: asyncio.Queue[int] = asyncio.Queue()
    prober = Prober("", "127.0.0.1", Target("udp", "127.0.0.1", port), heard.put_nowait)
    assert prober.send(1) and prober.send(2), "an ICMP error of the last one is none of this"
    stop = echo.serve("127.0.0.1", port)
    with pytest.raises(ConfigError):
        echo.serve("127.0.0.1", port)
    assert prober.send(3)
    async with asyncio.timeout(5):
        while await heard.get() != 3:
            pass
    stop()
    prober.close()
    prober.close()
    with pytest.raises(OSError, match=r".*"):
        Prober("no-such-0", "127.0.0.1", Target("udp", "127.0.0.1", port), heard.put_nowait)


async def test_kits_behind_one_address_of_a_carrier_are_all_answered() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as kits:
        kits.bind(("127.0.0.1", 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        stop = echo.serve("127.0.0.1", port)
        kits.setblocking(False)
        loop = asyncio.get_running_loop()
        for number in range(500):
            kits.sendto(echo.probe(TOKEN, number), ("127.0.0.1", port))
            async with asyncio.timeout(5):
                assert echo.number_of(await loop.sock_recv(kits, 64), TOKEN) == number
        stop()


async def test_a_name_server_counts_by_its_id_alone() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setblocking(False)
        heard: asyncio.Queue[int] = asyncio.Queue()
        prober = Prober("", "127.0.0.1", Target("dns", *server.getsockname()), heard.put_nowait)
        assert prober.send(70_000)
        loop = asyncio.get_running_loop()
        data, where = await loop.sock_recvfrom(server, 512)
        server.sendto(b"\xff\xff\x81\x05" + data[4:], where)
        server.sendto(data[:2] + b"\x81\x05" + data[4:], where)  # REFUSED: it is there
        async with asyncio.timeout(5):
            assert await heard.get() == 70_000
        prober.close()


def test_connections_by_a_dead_link_end_and_others_do_not() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        where = server.getsockname()
        with (
            socket.create_connection(where, source_address=("127.0.0.5", 0)) as dead,
            socket.create_connection(where, source_address=("127.0.0.6", 0)) as other,
        ):
            assert sever(["127.0.0.5"], ["127.0.0.5/8"]) == 0, "what is near does not go by the link's far end"
            assert sever(["127.0.0.5", "2001:db8::1"], ["127.0.0.5/32"]) == 1
            dead.settimeout(5)
            assert dead.recv(1) == b""
            other.setblocking(False)
            with pytest.raises(BlockingIOError):
                other.recv(1)


def test_what_is_to_stand() -> None:
    one = routes.LinkRoute(101, 3, ("10.0.0.2",), ("2001:db8::2", "2001:db8::3"), "10.0.0.1", "fe80::1")
    two = routes.LinkRoute(102, 4, ("10.1.0.2",))
    rules, defaults = routes.wanted([one, two], two)
    assert routes.Default(socket.AF_INET, 100, 4) in defaults and len(defaults) == 4
    assert routes.Rule(socket.AF_INET, 10_202, 102, source="10.1.0.2") in rules
    assert len(rules) == 7, "each address leads to its table, near things and the best for each family that leads out"
    assert routes.wanted([], None) == (set(), set())


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def within() -> None:
    """Runs in a network namespace of its own."""
    for number, name in enumerate(("one", "two")):
        ip("link", "add", name, "type", "veth", "peer", "name", f"{name}-far")
        ip("link", "set", name, "up")
        ip("link", "set", f"{name}-far", "up")
        ip("address", "add", f"10.9.{number}.2/24", "dev", name)
    ip("address", "add", "fd00::2/64", "dev", "one", "nodad")
    ip("route", "add", "default", "via", "10.9.0.1", "dev", "one", "metric", "50")
    ip("rule", "add", "from", "10.1.1.1", "lookup", "77", "pref", "10150")
    ip("rule", "add", "from", "10.1.1.2", "lookup", "77", "pref", "9", "protocol", "186")
    ip("route", "add", "default", "via", "10.9.1.1", "dev", "two", "table", "103")

    def theirs() -> tuple[str, ...]:
        """All but ours, and what the kernel itself does when an address is ready."""
        rules = [line for line in ip("rule").splitlines() if "proto bgp" not in line or line.startswith("9:")]
        ways = ip("route", "show", "table", "all").splitlines()
        ways = [line for line in ways if "proto bgp" not in line and "proto kernel" not in line]
        return (*rules, *ways)

    before = theirs()
    assert routes.foreign() == {103}
    one = routes.LinkRoute(101, socket.if_nametoindex("one"), ("10.9.0.2",), ("fd00::2",), "10.9.0.1", "fe80::1")
    two = routes.LinkRoute(102, socket.if_nametoindex("two"), ("10.9.1.2",), (), "10.9.1.1")
    assert routes.apply([one, two], two) > 0
    assert routes.apply([one, two], two) == 0, "what stands is left"
    assert routes.standing() == routes.wanted([one, two], two)
    assert "dev two" in ip("route", "get", "198.51.100.1")
    assert "dev one" in ip("route", "get", "198.51.100.1", "from", "10.9.0.2")
    assert "dev one" in ip("route", "get", "10.9.0.9"), "what is near goes as ever"
    assert routes.apply([one, two], one) == 3, "the best is another: IPv4 replaced; IPv6 has a way and a rule now"
    assert "dev one" in ip("route", "get", "198.51.100.1")
    assert theirs() == before, set(theirs()) ^ set(before)
    lost = routes.LinkRoute(104, 99_999, ("10.9.9.2",), (), "10.9.9.1")
    try:
        routes.apply([lost, one, two], two)
    except OSError as exc:
        assert exc.errno == errno.ENODEV, exc
    else:
        raise AssertionError("there is no such interface")
    assert routes.standing() == routes.wanted([one, two], two), "of one link the kernel refused it; the others are done"
    ip("route", "add", "default", "via", "10.9.1.1", "dev", "two", "table", "100", "metric", "7")
    assert routes.foreign() == {100, 103}
    assert routes.apply([one, two], two, 105) > 0
    assert "via 10.9.1.1 dev two metric 7" in ip("route", "show", "table", "100"), "a table of somebody else's is left"
    assert "default" in ip("route", "show", "table", "105")
    ip("route", "del", "default", "table", "100")
    assert routes.apply([], None) > 0 and routes.standing() == (set(), set()) and theirs() == before
    print("done")


def without_right() -> None:
    try:
        routes.apply([routes.LinkRoute(101, 1, ("127.0.0.1",))], None)
    except OSError as exc:
        print(exc.errno == errno.EPERM)


def run(code: str, *before: str) -> str:
    line = f"from tests.unit.net.test_links import {code}; {code}()"
    done = subprocess.run(
        [*before, sys.executable, "-c", line], capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def test_routes_of_ours_come_and_go_and_nobody_elses_are_touched() -> None:
    unshare = ["unshare", "--user", "--map-root-user", "--net"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no network namespaces here (unshare)")
    assert run("within", *unshare) == "done"
    assert run("without_right", "unshare", "--user") == "True"
