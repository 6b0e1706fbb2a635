"""Who is paired with us: kept over a restart, told when it changes; our own key is made once and is nobody else's."""

from __future__ import annotations

import asyncio
import errno
import os
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from gateway.base.clock import Clock
from gateway.base.errors import Busy, ConfigError, Denied, GatewayError, NotFound
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
    assert again.paired_center("county") == replace(CENTER, place=1)
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


async def test_who_was_told_the_next_key_is_known_over_restarts_and_of_that_key_alone(tmp_path: Path) -> None:
    store = Store(tmp_path, b"audit")
    other = X25519PrivateKey.generate().public_key().public_bytes_raw()

    def again() -> Pairings:
        return Pairings(store.pairings, tmp_path, Clock())

    pairings = again()
    for gateway in ("county", "city"):
        await pairings.admit_center(PairedCenter(gateway, other))
    pairings.key_told("county")
    old = pairings.shared_with(other)
    assert not (tmp_path / "bundle.key.told").exists(), "there is no next key"

    def by(pairings: Pairings) -> list[bytes | None]:
        rows = {row.gateway: row for row in pairings.centers()}
        return [pairings.shared_with_center(rows[name]) for name in ("county", "city")]

    await pairings.renew_key()
    pairings.key_told("county")
    new, *_ = by(pairings)
    assert new != old and by(pairings) == by(again()) == [new, old]
    # Paired anew, a center knows what the code told it: our key of now.
    await pairings.admit_center(PairedCenter("county", other))
    assert by(pairings) == by(again()) == [old, old]
    pairings.key_told("county")
    for gateway in ("county", "city"):
        pairings.key_taken(gateway)
    assert by(pairings) == by(again()) == [new, new] and not (tmp_path / "bundle.key.told").exists()
    # What a crash left of an earlier key says nothing of the next one.
    (tmp_path / "bundle.key.told").write_text("0" * 32 + "\ncounty")
    await pairings.renew_key()
    assert by(again()) == [new, new]
    with patch("gateway.core.pairings._place", side_effect=OSError(28, "full")), pytest.raises(GatewayError) as no:
        pairings.key_told("county")
    assert no.value.code == "disk-full" and by(pairings) == [new, new]
    store.close()


async def test_a_kits_next_key_takes_the_place_of_its_own(tmp_path: Path) -> None:
    store = Store(tmp_path, b"audit")
    pairings = Pairings(store.pairings, tmp_path, Clock())
    await pairings.admit_kit(PairedKit("kit7", KEY))
    await pairings.admit_kit(PairedKit("kit8", b"8" * 32))
    await pairings.announce_key("kit7", b"n" * 32, KEY)
    assert store.pairings.kits()[0].next_key == b"n" * 32
    with pytest.raises(GatewayError):
        await pairings.announce_key("kit8", b"n" * 32, b"8" * 32)
    with pytest.raises(NotFound):
        await pairings.announce_key("kit9", b"9" * 32, b"9" * 32)
    await pairings.promote_key("kit7", KEY)
    await pairings.promote_key("kit8", b"8" * 32)
    kit7, kit8 = pairings.kits()
    assert (kit7.key, kit7.next_key, kit8.key) == (b"n" * 32, b"", b"8" * 32)
    await pairings.revoke_kit("kit7")
    with pytest.raises(NotFound):
        await pairings.announce_key("kit7", b"m" * 32, b"n" * 32)
    store.close()


async def test_a_revocation_stands_whatever_the_kit_says_meanwhile(tmp_path: Path) -> None:
    """Its words and the administrator's wait for the same disk, in any order."""
    store = Store(tmp_path, b"audit")
    pairings = Pairings(store.pairings, tmp_path, Clock())
    for gateway, key in (("kit7", KEY), ("kit8", b"8" * 32)):
        await pairings.admit_kit(PairedKit(gateway, key, next_key=gateway[-1:].encode() * 31 + b"n"))
    await asyncio.gather(
        pairings.revoke_kit("kit7", "stolen"),
        pairings.announce_key("kit7", b"m" * 32, KEY),
        pairings.promote_key("kit8", b"8" * 32),
        pairings.revoke_kit("kit8", "lost"),
        return_exceptions=True,
    )
    for rows in (pairings.kits(), store.pairings.kits()):
        assert [(row.revoked_at is not None, row.detail) for row in rows] == [(True, "stolen"), (True, "lost")]
    # Whoever asked for it may be gone before the disk answers: it is done all the same.
    await pairings.admit_kit(PairedKit("kit7", KEY))
    asked = asyncio.create_task(pairings.revoke_kit("kit7"))
    await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(NotFound):
        await pairings.announce_key("kit7", b"m" * 32, KEY)
    assert [row.revoked_at is not None for row in store.pairings.kits()] == [True, True]
    store.close()


