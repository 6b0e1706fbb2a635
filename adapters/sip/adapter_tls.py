"""The certificate of the TLS listeners (TLS 1.2 and 1.3): the configured one, the kit's own, or one made here."""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from adapters.sip.config import TlsConfig
from gateway.base.errors import ConfigError

DAYS = 397
RENEW_BEFORE = timedelta(days=30)
BACKDATE = timedelta(days=1)  # kits' clocks are often a little off


class KitTls(Protocol):
    """The kit's own certificate as the context may offer it."""

    @property
    def certificate(self) -> Path: ...
    @property
    def key(self) -> Path: ...


@dataclass(frozen=True, slots=True)
class Pair:
    certificate: Path
    key: Path

    def stamp(self) -> tuple[int, int]:
        """Changes when the files do."""
        try:
            return self.certificate.stat().st_mtime_ns, self.key.stat().st_mtime_ns
        except OSError:
            return 0, 0


def choose(config: TlsConfig, state_dir: Path, names: Sequence[str], kit: KitTls | None) -> Pair:
    """Raises ConfigError `certificate-bad` when one must be made and can not be."""
    if config.certificate is not None and config.key is not None:
        return Pair(config.certificate, config.key)
    if kit is not None and kit.certificate.exists() and kit.key.exists():
        return Pair(kit.certificate, kit.key)
    pair = Pair(state_dir / "sip.crt", state_dir / "sip.key")
    try:
        if not _fits(pair, names):
            _make(pair, names)
    except OSError as exc:
        raise ConfigError("tls.certificate", f"{pair.certificate} can not be made: {exc}", code="state-dir") from exc
    return pair


def server_context(pair: Pair, client_ca: Path | None) -> ssl.SSLContext:
    """With `client_ca` a peer may show a certificate of its own, which is checked; without one it is let in all the
    same (a softphone proves itself by digest). Raises ConfigError `certificate-bad`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    load(context, pair)
    if client_ca is not None:
        try:
            context.load_verify_locations(client_ca)
        except (OSError, ssl.SSLError) as exc:
            raise ConfigError("tls.client_ca", f"{client_ca} can not be used: {exc}", code="certificate-bad") from exc
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def load(context: ssl.SSLContext, pair: Pair) -> None:
    """Take the files anew: connections made from now on show them."""
    try:
        context.load_cert_chain(pair.certificate, pair.key)
    except (OSError, ssl.SSLError) as exc:
        words = f"{pair.certificate} can not be used: {exc}"
        raise ConfigError("tls.certificate", words, code="certificate-bad") from exc


def ends_at(certificate: Path) -> datetime:
    """When a PEM certificate runs out. Raises ConfigError `certificate-bad`."""
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as exc:
        raise ConfigError("tls.certificate", f"{certificate} can not be read: {exc}", code="certificate-bad") from exc


def _fits(pair: Pair, names: Sequence[str]) -> bool:
    from cryptography import x509

    try:
        made = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
        covered = set(made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(pair.certificate, pair.key)
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    now = datetime.now(UTC)
    return covered >= {_general(name) for name in names} and now < made.not_valid_after_utc - RENEW_BEFORE


def _general(name: str) -> object:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name.partition("%")[0]))
    except ValueError:
        return x509.DNSName(name)


def _make(pair: Pair, names: Sequence[str]) -> None:
    """Self-signed: a phone is told once to trust it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fieldgate SIP")])
    now = datetime.now(UTC)
    alternatives = [_general(one) for one in sorted(set(names) | {"localhost"})]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)  # type: ignore[arg-type]
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(pair.key, private)
    _write(pair.certificate, made.public_bytes(serialization.Encoding.PEM))


def _write(file: Path, content: bytes) -> None:
    fresh = file.with_suffix(file.suffix + ".new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as out:
        out.write(content)
    fresh.replace(file)
