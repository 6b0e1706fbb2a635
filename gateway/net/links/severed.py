"""The end of connections that go by a dead link: TCP would wait for minutes, their owners make new ones at once.

Only this process's own, only those that lead beyond the link's own network, and none that is bound to its interface
(their owner watches the link himself).
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_SO_BINDTODEVICE = 25


def sever(addresses: Sequence[str], near: Sequence[str]) -> int:
    """Shut down what goes out by `addresses`; `near`: networks that are reached anyway. How many there were."""
    mine = {str(ipaddress.ip_address(one)) for one in addresses}
    networks = [ipaddress.ip_interface(one).network for one in near]
    ended = 0
    for one in list(Path("/proc/self/fd").iterdir()):
        with suppress(OSError, ValueError):
            if str(one.readlink()).startswith("socket:"):
                ended += _end(int(one.name), mine, networks)
    return ended


def _end(fd: int, mine: set[str], networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    with socket.socket(fileno=os.dup(fd)) as sock:
        if sock.type != socket.SOCK_STREAM or sock.family not in (socket.AF_INET, socket.AF_INET6):
            return False
        if _plain(sock.getsockname()[0]) not in mine or sock.getsockopt(socket.SOL_SOCKET, _SO_BINDTODEVICE, 16).strip(
            b"\0"
        ):
            return False
        far = ipaddress.ip_address(_plain(sock.getpeername()[0]))  # raises where it listens or is not connected yet
        if any(far.version == network.version and far in network for network in networks):
            return False
        sock.shutdown(socket.SHUT_RDWR)
        return True


def _plain(address: str) -> str:
    """Without a scope, and IPv4 as it is within an IPv6 socket."""
    return str(ipaddress.ip_address(address.partition("%")[0].removeprefix("::ffff:")))
