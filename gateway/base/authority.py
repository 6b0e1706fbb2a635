"""A certificate authority of this gateway's own: one folder with its key, what it issued, and what it took back.

It signs the console's HTTPS certificate (`gateway.base.server_tls`), and at a center the client certificates of its
kits: the common name is the kit's gateway id, by which brokers know whose topics it may touch. A kit makes its key
itself (`new_request`) and only its request travels; whoever admits the kit calls `Authority.issue_client`.

Keys are P-256, files of mode 0600 in a folder of mode 0700. The CA may be nobody's parent but of what it signs itself
(path length 0) and lives ten years. Blocking, some milliseconds: at pairing, not on every connection.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.base.errors import ConfigError, Denied, RemoteProtocolError

CA_DAYS = 3650
CLIENT_DAYS = 1095
BACKDATE = timedelta(days=1)  # kits' clocks are often a little off; a certificate from the future is refused
MAX_REQUEST_BYTES = 8192

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Issued:
    """One client certificate. Times are unix seconds."""

    serial: str
    name: str
    expires_at: float
    issued_at: float
    revoked_at: float | None = None


@dataclass(frozen=True, slots=True)
class ClientFiles:
    """What a client shows and trusts, PEM, in one folder: a kit has one for each of its centers."""

    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def certificate(self) -> Path:
        return self.folder / "client.crt"

    @property
    def key(self) -> Path:
        return self.folder / "client.key"

    def whole(self) -> bool:
        return self.ca.exists() and self.certificate.exists() and self.key.exists()

    def keep(self, *, ca: bytes, certificate: bytes, key: bytes) -> None:
        """What an admission brought, each file whole or not at all. Raises RemoteProtocolError when key and certificate
        do not belong together, or the certificate is not signed by `ca`."""
        try:
            parent = x509.load_pem_x509_certificate(ca)
            shown = x509.load_pem_x509_certificate(certificate)
            own = serialization.load_pem_private_key(key, password=None)
            shown.verify_directly_issued_by(parent)
        except Exception as exc:
            raise RemoteProtocolError(f"no certificate of that authority: {exc}", code="certificate-damaged") from exc
        if shown.public_key() != own.public_key():
            raise RemoteProtocolError("the certificate is of another key", code="certificate-damaged")
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_secret(self.key, key)
        write_secret(self.certificate, certificate)
        write_secret(self.ca, ca)


def client_files(state_dir: Path, center: str) -> ClientFiles:
    """Where a kit keeps what it shows to a center's brokers. `center` is the center's gateway id."""
    if not _NAME.fullmatch(center):
        raise RemoteProtocolError(f"{center[:80]!r} is no gateway id", code="certificate-damaged")
    return ClientFiles(state_dir / "centers" / center)


def new_request(gateway: str) -> tuple[bytes, bytes]:
    """A new key and a request for its certificate, both PEM. The key stays where it was made."""
    key = ec.generate_private_key(ec.SECP256R1())
    made = x509.CertificateSigningRequestBuilder().subject_name(_subject(gateway)).sign(key, hashes.SHA256())
    return pem(key), made.public_bytes(serialization.Encoding.PEM)


class Authority:
    """The authority in `folder` (`state_dir/tls`), made when there is none yet. `gateway` names it. Raises ConfigError
    when the folder can not be used."""

    def __init__(self, folder: Path, gateway: str, *, now: datetime | None = None) -> None:
        self.folder = folder
        self.certificate = folder / "ca.crt"
        self.revocations = folder / "ca.crl"
        self._key_file = folder / "ca.key"
        self._issued = folder / "issued.jsonl"
        self.made = False
        """Whether it was made just now: what an earlier one signed is worth nothing."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._alone():
                if not (self.certificate.exists() and self._key_file.exists()):
                    _make(self.certificate, self._key_file, gateway, now or datetime.now(UTC))
                    self.made = True
                if not self.revocations.exists():
                    self._write_revocations(now or datetime.now(UTC))
        except OSError as exc:
            text = f"{folder} can not hold the certificate authority ({exc}): give the folder to the gateway's user"
            raise ConfigError("gateway.state_dir", text) from exc

    def issue_client(
        self, gateway: str, request: bytes, *, days: int = CLIENT_DAYS, now: datetime | None = None
    ) -> bytes:
        """A client certificate (PEM, with the CA's behind it) for the key in `request` (PEM), under the name `gateway`
        whatever name the request has. Earlier ones of that name stay good until they are revoked: a kit renews without
        a gap. Raises RemoteProtocolError (`certificate-damaged`)."""
        now = now or datetime.now(UTC)
        if not _NAME.fullmatch(gateway):
            raise RemoteProtocolError(f"{gateway[:80]!r} is no gateway id", code="certificate-damaged")
        try:
            if len(request) > MAX_REQUEST_BYTES:
                raise ValueError("too long")
            asked = x509.load_pem_x509_csr(request)
            key = asked.public_key()
            if not asked.is_signature_valid or not isinstance(key, ec.EllipticCurvePublicKey):
                raise ValueError("not signed with its own P-256 key")
        except Exception as exc:
            raise RemoteProtocolError(f"no certificate request: {exc}", code="certificate-damaged") from exc
        ca, ca_key = self.load()
        expires = min(now + timedelta(days=days), ca.not_valid_after_utc)
        serial = x509.random_serial_number()
        made = (
            x509.CertificateBuilder()
            .subject_name(_subject(gateway))
            .issuer_name(ca.subject)
            .public_key(key)
            .serial_number(serial)
            .not_valid_before(now - BACKDATE)
            .not_valid_after(expires)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage(sign_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
            .sign(ca_key, hashes.SHA256())
        )
        with self._alone():
            rows = self.issued()
            rows.append(Issued(f"{serial:x}", gateway, expires.timestamp(), now.timestamp()))
            self._write_issued(rows)
        return made.public_bytes(serialization.Encoding.PEM) + self.certificate.read_bytes()

    def revoke(self, gateway: str, *, before: float | None = None, now: datetime | None = None) -> int:
        """Every certificate of that name (or those issued before the unix time `before`) is worth nothing from now on:
        in `issued` and in the revocation list (`ca.crl`) that brokers read. How many there were."""
        now = now or datetime.now(UTC)
        with self._alone():
            rows = self.issued()
            mine = [
                row
                for row in rows
                if row.name == gateway and row.revoked_at is None and (before is None or row.issued_at < before)
            ]
            rows = [replace(row, revoked_at=now.timestamp()) if row in mine else row for row in rows]
            self._write_issued(rows)
            self._write_revocations(now, rows)
        return len(mine)

    def issued(self) -> list[Issued]:
        if not self._issued.exists():
            return []
        return [Issued(**json.loads(line)) for line in self._issued.read_text(encoding="ascii").splitlines() if line]

    def check(self, serial: int) -> None:
        """Raises Denied (`kit-revoked`) for a client certificate that was revoked; one that this list does not know is
        for the signature to judge."""
        for row in self.issued():
            if row.revoked_at is not None and int(row.serial, 16) == serial:
                raise Denied(f"the certificate of {row.name} was revoked", code="kit-revoked")

    def load(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        """Certificate and key, for whoever signs something else with it."""
        key = serialization.load_pem_private_key(self._key_file.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ConfigError("gateway.state_dir", f"{self._key_file} is not the EC key that this gateway made")
        return x509.load_pem_x509_certificate(self.certificate.read_bytes()), key

    # — within —

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """The daemon and a command may both be at it."""
        handle = os.open(self.folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _write_issued(self, rows: Sequence[Issued]) -> None:
        text = "".join(json.dumps(asdict(row)) + "\n" for row in rows)
        write_secret(self._issued, text.encode())

    def _write_revocations(self, now: datetime, rows: Sequence[Issued] = ()) -> None:
        ca, key = self.load()
        made = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(ca.subject)
            .last_update(now - BACKDATE)
            .next_update(ca.not_valid_after_utc)
        )
        for row in rows:
            if row.revoked_at is not None:
                made = made.add_revoked_certificate(
                    x509.RevokedCertificateBuilder()
                    .serial_number(int(row.serial, 16))
                    .revocation_date(datetime.fromtimestamp(row.revoked_at, UTC))
                    .build()
                )
        write_secret(self.revocations, made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


def _make(certificate: Path, key_file: Path, gateway: str, now: datetime) -> None:
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
        .add_extension(usage(sign_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_secret(key_file, pem(key))
    write_secret(certificate, made.public_bytes(serialization.Encoding.PEM))


def _subject(gateway: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, gateway)])


def usage(*, sign_certificates: bool) -> x509.KeyUsage:
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


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def write_secret(file: Path, content: bytes) -> None:
    """Write so that nobody else can ever read it and a crash leaves the old file or the new one."""
    fresh = file.with_suffix(file.suffix + ".new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(file)
