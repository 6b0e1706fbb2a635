"""TLS for SIP: contexts for both sides, and whose certificate it is (RFC 5922: names of a domain stand in its SAN)."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from typing import Any, Literal

from gateway.base.errors import ConfigError

Minimum = Literal["1.2", "1.3"]
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """A certificate that the handshake has verified: its names by kind. `uris` hold `sip:domain` (RFC 5922 §7.1)."""

    dns: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    subject: str = ""

    @classmethod
    def of(cls, found: Any) -> PeerCertificate | None:
        """Of what `SSLSocket.getpeercert()` gives; None when there was none, or nothing of it was verified."""
        if not found:
            return None
        names: dict[str, list[str]] = {}
        for kind, value in found.get("subjectAltName", ()):
            names.setdefault(str(kind), []).append(str(value))
        common = [str(v) for part in found.get("subject", ()) for k, v in part if k == "commonName"]
        return cls(
            tuple(name.lower() for name in names.get("DNS", ())),
            tuple(_ip(name) for name in names.get("IP Address", ())),
            tuple(names.get("URI", ())),
            common[0] if common else "",
        )

    def names(self, host: str) -> bool:
        """Whether it speaks for a host or SIP domain (RFC 5922 §7.2: URI, DNS, exact; no wildcards)."""
        host = host.lower().rstrip(".")
        uris = {uri.partition(":")[2].partition(";")[0].lower() for uri in self.uris if uri.lower().startswith("sip")}
        return host in uris or host in self.dns or _ip(host) in self.ips


def client_context(
    ca_file: str | None = None,
    cert: str | None = None,
    key: str | None = None,
    *,
    verify: bool = True,
    minimum: Minimum = "1.2",
    password: str | None = None,
) -> ssl.SSLContext:
    """For connections that we open. `ca_file` None: the machine's own authorities; `cert` and `key`: ours, for servers
    that ask. The name is checked by `verify_name`, not by OpenSSL: a SIP domain may stand as a URI.

    Takes tens of milliseconds with the machine's authorities, and lets other threads run meanwhile.
    Raises ConfigError("tls", …) when a file can not be read.
    """
    file, folder = ca_file, None
    if ca_file is None:
        # By name: `load_default_certs` would read the same, but hold the interpreter while it does.
        machine = ssl.get_default_verify_paths()
        file, folder = machine.cafile, machine.capath
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=file, capath=folder)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
        context.minimum_version = _VERSIONS[minimum]
        if cert:
            context.load_cert_chain(cert, key, password)
    except OSError as exc:
        raise ConfigError("tls", f"{exc.strerror or exc} ({ca_file or cert})") from exc
    return context


def server_context(
    cert: str,
    key: str | None = None,
    *,
    client_ca: str | None = None,
    require: bool = False,
    minimum: Minimum = "1.2",
    password: str | None = None,
) -> ssl.SSLContext:
    """For our listeners. `client_ca` asks clients for a certificate of that authority; `require` refuses those without.

    Raises ConfigError("tls", …).
    """
    if require and client_ca is None:
        raise ConfigError("tls", "client certificates are required but no authority is named")
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=client_ca)
        context.minimum_version = _VERSIONS[minimum]
        context.verify_mode = ssl.CERT_REQUIRED if require else ssl.CERT_OPTIONAL if client_ca else ssl.CERT_NONE
        context.load_cert_chain(cert, key, password)
    except OSError as exc:
        raise ConfigError("tls", f"{exc.strerror or exc} ({cert})") from exc
    return context


def verify_name(certificate: PeerCertificate | None, names: tuple[str, ...]) -> str:
    """ "" when the certificate speaks for one of the names, else why not, in words."""
    if certificate is None:
        return "it showed no certificate that we can verify"
    if any(certificate.names(name) for name in names):
        return ""
    has = ", ".join([*certificate.uris, *certificate.dns, *certificate.ips][:6]) or certificate.subject or "no name"
    return f"its certificate is for {has}, not for {' or '.join(names)}"


def _ip(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip().strip("[]")))
    except ValueError:
        return text.lower()