async def test_the_session_by_a_key_that_is_no_more_says_nothing_of_the_next(tmp_path: Path) -> None:
    """Admitted anew with another key: whoever still speaks by the old one would name its own successor."""
    store = Store(tmp_path, b"audit")
    pairings = Pairings(store.pairings, tmp_path, Clock())
    await pairings.admit_kit(PairedKit("kit7", KEY))
    await pairings.announce_key("kit7", b"n" * 32, KEY)
    await pairings.admit_kit(PairedKit("kit7", b"2" * 32))
    with pytest.raises(NotFound):
        await pairings.announce_key("kit7", b"m" * 32, KEY)
    await pairings.promote_key("kit7", KEY)
    assert pairings.kits() == store.pairings.kits() == [PairedKit("kit7", b"2" * 32)]
    store.close()


async def test_one_key_is_one_kit(tmp_path: Path) -> None:
    """A copy of a kit that calls itself otherwise would put the first one out."""
    store = Store(tmp_path, b"audit")
    pairings = Pairings(store.pairings, tmp_path, Clock())
    first = PairedKit("kit7", KEY, next_key=b"n" * 32)
    await pairings.admit_kit(first)
    for key in (KEY, b"n" * 32):
        with pytest.raises(Denied) as refused:
            await pairings.admit_kit(PairedKit("kit8", key))
        assert refused.value.code == "pair-key-known"
    assert pairings.kits() == store.pairings.kits() == [first]
    await pairings.admit_kit(PairedKit("kit7", KEY, "Again"))
    await pairings.forget_kit("kit7")
    await pairings.admit_kit(PairedKit("kit8", KEY))
    store.close()


async def test_a_kit_announces_few_keys(tmp_path: Path) -> None:
    store = Store(tmp_path, b"audit")
    now = [100.0]
    pairings = Pairings(store.pairings, tmp_path, Clock(monotonic=lambda: now[0]))
    await pairings.admit_kit(PairedKit("kit7", KEY))
    for number in range(8):
        await pairings.announce_key("kit7", bytes([number]) * 32, KEY)
        await pairings.announce_key("kit7", bytes([number]) * 32, KEY)  # told again after a break: no new one
    with pytest.raises(Busy):
        await pairings.announce_key("kit7", b"m" * 32, KEY)
    now[0] += 3601.0
    await pairings.announce_key("kit7", b"m" * 32, KEY)
    assert store.pairings.kits()[0].next_key == b"m" * 32
    store.close()


async def test_a_key_that_took_its_place_is_there_after_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rename is kept by its folder: that is synced after each."""
    store, calls = Store(tmp_path, b"audit"), list[str]()
    real_sync, real_replace = os.fsync, Path.replace

    def fsync(fd: int) -> None:
        if Path(f"/proc/self/fd/{fd}").readlink() == tmp_path:
            calls.append("folder")
        real_sync(fd)

    def replace(fresh: Path, target: Path) -> Path:
        calls.append(target.name)
        return real_replace(fresh, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    pairings = Pairings(store.pairings, tmp_path, Clock())
    await pairings.admit_center(PairedCenter("county", KEY))
    pairings.private_key()
    await pairings.renew_key()
    # A disk that refuses the last step leaves both keys known; the center's next word tries again.
    full = OSError(errno.ENOSPC, "full")
    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(full))
        pairings.key_taken("county")
    assert pairings.next_key()
    pairings.key_taken("county")
    assert not pairings.next_key()
    assert calls == ["bundle.key", "folder", "bundle.key.next", "folder", "bundle.key", "folder"]
    store.close()
