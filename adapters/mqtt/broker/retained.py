"""What the broker retains for whom. A client that comes again does not begin at nothing: amqtt keeps what it had."""

from __future__ import annotations

from adapters.mqtt.protocol.packets import Packet
from gateway.base.errors import RemoteProtocolError

MOST = 12_000
"""Topics of one client."""
EACH_BYTES = 24 << 20
ALL_BYTES = 384 << 20
"""Of the process' memory, which is limited: the rest is for what is on its way."""
AROUND = 1024
"""What amqtt keeps beside a message, in bytes, about."""


class Retained:
    """By the names in certificates, over all their connections."""

    def __init__(self) -> None:
        self._of: dict[str, dict[bytes, int]] = {}
        self._bytes: dict[str, int] = {}
        self.all_bytes = 0

    def put(self, name: str, packet: Packet) -> None:
        """A PUBLISH with its retain flag. Raises RemoteProtocolError: there is no room for it."""
        end = 2 + int.from_bytes(packet.body[:2], "big")
        topic, payload = bytes(packet.body[2:end]), len(packet.body) - end - (2 if packet.flags & 0x06 else 0)
        topics = self._of.setdefault(name, {})
        held = topics.get(topic, 0)
        size = len(topic) + payload + AROUND if payload > 0 else 0  # an empty one takes away what was there
        more = size - held
        if size and not held and len(topics) >= MOST:
            raise RemoteProtocolError(f"it has {MOST} messages retained")
        if more > 0 and self._bytes.get(name, 0) + more > EACH_BYTES:
            raise RemoteProtocolError(f"it has {EACH_BYTES} bytes retained")
        if more > 0 and self.all_bytes + more > ALL_BYTES:
            raise RemoteProtocolError(f"all have {ALL_BYTES} bytes retained")
        if size:
            topics[topic] = size
        else:
            topics.pop(topic, None)
        self._bytes[name] = self._bytes.get(name, 0) + more
        self.all_bytes += more
