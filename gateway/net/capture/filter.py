"""The kernel's filter of a packet socket: frames of the ports in use, and nothing else (classic BPF, linux/filter.h).

Ports on either side are taken; later fragments of IPv4 too, since they have no ports.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Iterable, Sequence
from itertools import pairwise

SO_ATTACH_FILTER = 26
SO_ATTACH_BPF_MOST = 4096
MAX_RANGES = 300
_LDH, _LDB, _LDH_X, _LDX_MSH = 0x28, 0x30, 0x48, 0xB1
_JEQ, _JGE, _JGT, _JSET, _JA, _RET = 0x15, 0x35, 0x25, 0x45, 0x05, 0x06

Ranges = Sequence[tuple[int, int]]


def ranges_of(ports: Iterable[int], more: Ranges = ()) -> Ranges:
    """Ports and ranges as few ranges in order; the widest gaps stay, where there are too many."""
    wanted = sorted({p for p in ports if 0 < p < 65536})
    merged: list[list[int]] = []
    for first, last in sorted([*((p, p) for p in wanted), *more]):
        if merged and first <= merged[-1][1] + 1:
            merged[-1][1] = max(merged[-1][1], last)
        else:
            merged.append([first, last])
    # A range begins after each gap that stays.
    by_gap = sorted(range(1, len(merged)), key=lambda n: merged[n][0] - merged[n - 1][1])
    begins = sorted(by_gap[max(0, len(by_gap) - MAX_RANGES + 1) :])
    bounds = pairwise([0, *begins, len(merged)]) if merged else ()
    return [(merged[begin][0], merged[end - 1][1]) for begin, end in bounds]


def program(ranges: Ranges, *, ethernet: bool = True, snap: int = 65535) -> bytes:
    """`struct sock_filter`s. Jumps of BPF reach 255 instructions: the ranges are told by ones of their own, and end in
    a `ret` each."""
    base = 14 if ethernet else 0
    ports = _port_tests(ranges, snap)
    code: list[tuple[int, int, int, int]] = []
    one_v4 = [
        (_LDB, 0, 0, base + 9),
        (_JEQ, 2, 0, 6),
        (_JEQ, 1, 0, 17),
        (_RET, 0, 0, 0),
        (_LDH, 0, 0, base + 6),
        (_JSET, 0, 1, 0x1FFF),
        (_RET, 0, 0, snap),
        (_LDX_MSH, 0, 0, base),
        (_LDH_X, 0, 0, base),
        *ports,
        (_LDH_X, 0, 0, base + 2),
        *ports,
        (_RET, 0, 0, 0),
    ]
    one_v6 = [
        (_LDB, 0, 0, base + 6),
        (_JEQ, 2, 0, 6),
        (_JEQ, 1, 0, 17),
        (_RET, 0, 0, 0),
        (_LDH, 0, 0, base + 40),
        *ports,
        (_LDH, 0, 0, base + 42),
        *ports,
        (_RET, 0, 0, 0),
    ]
    if ethernet:
        code += [
            (_LDH, 0, 0, 12),
            (_JEQ, 3, 0, 0x0800),
            (_JEQ, 1, 0, 0x86DD),
            (_RET, 0, 0, 0),
            (_JA, 0, 0, len(one_v4)),
        ]
    else:
        # The version's nibble: 4x, 6x.
        code += [(_LDB, 0, 0, 0), (_JGE, 0, 1, 0x60), (_JA, 0, 0, 2 + len(one_v4)), (_JGE, 1, 0, 0x40), (_RET, 0, 0, 0)]
    code += [*one_v4, *one_v6]
    if len(code) > SO_ATTACH_BPF_MOST:
        raise ValueError("too many ports for one filter")
    return b"".join(struct.pack("=HBBI", *one) for one in code)


def _port_tests(ranges: Ranges, snap: int) -> list[tuple[int, int, int, int]]:
    out: list[tuple[int, int, int, int]] = []
    for first, last in ranges:
        if first == last:
            out += [(_JEQ, 0, 1, first), (_RET, 0, 0, snap)]
        else:
            out += [(_JGE, 0, 2, first), (_JGT, 1, 0, last), (_RET, 0, 0, snap)]
    return out


def attach(sock: socket.socket, code: bytes) -> None:
    """Replaces the filter that was there; nothing is let through between."""
    held = ctypes.create_string_buffer(code)
    fprog = struct.pack("HL", len(code) // 8, ctypes.addressof(held))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, fprog)
