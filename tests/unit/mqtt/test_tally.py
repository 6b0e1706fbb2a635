"""What was told of devices, summed up at both ends: alike whatever the order, unlike when anything is missing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from adapters.mqtt.protocol.tally import Tally

TOLD = st.dictionaries(st.sampled_from("abcdefgh"), st.binary(max_size=20), max_size=8)


def made(told: dict[str, bytes]) -> Tally:
    tally = Tally()
    for device, message in told.items():
        tally.put(device, message)
    return tally


@given(TOLD, TOLD)
def test_only_the_last_word_of_each_counts(before: dict[str, bytes], told: dict[str, bytes]) -> None:
    tally = made(before)
    for device in before:
        if device not in told:
            tally.drop(device)
    for device in reversed(list(told)):
        tally.put(device, told[device])
        tally.put(device, told[device])
    assert (len(tally), tally.sum) == (len(told), made(told).sum)
    assert set(tally) == set(told) and all(device in tally for device in told)
    tally.drop("nobody")
    assert tally.sum == made(told).sum


@given(TOLD.filter(bool), st.binary(max_size=20))
def test_what_is_missing_or_different_shows(told: dict[str, bytes], other: bytes) -> None:
    device = next(iter(told))
    whole, less = made(told), made({name: message for name, message in told.items() if name != device})
    assert len(less) != len(whole)
    if other != told[device]:
        assert made({**told, device: other}).sum != whole.sum


def test_two_devices_with_the_same_words_do_not_cancel_each_other() -> None:
    assert made({"a": b"x", "b": b"x"}).sum != 0


@given(TOLD.filter(bool), st.binary(max_size=20))
def test_the_same_words_are_known_again(told: dict[str, bytes], other: bytes) -> None:
    device = next(iter(told))
    tally = made(told)
    assert all(tally.has(name, message) for name, message in told.items())
    assert tally.has(device, other) == (other == told[device])
    tally.drop(device)
    assert not tally.has(device, told[device])
