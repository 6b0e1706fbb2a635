"""Which card is meant. (The programs: tests/unit/roip/test_serial.py.)"""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.base.errors import LinkDown
from gateway.net.sound_card import find_card


def test_the_card_of_a_usb_socket_whatever_its_number(tmp_path: Path) -> None:
    (tmp_path / "1-1.3:1.5" / "sound" / "card2").mkdir(parents=True)
    (tmp_path / "1-1.4:1.0" / "tty").mkdir(parents=True)
    assert find_card("usb:1-1.3", usb_devices=tmp_path) == "plughw:2"
    (tmp_path / "1-1.3:1.5" / "sound" / "card2").rename(tmp_path / "1-1.3:1.5" / "sound" / "card11")
    assert find_card("usb:1-1.3", usb_devices=tmp_path) == "plughw:11"
    for where in ("usb:1-1.4", "usb:1-1", "/dev/snd/by-path/gone"):
        with pytest.raises(LinkDown, match="no sound card") as told:
            find_card(where, usb_devices=tmp_path)
        assert told.value.code == "sound-card"


def test_a_name_of_alsa_is_left_to_alsa() -> None:
    assert find_card("plughw:CARD=Android") == "plughw:CARD=Android"
