"""DTLS-SRTP (RFC 5763, 5764) over a media-plane session: handshake here, keys to the plane, no RTP in Python.

Datagrams come in by `feed` and go out by `send`; OpenSSL works on memory. Memory knows no datagram boundaries, so a
flight is cut at record headers again before it leaves (RFC 6347 §4.1.1: a record never spans datagrams).
"""

from __future__ import annotations

import asyncio
import datetime
import logging
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from gateway import codecs
from gateway.wire.sdp import Fingerprint

log = logging.getLogger(__name__)

Address = tuple[str, int]
Keys = tuple[codecs.SrtpProfile, bytes, bytes, bytes, bytes]
"""(profile, tx_key, tx_salt, rx_key, rx_salt) as `arm_rtp_session` takes them."""

_EXPORTER: Final = b"EXTRACTOR-dtls_srtp"  # RFC 5764 §4.2
_PROFILES: Final[dict[bytes, tuple[codecs.SrtpProfile, int, int]]] = {  # key and salt bytes (RFC 5764, RFC 7714)
    b"SRTP_AEAD_AES_128_GCM": ("AEAD_AES_128_GCM", 16, 12),
    b"SRTP_AEAD_AES_256_GCM": ("AEAD_AES_256_GCM", 32, 12),
    b"SRTP_AES128_CM_SHA1_80": ("AES_CM_128_HMAC_SHA1_80", 16, 14),
}
_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {  # RFC 8122 §5; SHA-1 proves nothing
    "sha-256": hashes.SHA256(),
    "sha-384": hashes.SHA384(),
    "sha-512": hashes.SHA512(),
}
_DTLS_1_2: Final = 0xFEFD  # openssl/dtls1.h; pyOpenSSL does not name it
_MTU: Final = 1200
_LIFE_DAYS: Final = 3650
HANDSHAKE_S: Final = 10.0
SETTLED_S: Final = 30.0
"""After this no flight is sent again, and OpenSSL's memory of the handshake is let go."""


