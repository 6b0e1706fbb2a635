"""What mosquitto needs to serve kits and centers: its configuration and access list, in words of mosquitto.conf(5)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from adapters.mqtt.protocol.acl import mosquitto_acl

ACL = "acl"
CONF = "mosquitto.conf"
OPENSSL = "openssl.cnf"


def configuration(folder: Path, *, port: int = 8883, host: str = "", max_message: int = 600_000) -> str:
    """`folder` is where ca.crt, ca.crl, broker.crt, broker.key and the access list lie on the broker's machine."""
    where = f"listener {port} {host}".rstrip()
    return f"""\
# mosquitto 2 for kits and centers of Fieldgate. Who somebody is stands in the certificate: its common name.
{where}
cafile {folder / "ca.crt"}
certfile {folder / "broker.crt"}
keyfile {folder / "broker.key"}
# Revoked kits; send mosquitto a SIGHUP after it changed.
crlfile {folder / "ca.crl"}
tls_version tlsv1.2
require_certificate true
use_identity_as_username true
allow_anonymous false
acl_file {folder / ACL}

max_keepalive 600
max_packet_size {max_message}
max_inflight_messages 200
# Of a center that reads slowly. When it begins to listen all that is retained waits for it at once: one for each kit
# and for each device of a kit.
max_queued_messages 200000
max_queued_bytes 256000000
"""


def openssl() -> str:
    """For OPENSSL_CONF of mosquitto's process, which has no word for it itself."""
    return """\
# OpenSSL for mosquitto, by OPENSSL_CONF in its environment.
openssl_conf = all
[all]
ssl_conf = tls
[tls]
system_default = every
[every]
MinProtocol = TLSv1.2
CipherString = DEFAULT:@SECLEVEL=2
# Tickets of TLS 1.3 let a client resume its session; kits do not, as the keys for it die with the broker. Without them
# each connection is two records and a quarter of the broker's work less: it counts when thousands come back.
NumTickets = 0
"""


def environment(folder: Path) -> dict[str, str]:
    return {"OPENSSL_CONF": str(folder / OPENSSL)}


def files(folder: Path, centers: Sequence[str], *, port: int = 8883, host: str = "") -> dict[str, str]:
    """Name → text of the files."""
    return {CONF: configuration(folder, port=port, host=host), ACL: mosquitto_acl(centers), OPENSSL: openssl()}
