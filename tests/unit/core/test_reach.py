"""Which addresses are connected to: by number, by name, by a name that changes, and what a technician allowed."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from gateway.base.errors import Denied, LinkDown
from gateway.core.reach import Reach
from gateway.core.resolve import MOST, Names

OWN = ("10.1.2.3", "2001:db8::3")


def reach(*allow: str, names: dict[str, list[str]] | None = None) -> Reach:
    """`names`: what each name leads to."""

    async def resolve(host: str, port: int) -> Sequence[tuple[socket.AddressFamily, str]]:
        if names is None or host not in names:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET6 if ":" in a else socket.AF_INET, a) for a in names[host]]

    return Reach(lambda: allow, resolve=resolve, own=lambda: OWN)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.9.1", "0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.1.1", "224.0.0.1", "239.1.1.1",
        "255.255.255.255", "240.0.0.1", "100.100.100.200", "10.1.2.3",
        "::1", "::", "fe80::1", "ff02::1", "2001:db8::3", "fd00:ec2::254",
        "::ffff:127.0.0.1", "::ffff:10.1.2.3", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::",
    ],
)  # fmt: skip
async def test_never_without_leave(address: str) -> None:
    for trusted in (False, True):
        with pytest.raises(Denied) as refused:
            await reach().addresses(address, 554, trusted=trusted)
        assert refused.value.code == "url-refused"
    assert await reach(address).addresses(address, 554)


@pytest.mark.parametrize(
    "address", ["10.0.0.5", "192.168.1.64", "172.16.3.1", "100.64.0.9", "fd12::7", "::ffff:10.0.0.5"]
)
async def test_inside_only_where_a_technician_wrote_it(address: str) -> None:
    with pytest.raises(Denied):
        await reach().addresses(address, 554)
    (found,) = await reach().addresses(address, 554, trusted=True)
    assert ip_address(found[1]) == ip_address(address)
    assert await reach("10.0.0.0/8", "192.168.0.0/16", "172.16.0.0/12", "100.64.0.0/10", "fd00::/8").addresses(
        address, 554
    )


async def test_leave_for_one_port_is_for_that_port() -> None:
    gate = reach("127.0.0.1:8554", "[::1]:8554")
    assert await gate.addresses("127.0.0.1", 8554) and await gate.addresses("::1", 8554)
    for host, port in (("127.0.0.1", 22), ("::1", 22), ("127.0.0.2", 8554)):
        with pytest.raises(Denied):
            await gate.addresses(host, port, trusted=True)


@pytest.mark.parametrize("spelling", ["0x7f.1", "2130706433", "127.1", "0177.0.0.1", "localhost"])
async def test_other_spellings_of_loopback(spelling: str) -> None:
    """The system's resolver takes them; what it makes of them is what counts."""
    with pytest.raises(Denied):
        await Reach(lambda: (), own=lambda: OWN).addresses(spelling, 80, trusted=True)


async def test_of_several_addresses_the_good_ones() -> None:
    gate = reach(names={"mixed.example": ["127.0.0.1", "8.8.4.4", "169.254.169.254", "2001:4860::8"]})
    assert await gate.addresses("mixed.example", 80) == [
        (socket.AF_INET, "8.8.4.4"),
        (socket.AF_INET6, "2001:4860::8"),
    ]
    with pytest.raises(LinkDown) as unknown:
        await gate.addresses("nowhere.example", 80)
    assert unknown.value.code == "dns-failed"


async def test_a_name_that_turns_inside_is_refused_at_the_next_connection() -> None:
    """DNS rebinding: good at the first question, loopback at the second."""
    answers = [["8.8.4.4"], ["127.0.0.1"]]

    async def resolve(host: str, port: int) -> Sequence[tuple[socket.AddressFamily, str]]:
        return [(socket.AF_INET, a) for a in answers.pop(0)]

    gate = Reach(lambda: (), resolve=resolve, own=lambda: OWN)
    assert await gate.addresses("evil.example", 80)
    with pytest.raises(Denied):
        await gate.connect("evil.example", 80, trusted=True)


async def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    """The name is asked for once: between check and connection nothing can change."""
    asked = []

    async def resolve(host: str, port: int) -> Sequence[tuple[socket.AddressFamily, str]]:
        asked.append(host)
        return [(socket.AF_INET, "127.0.0.1")]

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        gate = Reach(lambda: [f"127.0.0.1:{port}"], resolve=resolve, own=lambda: OWN)
        sock = await gate.connect("camera.example", port)
        with sock:
            assert sock.getpeername() == ("127.0.0.1", port) and not sock.getblocking()
    assert asked == ["camera.example"]


async def test_refused_and_silent_and_the_next_address() -> None:
    with socket.create_server(("127.0.0.2", 0)) as server:
        port = server.getsockname()[1]
        gate = reach("127.0.0.0/8", names={"two.example": ["127.0.0.1", "127.0.0.2"], "one.example": ["127.0.0.1"]})
        with await gate.connect("two.example", port) as sock:
            assert sock.getpeername()[0] == "127.0.0.2"
        with pytest.raises(LinkDown) as refused:
            await gate.connect("one.example", port)
        assert refused.value.code == "connect-refused"
    with socket.socket() as full:
        # Nobody takes what waits here: further connections hear nothing.
        full.bind(("127.0.0.3", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.3", port))
        with pytest.raises(LinkDown) as silent:
            await reach("127.0.0.0/8").connect("127.0.0.3", port, timeout_s=0.3)
        assert silent.value.code == "connect-timeout"
        for sock in waiting:
            sock.close()


async def test_names_that_hang_take_no_thread_of_anybody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    let_go = threading.Event()

    def hangs(host: str, port: int, **_: object) -> list[object]:
        assert let_go.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    gate = Reach(lambda: (), own=lambda: OWN)
    asked = [asyncio.create_task(gate.connect(f"h{n}.example", 80, timeout_s=0.3)) for n in range(MOST)]
    await asyncio.sleep(0)
    with pytest.raises(LinkDown) as many:
        await gate.addresses("one-more.example", 80)
    assert many.value.code == "dns-failed"
    assert await asyncio.wait_for(asyncio.to_thread(lambda: "here"), 5) == "here", "the loop's own threads are free"
    for task in asked:
        with pytest.raises(LinkDown):
            await task
    let_go.set()
    names = gate._resolve
    assert isinstance(names, Names)
    async with asyncio.timeout(10):
        while names._asked:  # noqa: ASYNC110  (threads end when they end)
            await asyncio.sleep(0.01)
    with pytest.raises(LinkDown) as none:
        await gate.addresses("nothing.example", 80)
    assert none.value.code == "dns-failed"


async def test_a_name_server_that_hangs() -> None:
    async def resolve(host: str, port: int) -> Sequence[tuple[socket.AddressFamily, str]]:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    with pytest.raises(LinkDown) as silent:
        await Reach(lambda: (), resolve=resolve, own=lambda: OWN).connect("slow.example", 80, timeout_s=0.2)
    assert silent.value.code == "connect-timeout"
