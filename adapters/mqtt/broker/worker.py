"""The broker's process: `python -m adapters.mqtt.broker.worker`, its setting as JSON on the first line of stdin.

It says `ready PORT` on stdout once it listens, and ends when stdin does: its daemon is gone. What it writes to stderr
is for the daemon's log.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import resource
import signal
import socket
import ssl
import struct
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

from adapters.mqtt.broker.door import LISTENER, Door
from adapters.mqtt.broker.rules import Identity
from adapters.mqtt.broker.setting import BrokerSetting
from adapters.mqtt.dial import NO_CHECK_TIME
from adapters.mqtt.local import bind_unix
from gateway.base.authority import Authority

log = logging.getLogger(__name__)

MEMORY_BYTES = 1_000_000_000
HANDSHAKE_S = 8.0
BACKLOG = 256
REVOKED_EVERY_S = 2.0
_RULES = "adapters.mqtt.broker.rules"


class Worker:
    def __init__(self, setting: BrokerSetting) -> None:
        self._setting = setting
        self._authority = Authority(Path(setting.tls), setting.center) if setting.tls else None
        self._revoked: set[int] = set()
        self._door: Door

    async def run(self) -> None:
        # Imported here: amqtt loads slowly, and warns of its own age.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from amqtt.broker import Broker

            broker = Broker(
                {
                    "listeners": {LISTENER: {"type": "external", "bind": "in-process"}},
                    "plugins": {f"{_RULES}.Admission": {}, f"{_RULES}.Rights": {}},
                }
            )
            await broker.start()
        setting = self._setting
        self._door = Door(broker, limit=setting.limit, most=setting.most, let_in=self._why_not)
        local = await asyncio.start_unix_server(self._local, sock=bind_unix(Path(setting.socket)), backlog=16)
        port = 0
        servers = [local]
        if self._authority is not None and setting.host:
            self._look_at_revocations()
            context = self._context()
            outer = await asyncio.start_server(
                self._outer,
                setting.host,
                setting.port,
                ssl=context,
                ssl_handshake_timeout=HANDSHAKE_S,
                backlog=BACKLOG,
                reuse_address=True,
            )
            port = outer.sockets[0].getsockname()[1]
            servers.append(outer)
        sys.stdout.write(f"ready {port}\n")
        sys.stdout.flush()
        watching = asyncio.create_task(self._watch(), name="revocations")
        await _until_stdin_ends()
        # Nothing of it is kept: clients come back to the next one and say all anew.
        watching.cancel()
        os._exit(0)

    def _context(self) -> ssl.SSLContext:
        setting = self._setting
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        made.options |= ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
        made.load_cert_chain(setting.certificate, setting.key)
        made.load_verify_locations(str(Path(setting.tls) / "ca.crt"))
        made.verify_mode = ssl.CERT_REQUIRED
        if not setting.check_time:
            made.verify_flags = ssl.VerifyFlags(made.verify_flags | NO_CHECK_TIME)
        return made

    # — who comes —

    async def _outer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sock: socket.socket = writer.get_extra_info("socket")
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        shown: Any = writer.get_extra_info("ssl_object").getpeercert() or {}
        names = [value for part in shown.get("subject", ()) for key, value in part if key == "commonName"]
        peer = writer.get_extra_info("peername") or ("?",)
        name = names[0] if len(names) == 1 else ""
        identity = Identity(name, name in self._setting.centers, int(shown.get("serialNumber", "0"), 16), str(peer[0]))
        await self._door.serve(identity, reader, writer)

    async def _local(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Our own daemon: the socket lies in a folder that is nobody else's, and the kernel says who came."""
        sock: socket.socket = writer.get_extra_info("socket")
        _, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
        if uid not in (0, os.geteuid()):
            writer.close()
            return
        await self._door.serve(Identity(self._setting.center, center=True), reader, writer)

    def _why_not(self, identity: Identity) -> str | None:
        if not identity.address:
            return None
        if not identity.name:
            return "its certificate has no single common name"
        if identity.name == self._setting.center:
            return "its certificate is of this center itself"
        if identity.serial in self._revoked:
            return "its certificate was revoked"
        return None

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(REVOKED_EVERY_S)
            if self._authority is not None and self._look_at_revocations():
                self._door.recheck()

    def _look_at_revocations(self) -> bool:
        assert self._authority is not None  # noqa: S101  (asked only where there is one)
        revoked = {int(row.serial, 16) for row in self._authority.issued() if row.revoked_at is not None}
        changed, self._revoked = revoked != self._revoked, revoked
        return changed


async def _until_stdin_ends() -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        while await reader.read(4096):
            pass
    finally:
        transport.close()


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the daemon says when: by closing stdin
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    for noisy in ("amqtt", "transitions"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    given = json.loads(sys.stdin.readline())
    setting = BrokerSetting(**{**given, "centers": tuple(given["centers"])})
    asyncio.run(Worker(setting).run())


if __name__ == "__main__":
    main()
