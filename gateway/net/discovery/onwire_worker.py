"""The process that listens to the wire with scapy, and tells what streams it sees: one JSON line a second on stdout.

Started by `onwire.listen`, ended by its stdin closing. scapy opens the packet sockets, compiles the kernel's filter and
takes apart link layers that are not Ethernet; what is in a datagram is told by `gateway.wire.onwire`.
"""

from __future__ import annotations

import json
import logging
import os
import select
import sys
import time
from dataclasses import asdict
from typing import Any

from gateway.net.multicast import interfaces
from gateway.wire.onwire import Datagram, Flows, ip_udp_of, udp_of

SNAP = 2048
TELL_S = 1.0
MOST = 256
BATCH = 256
BUDGET = 50_000
"""Frames taken a second; of a flood the rest is left to the kernel, which drops it."""
FILTER = "udp"
_ETHERNET = "Ether"


def say(**told: object) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def main() -> int:
    os.nice(5)
    logging.getLogger("scapy").setLevel(logging.CRITICAL)
    try:
        from scapy.config import conf
        from scapy.layers.inet import IP, UDP  # noqa: F401 - scapy knows a layer once it is imported
        from scapy.layers.inet6 import IPv6  # noqa: F401
        from scapy.layers.l2 import Ether  # noqa: F401
    except ImportError as exc:
        say(code="capture-not-installed", detail=str(exc))
        return 1
    names = sys.argv[1:] or [i.name for i in interfaces()]
    sockets: dict[Any, str] = {}
    failure = ""
    for name in names:
        try:
            sockets[_open(conf, name)] = name
        except PermissionError:
            say(code="capture-no-right", detail=f"{name}: a packet socket needs CAP_NET_RAW")
            return 1
        except Exception as exc:  # scapy raises its own, and they differ by version
            failure = f"{name}: {exc}"
    if not sockets:
        say(code="capture-failed", detail=failure or "no network is up")
        return 1
    say(streams=[])
    _listen(sockets)
    return 0


def _open(conf: Any, name: str) -> Any:
    """A listening packet socket; where no filter can be compiled (no libpcap), all frames come, and are looked at."""
    try:
        return conf.L2listen(iface=name, filter=FILTER, promisc=True)
    except PermissionError:
        raise
    except Exception:
        return conf.L2listen(iface=name, promisc=True)


def _listen(sockets: dict[Any, str]) -> None:
    flows = Flows()
    due = time.monotonic() + TELL_S
    budget = BUDGET
    watched = [*sockets, sys.stdin]
    while True:
        ready, _, _ = select.select(watched, [], [], max(0.0, due - time.monotonic()))
        now = time.monotonic()
        for one in ready:
            if one is sys.stdin:
                if not os.read(0, 1):
                    return
                continue
            for _ in range(BATCH):
                if budget <= 0 or not _take(one, sockets[one], flows, now):
                    break
                budget -= 1
        if now >= due:
            due, budget = now + TELL_S, BUDGET
            say(streams=[asdict(seen) for seen in flows.seen(now)[:MOST]])
        elif budget <= 0:
            time.sleep(max(0.0, due - time.monotonic()))


def _take(one: Any, interface: str, flows: Flows, now: float) -> bool:
    """One frame; False when there is none just now."""
    if not select.select([one], [], [], 0)[0]:
        return False
    try:
        kind, data, _ = one.recv_raw(SNAP)
    except OSError:
        return False  # the interface went down; it may come back
    if data is None:
        return True
    if (seen := _datagram(kind, bytes(data))) is not None:
        flows.add(now, interface, seen)
    return True


def _datagram(kind: Any, data: bytes) -> Datagram | None:
    if kind is None or kind.__name__ == _ETHERNET:
        return udp_of(data)
    try:
        packet = kind(data)
    except Exception:
        return None  # a frame that scapy does not understand
    inner = packet.getlayer("IP") or packet.getlayer("IPv6")
    return ip_udp_of(bytes(inner)) if inner is not None else None


if __name__ == "__main__":
    sys.exit(main())
