"""Frames off the network into a ring of files: AF_PACKET sockets with a filter for the ports in use.

It needs CAP_NET_RAW, and runs in the command that asked for it, never in the daemon. No library is needed: what scapy
or libpcap would do here is a socket and a filter.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.base.errors import GatewayError
from gateway.net.capture.filter import Ranges, attach, program
from gateway.net.capture.packets import FrameMask
from gateway.net.capture.ring import Ring
from gateway.wire.pcapng import ETHERNET, RAW_IP

SNAP = 65535
BUFFER = 16 * 1024 * 1024
BATCH = 512
_ETH_P_ALL = 0x0003
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_SO_TIMESTAMPNS = 35
_SO_RCVBUFFORCE = 33
_OUTGOING = 4
_ARPHRD_ETHER, _ARPHRD_LOOPBACK = 1, 772


@dataclass(slots=True)
class Tally:
    packets: int = 0
    octets: int = 0
    dropped: int = 0  # by the kernel, because we were too slow


class Listener:
    """One interface."""

    def __init__(self, name: str, ranges: Ranges) -> None:
        """Raises GatewayError (`capture-no-right`, `capture-failed`)."""
        self.name = name
        kind = _hardware(name)
        self.link = ETHERNET if kind in (_ARPHRD_ETHER, _ARPHRD_LOOPBACK) else RAW_IP
        self._loopback = kind == _ARPHRD_LOOPBACK
        try:
            # Bound only after the filter stands: nothing of others comes in between.
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        except PermissionError as exc:
            raise GatewayError(f"{name}: a packet socket needs CAP_NET_RAW", code="capture-no-right") from exc
        try:
            self.narrow(ranges)
            try:
                self.socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, BUFFER)
            except OSError:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
            self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            self.socket.bind((name, _ETH_P_ALL))
        except OSError as exc:
            self.socket.close()
            raise GatewayError(f"{name}: {exc.strerror}", code="capture-failed") from exc

    def narrow(self, ranges: Ranges) -> None:
        """These ports from now on."""
        attach(self.socket, program(ranges, ethernet=self.link == ETHERNET, snap=SNAP))

    def take(self) -> tuple[int, bytes, int] | None:
        """(unix nanoseconds, frame, length on the wire); None when there is none just now."""
        while True:
            try:
                data, ancillary, _, address = self.socket.recvmsg(SNAP, 64)
            except (BlockingIOError, InterruptedError):
                return None
            except OSError:
                return None  # the interface went down; it may come back
            if self._loopback and address[2] == _OUTGOING:
                continue  # it comes in as well
            return _stamp(ancillary), data, len(data)

    def lost(self) -> int:
        """Frames that the kernel dropped since it was asked last."""
        told = self.socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        return int(struct.unpack("=II", told)[1])


def capture(
    folder: Path,
    interfaces: Sequence[str],
    ports: Callable[[], Ranges],
    *,
    file_bytes: int,
    files: int,
    keep_free: int,
    mask: bool = True,
    tell: Callable[[Tally, Ring], bool],
    tell_s: float = 1.0,
) -> tuple[Tally, Ring]:
    """Until `tell` (called once a second) answers False. Raises GatewayError."""
    ranges = ports()
    listeners: list[Listener] = []
    tally, masks = Tally(), FrameMask()
    try:
        for name in interfaces:
            listeners.append(Listener(name, ranges))
        ring = Ring(
            folder,
            file_bytes=file_bytes,
            files=files,
            keep_free=keep_free,
            interfaces=[(one.name, one.link, SNAP) for one in listeners],
        )
        try:
            _run(listeners, ring, tally, masks if mask else None, ports, ranges, tell, tell_s)
        finally:
            ring.close()
    finally:
        for one in listeners:
            one.socket.close()
    return tally, ring


def _run(
    listeners: Sequence[Listener],
    ring: Ring,
    tally: Tally,
    masks: FrameMask | None,
    ports: Callable[[], Ranges],
    ranges: Ranges,
    tell: Callable[[Tally, Ring], bool],
    tell_s: float,
) -> None:
    numbers = {one.socket.fileno(): number for number, one in enumerate(listeners)}
    poll = select.poll()
    for one in listeners:
        poll.register(one.socket, select.POLLIN)
    due = time.monotonic() + tell_s
    while True:
        for fd, _ in poll.poll(max(0, round((due - time.monotonic()) * 1000))):
            number = numbers[fd]
            one = listeners[number]
            for _ in range(BATCH):
                if (taken := one.take()) is None:
                    break
                at, frame, whole = taken
                ring.write(number, at, masks(frame, one.link) if masks is not None else frame, whole)
                tally.packets += 1
                tally.octets += whole
        if time.monotonic() >= due:
            due = time.monotonic() + tell_s
            tally.dropped += sum(one.lost() for one in listeners)
            # Ports come and go with streams and calls.
            if (now := ports()) != ranges:
                ranges = now
                for one in listeners:
                    one.narrow(ranges)
            if not tell(tally, ring):
                for number, _one in enumerate(listeners):
                    ring.statistics(number, time.time_ns(), tally.packets, tally.dropped)
                return


def _hardware(name: str) -> int:
    try:
        return int(Path(f"/sys/class/net/{name}/type").read_text())
    except (OSError, ValueError) as exc:
        raise GatewayError(f"there is no network interface {name[:15]!r}", code="capture-failed") from exc


def _stamp(ancillary: Sequence[tuple[int, int, bytes]]) -> int:
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(data) >= 16:
            seconds, nanoseconds = struct.unpack("qq", data[:16])
            return int(seconds) * 1_000_000_000 + int(nanoseconds)
    return time.time_ns()
