"""Seals: made by those who are paired, by nobody else, and for that message alone."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from adapters.mqtt.protocol.seal import Seal, sender_of, shared
from adapters.mqtt.seals import SealsOfKits, closed, of_centers, opened
from gateway.base.errors import RemoteProtocolError
from gateway.model.pairing import PairedCenter, PairedKit

TOPIC = "fc/v1/kit7/cmd/ptz~move"


def pair() -> tuple[bytes, bytes]:
    key = X25519PrivateKey.generate()
    return key.private_bytes_raw(), key.public_key().public_bytes_raw()


KIT, NEXT, CENTER, STRANGER = pair(), pair(), pair(), pair()


class Pairings:
    """As much of `contract.fleet.Pairings` as seals use."""

    def __init__(self, private: bytes, next_: bytes = b"") -> None:
        self._private, self._next = private, next_
        self.kits_: list[PairedKit] = []
        self.centers_: list[PairedCenter] = []
        self.called: list[object] = []

    def private_key(self) -> bytes:
        return self._private

    def next_key(self) -> bytes:
        return self._next

    def kits(self) -> list[PairedKit]:
        return self.kits_

    def centers(self) -> list[PairedCenter]:
        return self.centers_

    def on_change(self, called: object) -> object:
        self.called.append(called)
        return lambda: self.called.remove(called)


@given(st.binary(max_size=200), st.integers(0, 400), st.integers(1, 255))
def test_only_what_was_sealed_opens(body: bytes, at: int, bit: int) -> None:
    key = shared(CENTER[0], KIT[1])
    assert key == shared(KIT[0], CENTER[1]) != shared(STRANGER[0], KIT[1])
    sealed = Seal("county", [key]).close(TOPIC, body)
    here = Seal("kit7", [key])
    assert here.open(TOPIC, sealed) == body and sender_of(sealed) == "county"
    bent = bytearray(sealed)
    bent[at % len(sealed)] ^= bit
    for data, topic in (
        (bytes(bent), TOPIC),
        (sealed, TOPIC + "x"),
        (sealed[:-1] if body else b"", TOPIC),
        (body, TOPIC),
    ):
        with pytest.raises(RemoteProtocolError) as forged:
            here.open(topic, data)
        assert forged.value.code == "mqtt-forged"


@given(st.binary(max_size=80))
def test_noise(data: bytes) -> None:
    for noise in (data, b"\xc1" + data):
        with pytest.raises(RemoteProtocolError):
            Seal("kit7", [b"k" * 32]).open(TOPIC, noise)


def test_old_and_new_keys_of_a_kit_are_good_at_a_time() -> None:
    kit, center = Pairings(KIT[0], NEXT[0]), Pairings(CENTER[0])
    kit.centers_ = [PairedCenter("county", CENTER[1])]
    center.kits_ = [PairedKit("kit7", KIT[1], next_key=NEXT[1])]
    of_kit = SealsOfKits("county", center)  # type: ignore[arg-type]
    of_center = of_centers("kit7", kit)  # type: ignore[arg-type]
    told = closed(of_center("county"), TOPIC, b"x")
    assert opened(of_kit, TOPIC, told, "kit7") == (b"x", "kit7")
    # Between its old key and its new one (another center is away): this one knows the old, both, or the new one alone.
    for private, next_, row in (
        (KIT[0], NEXT[0], PairedKit("kit7", KIT[1])),
        (KIT[0], NEXT[0], PairedKit("kit7", KIT[1], next_key=NEXT[1])),
        (KIT[0], NEXT[0], PairedKit("kit7", NEXT[1])),
        (NEXT[0], b"", PairedKit("kit7", KIT[1], next_key=NEXT[1])),
    ):
        kit._private, kit._next = private, next_
        center.kits_ = [row]
        of_kit._changed()
        assert opened(of_kit, TOPIC, closed(of_center("county"), TOPIC, b"y"), "kit7")[0] == b"y"
        assert opened(of_center, TOPIC, closed(of_kit("kit7"), TOPIC, b"z"), "county")[0] == b"z"
    of_kit.close()
    assert center.called == []


def test_who_is_paired_seals_and_who_is_not_can_not() -> None:
    center = Pairings(CENTER[0])
    center.kits_ = [PairedKit("kit7", KIT[1]), PairedKit("kit8", STRANGER[1], revoked_at=1.0)]
    seals = SealsOfKits("county", center)  # type: ignore[arg-type]
    forged = Seal("kit7", [shared(STRANGER[0], CENTER[1])]).close(TOPIC, b"x")
    other = Seal("kit9", [shared(KIT[0], CENTER[1])]).close(TOPIC, b"x")
    for data, sender in ((b"x", "kit7"), (forged, "kit7"), (other, "kit7"), (other, ""), (forged, "kit8")):
        with pytest.raises(RemoteProtocolError) as wrong:
            opened(seals, TOPIC, data, sender)
        assert wrong.value.code == "mqtt-forged"
    assert opened(seals, TOPIC, b"x", "kit9") == (b"x", ""), "nothing is between us"
    assert opened(seals, TOPIC, b"x", "kit8") == (b"x", ""), "revoked: the fleet does not take it"
    assert seals("kit8") is None and seals("nobody") is None


def test_keys_that_are_none_seal_nothing() -> None:
    center = Pairings(CENTER[0])
    center.kits_ = [PairedKit("kit7", b"short"), PairedKit("kit8", b"")]
    seals = SealsOfKits("county", center)  # type: ignore[arg-type]
    assert seals("kit7") is None and seals("kit8") is None
    for number in (0, 5):
        with pytest.raises(ValueError):
            Seal("county", [b"k" * 32] * number)