class Identity:
    """Our self-signed certificate, made anew at each start, and one context for all handshakes."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fieldgate")])
        now = datetime.datetime.now(datetime.UTC)
        self._certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            # A day early: clocks of the field are off. Nobody judges more than the fingerprint (RFC 8122).
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=_LIFE_DAYS))
            .sign(self._key, hashes.SHA256())
        )

    @cached_property
    def fingerprint(self) -> Fingerprint:
        digest = self._certificate.fingerprint(hashes.SHA256())
        return Fingerprint("sha-256", ":".join(f"{byte:02X}" for byte in digest))

    @cached_property
    def context(self) -> SSL.Context:
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_min_proto_version(_DTLS_1_2)
        # Any certificate passes here; the fingerprint of the SDP decides after the handshake (RFC 5763 §5).
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
        context.set_tlsext_use_srtp(b":".join(_PROFILES))
        context.set_cipher_list(b"ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES128:!PSK:!aNULL")
        context.set_options(SSL.OP_NO_QUERY_MTU | SSL.OP_NO_RENEGOTIATION)
        context.set_mode(SSL.MODE_RELEASE_BUFFERS)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.use_certificate(self._certificate)
        context.use_privatekey(self._key)
        return context


class Handshake:
    """One DTLS association. Exactly one of `done` and `failed` is called, unless it is closed before.

    `done(keys, address)`: `address` is where the peer's last flight came from. `failed(words)`.
    """

    def __init__(
        self,
        identity: Identity,
        role: Literal["client", "server"],
        fingerprints: Sequence[Fingerprint],
        send: Callable[[bytes, Address], None],
        done: Callable[[Keys, Address], None],
        failed: Callable[[str], None],
    ) -> None:
        self.role = role
        self.fingerprints = tuple(fingerprints)
        self.keys: Keys | None = None
        self._send = send
        self._done = done
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._peer: Address | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._over = False
        self._ssl: SSL.Connection | None = SSL.Connection(identity.context, None)
        self._ssl.set_ciphertext_mtu(_MTU)
        if role == "client":
            self._ssl.set_connect_state()
        else:
            self._ssl.set_accept_state()
        self._patience = self._loop.call_later(HANDSHAKE_S, self._fail, "the DTLS handshake did not end in time")

    def start(self, peer: Address) -> None:
        """Where the peer's SDP says it is; the client's first flight goes there."""
        if self._peer is None:
            self._peer = peer
        if self.role == "client":
            self._step()

    def feed(self, data: bytes, address: Address) -> None:
        """One DTLS datagram of the peer: hostile until the handshake is done."""
        if self._ssl is None or not data:
            return
        if self.keys is None:
            self._peer = address
        elif address != self._peer:
            return
        self._ssl.bio_write(data)
        self._step()

    def close(self) -> None:
        """No callback any more; says close_notify where there is somebody to say it to."""
        self._over = True
        self._patience.cancel()
        if self._timer is not None:
            self._timer.cancel()
        if self._ssl is not None and self.keys is not None:
            try:
                self._ssl.shutdown()
                self._flush()
            except SSL.Error:
                pass  # the association is half dead: it ends without the word
        self._ssl = None

    def _step(self) -> None:
        ssl = self._ssl
        if ssl is None:
            return
        try:
            if self.keys is None:
                ssl.do_handshake()
            else:
                ssl.recv(2048)  # a repeated flight is answered in here; data of the application there is none
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            pass  # close_notify: the call ends by BYE, not by this
        except SSL.Error as exc:
            if self.keys is None:
                self._flush()
                self._fail(f"the DTLS handshake failed: {_words(exc)}")
                return
        self._flush()
        if self.keys is None and ssl.get_state_string().startswith(b"SSL negotiation finished"):
            self._finished(ssl)
        self._rearm()

    def _finished(self, ssl: SSL.Connection) -> None:
        certificate = ssl.get_peer_certificate(as_cryptography=True)
        if certificate is None or not _matches(certificate, self.fingerprints):
            self._fail("the peer's certificate is not the one of its SDP")
            return
        profile = _PROFILES.get(ssl.get_selected_srtp_profile())
        if profile is None:
            self._fail("the peer agreed to no SRTP profile")
            return
        name, key, salt = profile
        both = ssl.export_keying_material(_EXPORTER, 2 * (key + salt))
        client = (both[:key], both[2 * key : 2 * key + salt])
        server = (both[key : 2 * key], both[2 * key + salt :])
        tx, rx = (client, server) if self.role == "client" else (server, client)
        self.keys = (name, *tx, *rx)
        self._patience.cancel()
        self._patience = self._loop.call_later(SETTLED_S, self._settle)
        if not self._over and self._peer is not None:
            self._done(self.keys, self._peer)

    def _settle(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._ssl = None

    def _rearm(self) -> None:
        """RFC 6347 §4.2.4: a flight that is not answered is sent again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._ssl is None or self.keys is not None:
            return
        left = self._ssl.DTLSv1_get_timeout()
        if left is not None:
            self._timer = self._loop.call_later(max(left, 0.01), self._again)

    def _again(self) -> None:
        self._timer = None
        if self._ssl is None:
            return
        try:
            self._ssl.DTLSv1_handle_timeout()
        except SSL.Error as exc:
            self._fail(f"the DTLS handshake failed: {_words(exc)}")
            return
        self._flush()
        self._rearm()

    def _flush(self) -> None:
        if self._ssl is None:
            return
        waiting = bytearray()
        while True:
            try:
                waiting += self._ssl.bio_read(65536)
            except SSL.WantReadError:
                break
        if self._peer is not None:
            for datagram in datagrams(bytes(waiting)):
                self._send(datagram, self._peer)

    def _fail(self, words: str) -> None:
        self._patience.cancel()
        if self._timer is not None:
            self._timer.cancel()
        self._ssl = None
        if not self._over:
            self._over = True
            self._failed(words)


def datagrams(flight: bytes, limit: int = _MTU) -> list[bytes]:
    """A flight cut into datagrams of whole records (13 bytes of header, the length in the last two)."""
    out: list[bytes] = []
    current = b""
    at = 0
    while at + 13 <= len(flight):
        end = at + 13 + int.from_bytes(flight[at + 11 : at + 13], "big")
        record = flight[at:end]
        if current and len(current) + len(record) > limit:
            out.append(current)
            current = b""
        current += record
        at = end
    return [*out, current] if current else out


def _matches(certificate: x509.Certificate, fingerprints: Sequence[Fingerprint]) -> bool:
    """RFC 8122 §6.2: of the hash functions we know, one that fits is enough."""
    return any(
        certificate.fingerprint(_HASHES[one.algorithm]).hex() == one.value.replace(":", "").lower()
        for one in fingerprints
        if one.algorithm in _HASHES
    )


def _words(exc: SSL.Error) -> str:
    args = exc.args[0] if exc.args and isinstance(exc.args[0], list) and exc.args[0] else []
    return str(args[0][-1])[:120] if args else type(exc).__name__
