"""From a broker's address to a connected socket, in time: TCP bound to a link, TLS with our certificate, a unix socket,
or a stream of the uplink.

Nothing here blocks the loop or a thread: a broker that accepts and never shakes hands costs its time-out and no more.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from adapters.mqtt.address import Broker
from adapters.mqtt.local import short
from gateway.base.errors import ConfigError, GatewayError, LinkDown

NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL (X509_VERIFY_PARAM_set_flags(3))."""

Socket = socket.socket | ssl.SSLSocket
OpenStream = Callable[[str, str], Awaitable[socket.socket]]
"""`(center, service)` → a connected stream socket through the link bundle, as `contract.fleet.FarServices.connect`.
Raises LinkDown."""


async def no_uplink(center: str, service: str) -> socket.socket:
    raise LinkDown(f"nothing carries {service} to {center}", code="kit-unreachable")


@dataclass(frozen=True, slots=True)
class ClientTls:
    """PEM files. `ca` None: the system's authorities. Without a certificate the broker wants a password."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    @property
    def nothing(self) -> bool:
        return self.ca is None and self.certificate is None

    def context(self, *, check_time: bool = True) -> ssl.SSLContext:
        """Raises ConfigError. `check_time` False: certificates are taken whenever they are valid; only ever with an
        authority of our own, while this machine's clock is known not to be set."""
        try:
            made = ssl.create_default_context(cafile=None if self.ca is None else str(self.ca))
            made.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.certificate is not None and self.key is not None:
                made.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as exc:
            raise ConfigError("certificate", f"ca, certificate or key can not be used: {exc}") from exc
        if not check_time and self.ca is not None:
            made.verify_flags = ssl.VerifyFlags(made.verify_flags | NO_CHECK_TIME)
        return made


@dataclass(frozen=True, slots=True)
class Dialler:
    """How connections are made; one for all brokers of a list. `clock_good`: certificates' times can be judged.
    `clock_past`: the clock shows what can not be; then certificates of others, of which the time counts, wait."""

    tls: ClientTls = field(default_factory=ClientTls)
    interface: str = ""
    bind_address: str = ""
    dead_after_s: float = 20.0
    clock_good: Callable[[], bool] = lambda: True
    clock_past: Callable[[], bool] = lambda: False
    uplink: OpenStream = no_uplink

    async def dial(self, broker: Broker, timeout_s: float) -> Socket:
        """A connected, non-blocking socket. Raises LinkDown with the reason as code, ConfigError."""
        try:
            async with asyncio.timeout(timeout_s):
                if broker.way == "unix":
                    return await self._unix(broker)
                return await self._stream(broker)
        except TimeoutError:
            raise LinkDown(f"{broker} does not answer within {timeout_s:g} s", code="connect-timeout") from None

    async def _unix(self, broker: Broker) -> socket.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            with short(Path(broker.host)) as name:
                await asyncio.get_running_loop().sock_connect(made, name)
        except OSError as exc:
            made.close()
            raise LinkDown(f"{broker}: {exc.strerror}", code="connect-refused") from exc
        except BaseException:
            made.close()
            raise
        return made

    async def _stream(self, broker: Broker) -> Socket:
        context = None
        if broker.way == "tls" or (broker.way == "uplink" and not self.tls.nothing):
            if self.tls.ca is None and self.clock_past():
                raise LinkDown(f"{broker}: no certificate can be judged by this clock", code="clock-past")
            context = self.tls.context(check_time=self.clock_good())
        if broker.way == "uplink":
            connected = await self.uplink(broker.host, broker.service)
            # Whom the bundle leads to is known by its key; the service there may have any name in its certificate.
            if context is not None:
                context.check_hostname = False
        else:
            connected = await self._connected(broker)
        if context is None:
            return connected
        try:
            return await _shaken(connected, context, broker)
        except BaseException:
            connected.close()
            raise

    async def _connected(self, broker: Broker) -> socket.socket:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(broker.host, broker.port, type=socket.SOCK_STREAM)
        except OSError as exc:
            raise LinkDown(f"{broker.host}: {exc.strerror}", code="dns-failed") from exc
        failed: GatewayError = LinkDown(f"{broker.host} has no address", code="dns-failed")
        for family, kind, number, _, address in found:
            made = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, number)
            try:
                self._bind(made, family)
                await loop.sock_connect(made, address)
            except OSError as exc:
                made.close()
                failed = LinkDown(f"{broker} at {address[0]}: {exc.strerror or exc}", code="connect-refused")
            except BaseException:
                made.close()
                raise
            else:
                return made
        raise failed

    def _bind(self, made: socket.socket, family: socket.AddressFamily) -> None:
        """Raises OSError: an interface that is gone, an address that is not ours."""
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A link that died in silence is noticed when what was sent is not acknowledged for so long.
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(self.dead_after_s * 1000))
        if self.interface:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self.interface.encode() + b"\0")
        if self.bind_address and (":" in self.bind_address) == (family is socket.AF_INET6):
            made.bind((self.bind_address, 0))


async def _shaken(connected: socket.socket, context: ssl.SSLContext, broker: Broker) -> ssl.SSLSocket:
    """TLS on a connected socket, without blocking. Raises LinkDown."""
    made = context.wrap_socket(connected, server_hostname=broker.host, do_handshake_on_connect=False)
    try:
        while True:
            try:
                made.do_handshake()
                return made
            except ssl.SSLWantReadError:
                await _ready(made, reading=True)
            except ssl.SSLWantWriteError:
                await _ready(made, reading=False)
    except ssl.SSLCertVerificationError as exc:
        made.close()
        code = "tls-clock" if exc.verify_code in (9, 10) else "tls-untrusted"
        raise LinkDown(f"{broker}: {exc.verify_message}", code=code) from exc
    except (OSError, ssl.SSLError) as exc:
        made.close()
        raise LinkDown(f"{broker}: {exc}", code="tls-refused") from exc
    except BaseException:
        made.close()
        raise


async def _ready(sock: socket.socket, *, reading: bool) -> None:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    add, remove = (loop.add_reader, loop.remove_reader) if reading else (loop.add_writer, loop.remove_writer)
    handle = sock.fileno()
    add(handle, partial(_settle, done))
    try:
        await done
    finally:
        with suppress(OSError, ValueError):
            remove(handle)


def _settle(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
