"""sd_notify(3): tell systemd how we are. Does nothing where `NOTIFY_SOCKET` is not set."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


class Notifier:
    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        path = environ.get("NOTIFY_SOCKET", "")
        # "@" stands for the abstract namespace; vsock and others are not for a daemon on a kit.
        self._path = f"\0{path[1:]}" if path.startswith("@") else path if path.startswith("/") else ""
        mine = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        micros = environ.get("WATCHDOG_USEC", "") if mine else ""
        self.watchdog_s = int(micros) / 1e6 if micros.isdecimal() else 0.0
        """How often systemd wants to hear WATCHDOG=1 at the latest; 0: not at all."""

    def tell(self, **states: str | int) -> None:
        """`tell(READY=1, STATUS="…")`. A lost one is followed by the next: errors are of no use to anybody."""
        if not self._path:
            return
        text = "\n".join(f"{name}={str(value).splitlines()[0] if str(value) else ''}" for name, value in states.items())
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.setblocking(False)
            try:
                sock.sendto(text.encode(), self._path)
            except OSError:
                return
