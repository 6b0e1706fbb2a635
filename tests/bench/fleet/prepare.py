"""What three thousand admissions leave behind: certificates, and the pairings in the center's database."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.base import server_tls
from gateway.base.authority import Authority, client_files, pem
from gateway.core.pairings import KEY_FILE, read_key
from gateway.core.secrets import Secrets
from gateway.model.pairing import PairedCenter, PairedKit
from gateway.store.store import Store
from tests.bench.fleet.plan import CENTER, Plan, public_key


def authority(folder: Path) -> Authority:
    """One for all brokers of a run, with the certificate that they show."""
    made = Authority(folder / "tls", CENTER)
    shown = server_tls.ensure(folder / "tls", CENTER, ["127.0.0.1", "localhost"], stem="broker")
    for source, name in ((made.certificate, "ca.crt"), (made.revocations, "ca.crl")):
        shutil.copyfile(source, folder / name)
    shutil.copyfile(shown.certificate, folder / "broker.crt")
    shutil.copyfile(shown.key, folder / "broker.key")
    return made


def certificates(folder: Path, signer: Authority, names: Iterable[str]) -> None:
    """As `Authority.issue_client` makes them, but without a row and an fsync for each."""
    clients = folder / "clients"
    clients.mkdir(exist_ok=True)
    ca, ca_key = signer.load()
    now = datetime.now(UTC)
    for name in names:
        key = ec.generate_private_key(ec.SECP256R1())
        made = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(ca.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .sign(ca_key, hashes.SHA256())
        )
        (clients / f"{name}.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
        (clients / f"{name}.key").write_bytes(pem(key))


def center_state(folder: Path) -> Path:
    return folder / "center" / "state"


def center_key(folder: Path) -> str:
    """Its public key, made when first asked for."""
    state = center_state(folder)
    state.mkdir(parents=True, exist_ok=True)
    return _public(read_key(state / KEY_FILE)).hex()


async def paired(plan: Plan) -> None:
    """On both sides; made-up kits need no file for it."""
    keys = {name: public_key(name) for name in plan.names()}
    for name in plan.daemon_names():
        state = daemon_state(plan.folder, name)
        state.mkdir(parents=True)
        keys[name] = _public(read_key(state / KEY_FILE))
        shown = plan.files(name)
        assert shown.ca is not None and shown.certificate is not None and shown.key is not None
        ca, certificate, key = (path.read_bytes() for path in (shown.ca, shown.certificate, shown.key))
        client_files(state, CENTER).keep(ca=ca, certificate=certificate, key=key)
        store = Store(state, Secrets(state).audit_key())
        await store.pairings.put_center(PairedCenter(CENTER, bytes.fromhex(plan.center_key), hosts=("127.0.0.1",)))
        store.close()
    state = center_state(plan.folder)
    store = Store(state, Secrets(state).audit_key())
    rows = [PairedKit(name, key, name=name.title()) for name, key in keys.items()]
    for start in range(0, len(rows), 500):
        await asyncio.gather(*(store.pairings.put_kit(row) for row in rows[start : start + 500]))
    store.close()


def daemon_state(folder: Path, name: str) -> Path:
    return folder / name / "state"


def _public(private: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
