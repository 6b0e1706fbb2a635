"""The one module that touches private names: how aiomqtt, with paho in it, begins and ends our connections. Versions
are pinned; `tests/unit/mqtt/test_seam_contract.py` holds the names to what they are.

- aiomqtt connects in a thread that blocks for as long as a broker likes, and waits with tasks of its own. Our socket is
  connected and shaken before (`dial.py`); paho writes into a stand-in for it and is handed there what is for it, so
  that its CONNECT goes in one piece with what is said right behind it, and no thread or task is waited for.
- CONNECT, CONNACK and DISCONNECT of both sides are theirs. Messages and subscriptions, which come and go by the
  thousand, are made and read by us on the same socket (`client.py`, `protocol/packets.py`): paho reads a packet byte by
  byte, makes an object with properties of each, and keeps each that it sends for a broker that comes back. It numbers
  nothing then, so that its numbers and ours can not collide; and it pings nobody.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from functools import lru_cache

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from adapters.mqtt.protocol.packets import Packet, Type

log = logging.getLogger("adapters.mqtt.paho")
log.setLevel(logging.ERROR)
"""paho tells everything twice: what matters is raised."""

OTHER_VERSION = 0x84
_OF_THREE = {1: OTHER_VERSION, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87}
"""Codes of 3.1.1 (§3.2.2.3) as MQTT 5 has them, where paho leaves them as they are."""


@dataclass(frozen=True, slots=True)
class Hello:
    """As whom a client comes. `will`: (topic, payload), retained, QoS 1."""

    client: str
    will: tuple[str, bytes]
    keep_alive_s: int
    user: str = ""
    password: str = field(default="", repr=False)


class StandIn:
    """What paho takes for its socket: what it sends is gathered, what it reads was put there."""

    def __init__(self) -> None:
        self.sent = bytearray()
        self.comes = b""

    def send(self, data: bytes | bytearray) -> int:
        self.sent += data
        return len(data)

    def recv(self, size: int) -> bytes:
        if not self.comes:
            raise BlockingIOError
        data, self.comes = self.comes[:size], self.comes[size:]
        return data

    def setblocking(self, _blocking: bool) -> None:
        """It never blocks."""

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        """The socket is closed by whom it belongs to."""


class Greeter(aiomqtt.Client):
    """Of one connection: `hello` first, then `answered`; `ended` or `goodbye` last."""

    def __init__(self, hello: Hello, *, five: bool) -> None:
        topic, payload = hello.will
        super().__init__(
            "ours",  # paho wants a name and a port; nothing is looked up or connected to
            1,
            protocol=aiomqtt.ProtocolVersion.V5 if five else aiomqtt.ProtocolVersion.V311,
            identifier=hello.client,
            will=aiomqtt.Will(topic, payload, qos=1, retain=True),
            username=hello.user or None,
            password=hello.password or None,
            keepalive=hello.keep_alive_s,
            clean_session=None if five else True,
            logger=log,
        )
        self._five = five
        self._stand_in = stand_in = StandIn()
        client = self._client
        client._create_socket = lambda: stand_in  # type: ignore[method-assign]
        # aiomqtt watches the socket by these. Without them paho writes at once, into the stand-in.
        client.on_socket_open = client.on_socket_close = None
        client.on_socket_register_write = client.on_socket_unregister_write = None

    @property
    def keep_alive_s(self) -> float:
        """Ours, or what the broker wants in its place (MQTT 5 §3.2.2.3.14); 0: none."""
        return float(self._client.keepalive)

    def hello(self) -> bytes:
        """A CONNECT. Raises ValueError for what does not fit in one."""
        clean = True if self._five else paho.MQTT_CLEAN_START_FIRST_ONLY
        properties = _session_ends() if self._five else None
        self._client.connect("ours", 1, self._keepalive, clean_start=clean, properties=properties)
        return self._said()

    def answered(self, packet: Packet) -> int:
        """What the broker says to it: 0, come in; else why not, as a number of MQTT 5. Raises ValueError for what is no
        CONNACK."""
        self._hand(packet)
        if not self._connected.done():
            # paho does not tell anybody that a broker has no 3.1.1 either.
            if packet.type is Type.CONNACK and packet.body[1:2] == b"\x01":
                return OTHER_VERSION
            raise ValueError(f"a {packet.type.name} of {len(packet.body)} bytes that is no CONNACK")
        return _number(self._connected)

    def ended(self, packet: Packet) -> int:
        """Why, of a DISCONNECT of MQTT 5 (§3.14.2.1). Raises ValueError for what is none."""
        self._hand(packet)
        if not self._disconnected.done():
            raise ValueError(f"a {packet.type.name} of {len(packet.body)} bytes that is no DISCONNECT")
        return _number(self._disconnected)

    def goodbye(self) -> bytes:
        """A DISCONNECT in peace."""
        self._client.disconnect()
        return self._said()

    def _said(self) -> bytes:
        said, self._stand_in.sent = bytes(self._stand_in.sent), bytearray()
        return said

    def _hand(self, packet: Packet) -> None:
        self._stand_in.comes = packet.raw
        self._client.loop_read()


def _number(told: asyncio.Future[None]) -> int:
    """Of what aiomqtt keeps as an error; it is looked at, so that asyncio does not complain that nobody did."""
    error = told.exception()
    if error is None:
        return 0
    code = getattr(error, "rc", None)
    number = int(code.value) if isinstance(code, ReasonCode) else 0x80
    return _OF_THREE.get(number, number)


@lru_cache(1)
def _session_ends() -> Properties:
    """MQTT 5 §3.1.2.11: nothing is kept for us when the connection ends. Made once: paho takes 0.2 ms for it."""
    made = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    made.SessionExpiryInterval = 0
    return made
