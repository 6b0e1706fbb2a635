"""Who is paired with us: kept over a restart, told when it changes; our own key is made once and is nobody else's."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.base.clock import Clock
from gateway.base.errors import ConfigError, GatewayError, NotFound
from gateway.core.pairings import Pairings
from gateway.model.pairing import PairedCenter, PairedKit
from gateway.model.principal import Role
from gateway.store.store import Store

KEY = b"k" * 32
CENTER = PairedCenter(
    "county", KEY, "County", ("203.0.113.5", "county.example"), 8444, 8443, "ab" * 32, Role.VIEWER, "kit1/ball-1", 5.0
)


async def test_kept_over_a_restart(tmp_path: Path) -> None:
    store = Store(tmp_path, b"audit")
    pairings = Pairings(store.pairings, tmp_path, Clock())
    kit = PairedKit("kit7", KEY, "County 7", b"n" * 32, 5.0, "ada")
    heard: list[int] = []
    undo = pairings.on_change(lambda: heard.append(len(pairings.kits())))
    await pairings.admit_kit(kit)
    await pairings.admit_center(CENTER)
    await pairings.revoke_kit("kit7", "stolen")
    assert heard == [1, 1, 1]
    undo()
    store.close()
    store = Store(tmp_path, b"audit")
    again = Pairings(store.pairings, tmp_path, Clock())
    assert again.paired_center("county") == CENTER
    (known,) = again.kits()
    assert (known.key, known.next_key, known.detail) == (KEY, b"n" * 32, "stolen") and known.revoked_at is not None
    await again.forget_center("county")
    await again.forget_kit("kit7")
    assert again.centers() == again.kits() == [] and store.pairings.kits() == store.pairings.centers() == []
    store.close()


async def test_what_is_no_pairing_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path, b"audit")
    pairings = Pairings(store.pairings, tmp_path, Clock())
    for wrong in (PairedKit("Kit 7", KEY), PairedKit("kit7", b"short")):
        with pytest.raises(GatewayError):
            await pairings.admit_kit(wrong)
    with pytest.raises(NotFound):
        await pairings.revoke_kit("kit7")
    with pytest.raises(NotFound):
        await pairings.revoke_center("county")
    assert pairings.kits() == []
    store.close()


def test_the_own_key_is_private_and_stays(tmp_path: Path) -> None:
    store = Store(tmp_path, b"audit")
    key = Pairings(store.pairings, tmp_path, Clock()).private_key()
    pairings = Pairings(store.pairings, tmp_path, Clock())
    assert pairings.private_key() == key and len(pairings.public_key()) == 32
    assert (tmp_path / "bundle.key").stat().st_mode & 0o777 == 0o600
    (tmp_path / "bundle.key").write_bytes(b"cut")
    with pytest.raises(ConfigError):
        Pairings(store.pairings, tmp_path, Clock()).private_key()
    store.close()


async def test_a_key_is_renewed_when_all_centers_know_it(tmp_path: Path) -> None:
    store = Store(tmp_path, b"audit")
    pairings = Pairings(store.pairings, tmp_path, Clock())
    for gateway in ("county", "city"):
        await pairings.admit_center(PairedCenter(gateway, KEY))
    await pairings.admit_center(PairedCenter("old", KEY, revoked_at=1.0))
    first = pairings.private_key()
    await pairings.renew_key()
    second = pairings.next_key()
    assert second != first and pairings.private_key() == first
    await pairings.renew_key()
    assert pairings.next_key() == second, "one that is being told stays"
    pairings.key_taken("county")
    again = Pairings(store.pairings, tmp_path, Clock())
    assert (again.private_key(), again.next_key()) == (first, second), "kept over a restart"
    pairings.key_taken("city")
    assert (pairings.private_key(), pairings.next_key()) == (second, b"")
    assert (tmp_path / "bundle.key").stat().st_mode & 0o777 == 0o600 and not (tmp_path / "bundle.key.next").exists()
    store.close()


async def test_a_kits_next_key_takes_the_place_of_its_own(tmp_path: Path) -> None:
    store = Store(tmp_path, b"audit")
    pairings = Pairings(store.pairings, tmp_path, Clock())
    await pairings.admit_kit(PairedKit("kit7", KEY))
    await pairings.admit_kit(PairedKit("kit8", b"8" * 32))
    await pairings.announce_key("kit7", b"n" * 32)
    assert store.pairings.kits()[0].next_key == b"n" * 32
    with pytest.raises(GatewayError):
        await pairings.announce_key("kit8", b"n" * 32)
    with pytest.raises(NotFound):
        await pairings.announce_key("kit9", b"9" * 32)
    await pairings.promote_key("kit7")
    await pairings.promote_key("kit8")
    kit7, kit8 = pairings.kits()
    assert (kit7.key, kit7.next_key, kit8.key) == (b"n" * 32, b"", b"8" * 32)
    await pairings.revoke_kit("kit7")
    with pytest.raises(NotFound):
        await pairings.announce_key("kit7", b"m" * 32)
    store.close()
