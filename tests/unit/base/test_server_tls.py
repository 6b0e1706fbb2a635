"""The kit's own authority: what it issues is trusted, private, kept, and made anew when it no longer fits."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.verification import PolicyBuilder, Store

from gateway.base.server_tls import SERVER_DAYS, ensure, fingerprint

NOW = datetime(2026, 7, 1, tzinfo=UTC)
NAMES = ["kit1", "localhost", "10.0.0.5", "fd00::5"]


def chain(folder: Path) -> tuple[x509.Certificate, x509.Certificate]:
    server, ca = x509.load_pem_x509_certificates((folder / "server.crt").read_bytes())
    return server, ca


def test_what_it_issues_is_valid_for_every_name(tmp_path: Path) -> None:
    files = ensure(tmp_path, "kit1", NAMES, now=NOW)
    server, _ = chain(tmp_path)
    store = Store([x509.load_pem_x509_certificate(files.ca.read_bytes())])
    for subject in (x509.DNSName("kit1"), x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("10.0.0.5"))):
        verifier = PolicyBuilder().store(store).time(NOW).build_server_verifier(subject)
        assert verifier.verify(server, [])[0] == server
    with pytest.raises(x509.verification.VerificationError):
        PolicyBuilder().store(store).time(NOW).build_server_verifier(x509.DNSName("evil.example")).verify(server, [])


def test_keys_are_private(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    ensure(folder, "kit1", NAMES)
    assert folder.stat().st_mode & 0o777 == 0o700
    for name in ("ca.key", "server.key", "server.crt"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600
    assert not list(folder.glob("*.new"))


def test_kept_while_it_fits(tmp_path: Path) -> None:
    ensure(tmp_path, "kit1", NAMES, now=NOW)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    ensure(tmp_path, "kit1", NAMES, now=NOW + timedelta(days=100))
    ensure(tmp_path, "kit1", NAMES[:2], now=NOW + timedelta(days=100))  # fewer names: it still covers them
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    "change",
    ["address", "age", "foreign key", "cut short", "clock before"],
)
def test_issued_anew_under_the_same_authority(tmp_path: Path, change: str) -> None:
    files = ensure(tmp_path, "kit1", NAMES, now=NOW)
    ca, before = files.ca.read_bytes(), fingerprint(files.certificate)
    names, now = list(NAMES), NOW
    if change == "address":
        names.append("192.0.2.9")
    elif change == "age":
        now += timedelta(days=SERVER_DAYS - 10)
    elif change == "foreign key":
        other = ensure(tmp_path / "other", "kit2", NAMES, now=NOW)
        files.key.write_bytes(other.key.read_bytes())
    elif change == "cut short":
        files.certificate.write_bytes(files.certificate.read_bytes()[:300])
    else:
        now -= timedelta(days=30)
    ensure(tmp_path, "kit1", names, now=now)
    assert files.ca.read_bytes() == ca
    assert fingerprint(files.certificate) != before
    server, _ = chain(tmp_path)
    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    assert server.public_key() == key.public_key()
    assert server.not_valid_before_utc <= now < server.not_valid_after_utc
    files.context()


def test_the_authority_can_sign_no_other_authority(tmp_path: Path) -> None:
    files = ensure(tmp_path, "kit1", NAMES)
    ca = x509.load_pem_x509_certificate(files.ca.read_bytes())
    limits = ca.extensions.get_extension_for_class(x509.BasicConstraints)
    assert limits.critical
    assert limits.value == x509.BasicConstraints(ca=True, path_length=0)
    server, _ = chain(tmp_path)
    assert server.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert server.not_valid_after_utc - server.not_valid_before_utc <= timedelta(days=398)


def test_two_kits_have_two_names(tmp_path: Path) -> None:
    first = ensure(tmp_path / "a", "kit1", NAMES)
    second = ensure(tmp_path / "b", "kit1", NAMES)
    names = [x509.load_pem_x509_certificate(one.ca.read_bytes()).subject for one in (first, second)]
    assert names[0] != names[1]
