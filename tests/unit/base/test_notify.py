"""What systemd hears."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from gateway.base.notify import Notifier


def test_states_arrive(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(path)
        systemd.settimeout(5)
        notifier = Notifier({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(os.getpid())})
        notifier.tell(READY=1, STATUS="ready\nFAKE=1")
        assert systemd.recv(4096) == b"READY=1\nSTATUS=ready"
        assert notifier.watchdog_s == 20.0


def test_without_systemd_nothing_happens() -> None:
    notifier = Notifier({})
    notifier.tell(READY=1)
    assert notifier.watchdog_s == 0.0
    Notifier({"NOTIFY_SOCKET": "/nonexistent/notify"}).tell(READY=1)
    assert Notifier({"WATCHDOG_USEC": "5", "WATCHDOG_PID": "1"}).watchdog_s == 0.0
