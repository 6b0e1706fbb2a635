"""What may be written of calls: where the sound is, and who may call whom."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from adapters.modem.config import ModemConfig, OneModem
from adapters.modem.config_calls import CallsConfig

PORT = "usb:1-1.3:2"


def one(audio: str, **more: Any) -> OneModem:
    return OneModem.model_validate({"port": PORT, "calls": {"audio": audio}, **more})


@pytest.mark.parametrize(
    "audio",
    ["", "card", "card:plughw:CARD=Android", "card:usb:1-1.3", "card:/dev/snd/by-path/pci-0000:00:14.0-usb-0:1.3:1.5"],
)
def test_a_card_goes_with_every_backend(audio: str) -> None:
    for backend in ("at", "auto", "modemmanager"):
        assert one(audio, backend=backend).calls.audio == audio


@pytest.mark.parametrize(
    ("audio", "words"),
    [
        ("plughw:1", '"card"'),
        ("card:", '"card"'),
        ("card:-D", "ALSA"),
        ("card:/dev/snd/by-path/../../sda", "ALSA"),
        ("pcm:/dev/ttyUSB1", "next reset"),
        ("pcm:", "path below"),
        (f"pcm:{PORT}", "AT port itself"),
    ],
)
def test_what_is_refused_is_refused_in_words(audio: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        one(audio, backend="at")


@pytest.mark.parametrize("backend", ["auto", "modemmanager"])
def test_a_port_needs_our_own_engine_and_the_error_says_why(backend: str) -> None:
    with pytest.raises(ValidationError, match="ModemManager holds and lends in its debug mode only"):
        one("pcm:usb:1-1.3:1", backend=backend)


def test_one_owner_a_port_and_a_card() -> None:
    pcm = {"backend": "at", "port": PORT, "calls": {"audio": "pcm:usb:1-1.3:1"}}
    for other in (
        {**pcm, "port": "usb:1-1.4:2"},
        {"port": "usb:1-1.3:1"},
    ):
        with pytest.raises(ValidationError, match="that of another modem"):
            ModemConfig.model_validate({"modems": {"a": pcm, "b": other}})
    card = {"port": PORT, "calls": {"audio": "card:hw:1"}}
    with pytest.raises(ValidationError, match="one sound card"):
        ModemConfig.model_validate({"modems": {"a": card, "b": {**card, "port": "usb:1-1.4:2"}}})


def test_numbers_need_a_sound_and_are_numbers() -> None:
    with pytest.raises(ValidationError, match="set audio"):
        CallsConfig(to=["110"])
    for wrong in ("sip:1", "12", "*", "+86 139"):
        with pytest.raises(ValidationError, match="digits"):
            CallsConfig(audio="card", to=[wrong])


def test_who_may_be_dialled_and_who_may_call_however_it_is_written() -> None:
    calls = CallsConfig(
        audio="card", to=["13900001111", "0571*", "10086"], callers=["+8613900001111"], emergency=["120"]
    )
    for number in (
        "13900001111",
        "+8613900001111",
        "008613900001111",
        "057188887777",
        "+8657188887777",
        "10086",
        "120",
    ):
        assert calls.may_dial(number), number
    for number in ("", "13900001112", "+8513900001111", "913900001111", "1390000111", "110", "x", "tel:", "0572888777"):
        assert not calls.may_dial(number), number
    assert calls.may_call("13900001111") and calls.may_call("+8613900001111")
    assert not calls.may_call("") and not calls.may_call("120") and not calls.may_call("+113900001111")
    assert calls.is_emergency("120") and not calls.is_emergency("10086")
    assert not CallsConfig(audio="card").may_dial("110")
