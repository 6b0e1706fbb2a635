"""The gateway's own authority: client certificates that OpenSSL takes, and no longer takes once they are revoked."""

from __future__ import annotations

import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from gateway.base import server_tls as tls
from gateway.base.authority import Authority, ClientFiles, client_files, new_request
from gateway.base.errors import ConfigError, Denied, RemoteProtocolError

NOW = datetime.now(UTC)


def admitted(authority: Authority, state_dir: Path, gateway: str = "kit7") -> ClientFiles:
    key, request = new_request(gateway)
    files = client_files(state_dir, "center1")
    files.keep(ca=authority.certificate.read_bytes(), certificate=authority.issue_client(gateway, request), key=key)
    return files


def shaken(server: ssl.SSLContext, client: ssl.SSLContext) -> str:
    """A handshake in memory; the name that the server saw. Raises ssl.SSLError as a socket would."""
    a, b = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = server.wrap_bio(a, b, server_side=True)
    far = client.wrap_bio(b, a, server_hostname="localhost")
    done: set[int] = set()
    for _ in range(10):
        for number, end in enumerate((far, near)):
            if number in done:
                continue
            try:
                end.do_handshake()
                done.add(number)
            except ssl.SSLWantReadError:
                pass
        if done == {0, 1}:
            told = near.getpeercert() or {}
            return str(dict(part[0] for part in told["subject"])["commonName"])
    raise AssertionError("the handshake does not end")


def contexts(folder: Path, authority: Authority, files: ClientFiles) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    made = tls.ensure(folder, "center1", ["localhost"])
    server = made.context()
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(authority.certificate)
    server.load_verify_locations(authority.revocations)
    server.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
    client = ssl.create_default_context(cafile=str(files.ca))
    client.load_cert_chain(files.certificate, files.key)
    return server, client


def test_a_kit_shows_itself_until_it_is_revoked(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    authority = Authority(folder, "center1")
    files = admitted(authority, tmp_path)
    assert shaken(*contexts(folder, authority, files)) == "kit7"
    other = admitted(authority, tmp_path / "other", "kit8")
    assert authority.revoke("kit7") == 1 and authority.revoke("kit7") == 0
    with pytest.raises(ssl.SSLError):
        shaken(*contexts(folder, authority, files))
    assert shaken(*contexts(folder, authority, other)) == "kit8"
    revoked, kept = authority.issued()
    assert (revoked.name, revoked.revoked_at is not None, kept.name, kept.revoked_at) == ("kit7", True, "kit8", None)
    with pytest.raises(Denied) as denied:
        authority.check(int(revoked.serial, 16))
    assert denied.value.code == "kit-revoked"
    authority.check(int(kept.serial, 16))


def test_the_name_is_the_admitting_sides_to_give(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "tls", "center1")
    _, request = new_request("center1")
    shown = x509.load_pem_x509_certificate(authority.issue_client("kit7", request))
    assert [a.value for a in shown.subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["kit7"]
    assert shown.not_valid_before_utc < NOW < shown.not_valid_after_utc
    with pytest.raises(RemoteProtocolError):
        authority.issue_client("Kit/7", request)


def test_what_is_no_request_is_refused_in_words(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "tls", "center1")
    _, request = new_request("kit7")
    key = rsa.generate_private_key(65537, 2048)
    rsa_request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    for bad in (b"", b"nonsense", request[:-60], b"x" * 10_000 + request, rsa_request):
        with pytest.raises(RemoteProtocolError) as refused:
            authority.issue_client("kit7", bad)
        assert refused.value.code == "certificate-damaged"
    assert authority.issued() == []


def test_a_kit_keeps_only_what_fits_together(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "tls", "center1")
    stranger = Authority(tmp_path / "other", "center2")
    key, request = new_request("kit7")
    other_key, _ = new_request("kit7")
    certificate = authority.issue_client("kit7", request)
    files = client_files(tmp_path, "center1")
    for ca, own in ((stranger.certificate.read_bytes(), key), (authority.certificate.read_bytes(), other_key)):
        with pytest.raises(RemoteProtocolError):
            files.keep(ca=ca, certificate=certificate, key=own)
    assert not files.whole()
    files.keep(ca=authority.certificate.read_bytes(), certificate=certificate, key=key)
    assert files.whole() and {path.stat().st_mode & 0o777 for path in files.folder.iterdir()} == {0o600}
    with pytest.raises(RemoteProtocolError):
        client_files(tmp_path, "../center1")


def test_two_at_once_make_one_authority_and_lose_no_row(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    _, request = new_request("kit7")

    def work() -> None:
        authority = Authority(folder, "center1")
        for _ in range(5):
            authority.issue_client("kit7", request)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    authority = Authority(folder, "center1")
    assert not authority.made and len(authority.issued()) == 20 and authority.revoke("kit7") == 20


def test_a_folder_that_will_not_do_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError) as wrong:
        Authority(tmp_path / "file", "center1")
    assert wrong.value.key == "gateway.state_dir"


def test_a_certificate_ends_with_its_authority(tmp_path: Path) -> None:
    old = NOW - timedelta(days=3640)
    authority = Authority(tmp_path / "tls", "center1", now=old)
    _, request = new_request("kit7")
    shown = x509.load_pem_x509_certificate(authority.issue_client("kit7", request))
    assert shown.not_valid_after_utc <= NOW + timedelta(days=11)
