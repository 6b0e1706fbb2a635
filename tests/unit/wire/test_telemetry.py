"""The last-resort record: 48 bytes, 64 characters, whole or not believed."""

from __future__ import annotations

import base64
import random

import pytest

from gateway.base.errors import LocalProtocolError, RemoteProtocolError
from gateway.wire import telemetry

KEYS = telemetry.derive(b"s" * 32, "kit7", "center")
OTHER = telemetry.derive(b"t" * 32, "kit7", "center")


def some(rng: random.Random) -> dict[str, int]:
    return {name: rng.getrandbits(bits) for name, bits in telemetry.LAYOUT}


def test_every_value_comes_back_and_fits_a_short_message() -> None:
    rng = random.Random(1)
    for sequence in [1, 2, telemetry.MOST_SEQUENCE, *(rng.randrange(1, 2**32) for _ in range(300))]:
        values, why = some(rng), rng.randrange(5)
        text = telemetry.write(KEYS, sequence, why, values)
        assert len(text) == 64 and len(base64.urlsafe_b64decode(text)) == telemetry.SIZE
        assert telemetry.is_record(f" {text}\n")
        sealed = telemetry.read(text)
        assert (sealed.why, sealed.hint, sealed.sequence) == (why, KEYS.hint, sequence)
        assert telemetry.opened(sealed, KEYS) == values
        assert telemetry.opened(sealed, OTHER) is None


def test_one_bit_changed_is_another_s() -> None:
    whole = base64.urlsafe_b64decode(telemetry.write(KEYS, 9, 1, some(random.Random(2))))
    for bit in range(3, len(whole) * 8):
        changed = bytearray(whole)
        changed[bit // 8] ^= 0x80 >> bit % 8
        sealed = telemetry.read(base64.urlsafe_b64encode(changed).decode())
        assert telemetry.opened(sealed, KEYS) is None


def test_who_reads_it_on_its_way_learns_no_place() -> None:
    values = dict.fromkeys((name for name, _ in telemetry.LAYOUT), 0)
    one, two = (base64.urlsafe_b64decode(telemetry.write(KEYS, number, 0, values)) for number in (1, 2))
    assert one[telemetry.HEAD : -telemetry.SEAL] != two[telemetry.HEAD : -telemetry.SEAL] != bytes(33)


@pytest.mark.parametrize("text", ["", "hello", "A" * 63, "A" * 65, "一" * 64, "+" * 64])
def test_what_is_none(text: str) -> None:
    assert not telemetry.is_record(text)
    with pytest.raises(RemoteProtocolError) as refused:
        telemetry.read(text)
    assert refused.value.code == "telemetry-damaged"


def test_a_version_of_tomorrow_is_named() -> None:
    with pytest.raises(RemoteProtocolError) as refused:
        telemetry.read("g" * 64)
    assert refused.value.code == "telemetry-version"


def test_what_has_no_room_is_our_mistake() -> None:
    for sequence, why, values in ((0, 0, {}), (1, 8, {}), (1, 0, {"battery": 128}), (1, 0, {"down": -1})):
        with pytest.raises(LocalProtocolError):
            telemetry.write(KEYS, sequence, why, values)


def test_keys_are_of_one_kit_and_one_center() -> None:
    made = [telemetry.derive(b"s" * 32, *who) for who in (("kit7", "center"), ("kit8", "center"), ("kit7", "other"))]
    assert len({keys.seal for keys in made}) == len({keys.cipher for keys in made}) == 3
    assert "s" * 8 not in repr(made)
