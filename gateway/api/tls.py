"""HTTPS from the first start: a certificate authority of this kit's own, and a server certificate it issues.

A browser is told once to trust `ca.crt`; the server certificate under it names every own address and host name and
is issued again when they change or it nears its end. Keys are P-256, files of mode 0600 in a folder of mode 0700.
The CA is constrained to be nobody's parent but this server's (path length 0) and lives ten years; a server
certificate 397 days, the longest that browsers take.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_DAYS = 3650
SERVER_DAYS = 397
RENEW_BEFORE = timedelta(days=30)
BACKDATE = timedelta(days=1)  # kits' clocks are often a little off; a certificate from the future is refused


@dataclass(frozen=True, slots=True)
class Certificates:
    """Paths of what a TLS server needs, and what a client trusts."""

    ca: Path
    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """A server context for TLS 1.2 and newer with forward secrecy."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        made.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
        made.options |= ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
        made.load_cert_chain(self.certificate, self.key)
        return made


def ensure(folder: Path, gateway: str, names: Sequence[str], *, now: datetime | None = None) -> Certificates:
    """The kit's certificates in `folder`, made or issued again where needed.

    `names` are host names and IP addresses. Returns the same files while they still fit. Raises OSError when the
    folder can not be written.
    """
    now = now or datetime.now(UTC)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = Certificates(folder / "ca.crt", folder / "server.crt", folder / "server.key")
    ca_key_file = folder / "ca.key"
    if not (files.ca.exists() and ca_key_file.exists()):
        _make_ca(files.ca, ca_key_file, gateway, now)
        files.certificate.unlink(missing_ok=True)
    if not _fits(files, names, now):
        _issue(files, ca_key_file, gateway, names, now)
    return files


def fingerprint(certificate: Path) -> str:
    """SHA-256 of a certificate as people compare it: `AB:CD:…`."""
    digest = x509.load_pem_x509_certificate(certificate.read_bytes()).fingerprint(hashes.SHA256())
    return ":".join(f"{byte:02X}" for byte in digest)


def _make_ca(certificate: Path, key_file: Path, gateway: str, now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    # The serial in the name keeps two kits of the same id apart in a trust store.
    serial = x509.random_serial_number()
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Fieldgate"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Fieldgate {gateway[:32]} CA {serial & 0xFFFFFFFF:08x}"),
        ]
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write_secret(key_file, _pem(key))
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))


def _issue(files: Certificates, ca_key_file: Path, gateway: str, names: Sequence[str], now: datetime) -> None:
    ca = x509.load_pem_x509_certificate(files.ca.read_bytes())
    ca_key = serialization.load_pem_private_key(ca_key_file.read_bytes(), password=None)
    if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{ca_key_file} is not the EC key that this gateway made")
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, gateway[:64] or "fieldgate")]))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(min(now + timedelta(days=SERVER_DAYS), ca.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in sorted(set(names))]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    _write_secret(files.key, _pem(key))
    chain = made.public_bytes(serialization.Encoding.PEM) + files.ca.read_bytes()
    _write_secret(files.certificate, chain)


def _fits(files: Certificates, names: Sequence[str], now: datetime) -> bool:
    """The present server certificate covers all of `names`, belongs to the CA and to the key, and lives on a while."""
    if not (files.certificate.exists() and files.key.exists()):
        return False
    try:
        present = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        key = serialization.load_pem_private_key(files.key.read_bytes(), password=None)
        present.verify_directly_issued_by(x509.load_pem_x509_certificate(files.ca.read_bytes()))
    except Exception:
        return False  # half-written or foreign: issue anew
    if present.public_key() != key.public_key():
        return False
    covered = present.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(covered) >= {_general(name) for name in names} and (
        present.not_valid_before_utc <= now < present.not_valid_after_utc - RENEW_BEFORE
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name.partition("%")[0]))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_secret(file: Path, content: bytes) -> None:
    """Write so that nobody else can ever read it and a crash leaves the old file or the new one."""
    fresh = file.with_suffix(file.suffix + ".new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(file)
