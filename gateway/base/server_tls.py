"""TLS from the first start: a server certificate issued by the gateway's own authority (`gateway.base.authority`).

A browser is told once to trust `ca.crt`; the server certificate under it names every own address and host name and
is issued again when they change or it nears its end. It lives 397 days, the longest that browsers take.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.base.authority import BACKDATE, Authority, pem, usage, write_secret

SERVER_DAYS = 397
RENEW_BEFORE = timedelta(days=30)


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


def ensure(
    folder: Path, gateway: str, names: Sequence[str], *, stem: str = "server", now: datetime | None = None
) -> Certificates:
    """The kit's certificates in `folder`, made or issued again where needed.

    `names` are host names and IP addresses; `stem` names the files: servers with other names have files of their own.
    Returns the same files while they still fit. Raises ConfigError
    when the folder can not be written.
    """
    now = now or datetime.now(UTC)
    files = Certificates(folder / "ca.crt", folder / f"{stem}.crt", folder / f"{stem}.key")
    authority = Authority(folder, gateway, now=now)
    if authority.made:
        files.certificate.unlink(missing_ok=True)
    if not _fits(files, names, now):
        _issue(files, authority, gateway, names, now)
    return files


def fingerprint(certificate: Path) -> str:
    """SHA-256 of a certificate as people compare it: `AB:CD:…`."""
    digest = x509.load_pem_x509_certificate(certificate.read_bytes()).fingerprint(hashes.SHA256())
    return ":".join(f"{byte:02X}" for byte in digest)


def _issue(files: Certificates, authority: Authority, gateway: str, names: Sequence[str], now: datetime) -> None:
    ca, ca_key = authority.load()
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
        .add_extension(usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in sorted(set(names))]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    write_secret(files.key, pem(key))
    chain = made.public_bytes(serialization.Encoding.PEM) + files.ca.read_bytes()
    write_secret(files.certificate, chain)


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
