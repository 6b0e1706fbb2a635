"""`fieldgate pair` and `fieldgate kits`: codes are printed for people, and what they need next."""

from __future__ import annotations

import io
import json

import segno

from gateway.core.services import Services
from tests.unit.cli.conftest import Run


def test_a_code_with_what_to_do_with_it(fieldgate: Run, daemon: Services) -> None:
    shown = fieldgate("pair")
    assert shown.code == 0
    assert "fgp1:code" in shown.out and "kits admit" in shown.out and "pair accept" in shown.out
    assert json.loads(fieldgate("pair", "--json").out)["code"] == "fgp1:code"
    # The picture of it: the rows of the QR code that a phone reads, two modules high each.
    drawn = io.StringIO()
    segno.make("fgp1:code", error="l").terminal(drawn, compact=True)
    assert drawn.getvalue().strip("\n") in shown.out and "█" in drawn.getvalue()
    assert "█" not in fieldgate("pair", "--no-qr").out


def test_it_waits_for_the_center(fieldgate: Run, daemon: Services) -> None:
    shown = fieldgate("pair", "--center", "center.example:8443", "--no-qr")
    assert shown.code == 0 and "Paired with County" in shown.out


def test_the_answer_by_hand(fieldgate: Run, daemon: Services) -> None:
    shown = fieldgate("pair", "accept", "fga1:abcdefgh")
    assert shown.code == 0 and "operator" in shown.out
    assert "203.0.113.5" in fieldgate("pair", "centers").out
    assert json.loads(fieldgate("pair", "centers", "--json").out)[0]["gateway"] == "county"
    assert fieldgate("pair", "part", "county").code == 0


def test_kits_at_a_center(fieldgate: Run, daemon: Services) -> None:
    listed = fieldgate("kits", "list")
    assert listed.code == 0 and "kit7" in listed.out
    admitted = fieldgate("kits", "admit", "fgp1:abcdefgh", "--name", "County 7")
    assert admitted.code == 0 and "fga1:answer" in admitted.out
    assert fieldgate("kits", "revoke", "kit7", "--reason", "stolen").code == 0
    assert fieldgate("kits", "forget", "kit7").code == 0
