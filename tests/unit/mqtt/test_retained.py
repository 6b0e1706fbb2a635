"""What a broker retains is counted by who it is for, whatever connection it came by."""

from __future__ import annotations

import pytest

from adapters.mqtt.broker.retained import ALL_BYTES, AROUND, EACH_BYTES, MOST, Retained
from adapters.mqtt.protocol.packets import Packet, Type
from gateway.base.errors import RemoteProtocolError


def publish(topic: str, size: int, qos: int = 1) -> Packet:
    name = topic.encode()
    body = len(name).to_bytes(2, "big") + name + (b"\x00\x01" if qos else b"") + b"x" * size
    return Packet(Type.PUBLISH, 0x01 | qos << 1, body, b"")


def test_topics_are_bounded_and_come_again_for_nothing() -> None:
    kept = Retained()
    for number in range(MOST):
        kept.put("kit7", publish(f"t/{number}", 10))
    kept.put("kit7", publish("t/0", 500))
    with pytest.raises(RemoteProtocolError):
        kept.put("kit7", publish("t/one more", 10))
    kept.put("kit8", publish("t/one more", 10))
    kept.put("kit7", publish("t/0", 0))
    kept.put("kit7", publish("t/one more", 10))


def test_bytes_are_bounded_of_each_and_of_all() -> None:
    kept, large = Retained(), 500_000
    each = EACH_BYTES // (large + AROUND + 5)
    kits = 0
    with pytest.raises(RemoteProtocolError, match="all have"):
        while True:
            for number in range(each):
                kept.put(f"kit{kits}", publish(f"t/{number:03}", large))
            with pytest.raises(RemoteProtocolError, match="it has"):
                kept.put(f"kit{kits}", publish("t/more", large))
            kits += 1
    assert kits >= 15 and kept.all_bytes <= ALL_BYTES
    for number in range(each):
        kept.put("kit0", publish(f"t/{number:03}", 0, qos=0))
    kept.put("kit1", publish("t/001", 10))
    kept.put("another", publish("t", large))
