"""The worker process: `python -m adapters.sip.pjsua2.worker FD`, started and watched by `process.py`.

One thread: PJSIP's events, then the gateway's orders, for ever. It ends when the gateway closes the socket.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from typing import Any

from adapters.sip.pjsua2.records import MAX_RECORD, pack, unpack

POLL_MS = 5
SWITCH_S = 0.0005
"""PJSIP's clock thread waits for the interpreter at most so long: at the default it misses its 20 ms."""


class Worker:
    def __init__(self, control: socket.socket) -> None:
        from adapters.sip.pjsua2.phone import Phone

        self._control = control
        control.setblocking(False)
        level, port, rtp = (int(os.environ.get(f"FIELDGATE_PJSUA2_{name}", "0")) for name in ("LOG", "PORT", "RTP"))
        self._phone = Phone(self.tell, log_level=level, port=port, rtp_port=rtp)

    def run(self) -> None:
        self.tell({"ev": "ready", "pid": os.getpid()})
        try:
            while self._obey():
                self._phone.run_once(POLL_MS)
                self._phone.sweep()
        finally:
            self._phone.close()

    def tell(self, record: dict[str, Any]) -> None:
        try:
            self._control.send(pack(record))
        except BlockingIOError:
            sys.stderr.write(f"the gateway does not read: {record.get('ev')} is lost\n")
        except OSError:
            pass  # the gateway is gone: the next look at the socket ends us

    def _obey(self) -> bool:
        """Every order that waits. False: the gateway is gone."""
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(self._control, MAX_RECORD, 1)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not data:
                return False
            order = unpack(data)
            pcm = socket.socket(fileno=fds[0]) if fds else None
            try:
                self._do(order, pcm)
            except Exception as exc:  # an order that fails is told; the calls beside it go on
                words = getattr(exc, "reason", "") or str(exc)
                self.tell({"ev": "failed", "do": order.get("do", ""), "call": order.get("call"), "words": words})

    def _do(self, order: dict[str, Any], pcm: socket.socket | None) -> None:
        phone = self._phone
        match order["do"]:
            case "codecs":
                phone.codecs(order["codecs"])
            case "account":
                phone.account(order)
            case "call":
                phone.call(order, pcm)
            case "hang-up":
                phone.hang_up(order["call"], order.get("status", 0))
            case "hold":
                phone.hold(order["call"], order["held"])
            case "digits":
                phone.digits(order["call"], order["digits"])
            case "refer":
                phone.refer(order["call"], order["uri"])
            case "figures":
                self.tell({"ev": "figures", "call": order["call"], **phone.figures(order["call"])})
            case "abort":  # for the test of what a crash does
                os.abort()
            case other:
                raise ValueError(f"no order {other!r}")


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the gateway's to handle
    sys.setswitchinterval(SWITCH_S)
    with socket.socket(fileno=int(sys.argv[1])) as control:
        Worker(control).run()


if __name__ == "__main__":
    main()
