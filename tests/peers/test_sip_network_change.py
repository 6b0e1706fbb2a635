"""The kit's own address changes under calls that stand: they go on from the new one, with sound both ways.

The real daemon lives in a network namespace; two baresips, outside, call a group by its static trunk and hear each
other. What passes on the cable is read there, so that the new address is seen in the very messages and in the sound.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.peers.baresip import baresip
from tests.peers.stage import Stage, ports
from tests.peers.test_network_change import AFTER, BEFORE, GATEWAY, NET, ip, namespace

pytestmark = pytest.mark.peer

OTHER = NET.replace("198.19.", "198.18.", 1)  # another subnet, with a way to the first one
ENOUGH = 50  # packets of sound in each direction: a second


class Wire:
    """What passes on the cable: SIP as text, sound counted by (from, to, the phone's port)."""

    def __init__(self, cable: str) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        self._socket.bind((cable, 0))
        self._socket.setblocking(False)
        self.texts: list[tuple[str, str]] = []
        self.sound: dict[tuple[str, str, int], int] = {}

    def close(self) -> None:
        self._socket.close()

    def read(self) -> None:
        while True:
            try:
                packet = self._socket.recv(65535)
            except BlockingIOError:
                return
            if len(packet) < 40 or packet[0] != 0x45 or packet[9] != socket.IPPROTO_UDP:
                continue
            source, to = socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])
            at = 20 if source == BEFORE else 22
            port = int.from_bytes(packet[at : at + 2])
            body = packet[28:]
            if body[0] >> 6 == 2 and not 64 <= body[1] & 0x7F < 96:  # RTP, not RTCP (RFC 5761 §4)
                self.sound[source, to, port] = self.sound.get((source, to, port), 0) + 1
            else:
                self.texts.append((source, body.decode(errors="replace")))

    def flows(self, kit: str) -> bool:
        """A second of sound between both phones and `kit`, both ways. Silence is some three packets a second only."""
        self.read()
        loud = {way for way, packets in self.sound.items() if packets >= ENOUGH}
        from_kit = {port for source, to, port in loud if (source, to) == (kit, BEFORE)}
        to_kit = {port for source, to, port in loud if (source, to) == (BEFORE, kit)}
        return len(from_kit & to_kit) == 2

    def told(self, kit: str) -> bool:
        """Both dialogs that the phones began were re-invited with `kit` as Contact and in the SDP."""
        self.read()
        begun = {call_id(text) for source, text in self.texts if source == BEFORE and text.startswith("INVITE ")}
        moved = {
            call_id(text)
            for source, text in self.texts
            if source == kit
            and text.startswith("INVITE ")
            and re.search(rf"^Contact:.*@{re.escape(kit)}[:;>]", text, re.M)
            and f"IN IP4 {kit}\r\n" in text
        }
        return len(begun & moved) == 2


def call_id(text: str) -> str:
    found = re.search(r"^Call-ID: *(\S+)", text, re.M | re.I)
    return found[1] if found else ""


@contextmanager
def listening(cable: str) -> Iterator[Wire]:
    wire = Wire(cable)
    try:
        yield wire
    finally:
        wire.close()


def change(name: str, cable: str, after: str) -> None:
    ip("-n", name, "addr", "del", f"{GATEWAY}/24", "dev", "inner")
    ip("-n", name, "addr", "add", f"{after}/24", "dev", "inner")
    if after != AFTER:
        # The phones stay who they are: their sound goes on to come from the address that their SDP names.
        ip("route", "add", f"{OTHER}.0/24", "dev", cable, "src", BEFORE)
        ip("-n", name, "route", "add", f"{NET}.0/24", "dev", "inner")


@pytest.mark.parametrize("after", [AFTER, f"{OTHER}.9"], ids=["same-subnet", "other-subnet-and-route"])
async def test_a_trunk_call_goes_on_from_another_address(tmp_path: Path, after: str) -> None:
    tone: dict[str, Any] = {
        "host": BEFORE, "source": "ausine,1000", "rate": 48000, "codecs": ("opus",), "channels": 2,
    }  # fmt: skip
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    with namespace() as (name, cable), ports() as free, listening(cable) as wire:
        async with baresip(tmp_path / "one", **tone) as one, baresip(tmp_path / "two", **tone) as two:
            more = (
                f"address_poll = '1s'\n[adapter.sip.trunks.center]\nmode = 'static'\n"
                f"servers = ['udp:{BEFORE}:{one.port}']\nnumbers = ['600']\n"
                f"[talk.group.ops]\nnumber = '600'\nmode = 'full'\nmembers = []\n"
            )
            stage = Stage(tmp_path, free, host=GATEWAY, within=("ip", "netns", "exec", name), more=more)

            def up() -> set[str]:
                """The calls, once both are up and no other is there."""
                calls = stage.client.get("/api/v1/calls")
                good = [call["state"] == "up" and call["trunk"] == "center" for call in calls]
                return {call["id"] for call in calls} if good == [True, True] else set()

            try:
                await stage.daemon()
                await stage.until("the gateway's start", stage.ready)
                for phone in (one, two):
                    await phone.order("dial", f"sip:600@{GATEWAY}:{free.phones}")
                    await phone.event("CALL_ESTABLISHED")
                before = await stage.until("the calls", up, 5)
                await stage.until("sound both ways", lambda: wire.flows(GATEWAY), 8)
                change(name, cable, after)
                await stage.until("the re-INVITE from the new address", lambda: wire.told(after), 8)
                await stage.until("sound both ways from the new address", lambda: wire.flows(after), 8)
                assert await stage.until("the calls up again", up, 5) == before
                closed = [event for phone in (one, two) for event in phone.events if event.get("type") == "CALL_CLOSED"]
                assert not closed
            finally:
                await stage.stop()
