"""`python -m gateway.convert pictures CONTROL IN OUT ORDER`, `… stills CONTROL ORDER`, `… probe -1 ORDER`: started by
the daemon, which hands over connected sockets by their numbers."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38


def settle(memory_bytes: int) -> None:
    """Bounded, gone with the daemon, and the first that a short memory takes."""
    parent = os.getppid()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(0)  # it died before we asked to be told
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the daemon ends us in its own order
    for limit, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_DATA, memory_bytes)):
        with suppress(ValueError, OSError):
            resource.setrlimit(limit, (most, most))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("700")


def main(arguments: list[str]) -> int:
    what, control, *rest = arguments
    given = json.loads(rest.pop()) if rest else {}
    settle(int(given.get("memory", 1_500_000_000)))
    import av

    av.logging.set_level(None)
    if what == "probe":
        from gateway.convert.probe import probe

        return probe(bool(given.get("hardware")))
    from gateway.convert.worker import Control, Worker

    port = Control(socket.socket(fileno=int(control)))
    if what == "stills":
        from gateway.convert.stills import serve

        return serve(port)
    from gateway.convert.recipe import Recipe

    source, out = (socket.socket(fileno=int(number)) for number in rest)
    recipe = Recipe.from_text(json.dumps(given["recipe"]))
    worker = Worker(recipe, port, source, out, encoder=given.get("encoder", ""), bad=frozenset(given.get("bad", ())))
    with suppress(BrokenPipeError, ConnectionResetError):  # the media plane has let go
        worker.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
