"""A paired kit gets its certificate by itself, and its center's brokers with it: one question to the center's API.

The kit makes its key and asks with a request for its certificate; question and answer carry the seal of the pairing, so
that whoever stands between can neither ask in the kit's name nor answer in the center's. Nothing secret is in either.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgpack
from cryptography import x509

from adapters.mqtt.address import Broker, parse_broker
from adapters.mqtt.dial import Dialler
from adapters.mqtt.protocol.seal import Seal, sender_of
from adapters.mqtt.seals import SealOf
from gateway.base.authority import Authority, ClientFiles, new_request, write_secret
from gateway.base.clock import Clock
from gateway.base.errors import Busy, Denied, GatewayError, LinkDown, PeerError, RemoteProtocolError
from gateway.contract.fleet import Pairings
from gateway.contract.http import Http, HttpRequest, HttpResponse
from gateway.model.pairing import PairedCenter
from gateway.net.web import WebUrl, request

log = logging.getLogger(__name__)

PATH = "/mqtt/certificate"
ASK, TELL = "mqtt/certificate", "mqtt/certificate/answer"
MAX_BODY = 16_384
RENEW_BEFORE = timedelta(days=60)
ONE_EVERY_S = 5.0
"""A kit gets a certificate no more often."""
BROKERS = "brokers.json"
FIRST_S, MOST_S, LOOK_EVERY_S = 2.0, 300.0, 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Where:
    """The center's brokers: their addresses, or the port of its own where a kit reaches the center."""

    brokers: tuple[str, ...] = ()
    port: int = 0


class Registrar:
    """At a center. `where` tells what kits are told of its brokers."""

    def __init__(
        self,
        authority: Authority,
        pairings: Pairings,
        seals: SealOf,
        where: Callable[[], Where],
        clock: Clock,
    ) -> None:
        self._authority = authority
        self._pairings = pairings
        self._seals = seals
        self._where = where
        self._clock = clock
        self._given: dict[str, float] = {}

    def serve(self, http: Http) -> Callable[[], None]:
        """Until the returned function is called."""
        # Open to everybody: the seal says who asks.
        return http.route("POST", PATH, self.answer, role=None, max_body=MAX_BODY)

    async def answer(self, asked: HttpRequest) -> HttpResponse:
        gateway = sender_of(asked.body)
        seal = self._seals(gateway) if gateway else None
        if seal is None:
            raise Denied("whoever asks is not paired with this center", code="kit-unknown")
        body = seal.open(ASK, asked.body)
        now = self._clock.monotonic()
        if now - self._given.get(gateway, -ONE_EVERY_S) < ONE_EVERY_S:
            raise Busy(f"{gateway} had its certificate a moment ago")
        if len(self._given) > 10_000:
            self._given.clear()
        self._given[gateway] = now
        shown = await asyncio.to_thread(self._authority.issue_client, gateway, body)
        log.info("%s has its certificate for MQTT", gateway)
        where = self._where()
        told = {
            "certificate": shown,
            "ca": await asyncio.to_thread(self._authority.certificate.read_bytes),
            "brokers": list(where.brokers),
            "port": where.port,
        }
        return HttpResponse(200, seal.close(TELL, msgpack.packb(told)), "application/octet-stream")

    async def follow(self) -> None:
        """Kits that are no longer paired lose their certificates. Ends by cancellation."""
        changed = asyncio.Event()
        unheard = self._pairings.on_change(changed.set)
        try:
            while True:
                revoked = {row.gateway for row in self._pairings.kits() if row.revoked_at is not None}
                await asyncio.to_thread(self._revoke, revoked)
                await changed.wait()
                changed.clear()
        finally:
            unheard()

    def _revoke(self, gateways: set[str]) -> None:
        held = {row.name for row in self._authority.issued() if row.revoked_at is None}
        for gateway in gateways & held:
            number = self._authority.revoke(gateway)
            log.info("%d certificates of %s are revoked with its pairing", number, gateway)


class Applicant:
    """At a kit, for one of its centers."""

    def __init__(self, gateway: str, center: PairedCenter, seal: Seal, files: ClientFiles) -> None:
        self._gateway = gateway
        self._center = center
        self._seal = seal
        self._files = files

    async def run(self, got: Callable[[], None]) -> None:
        """Asks while there is none, or it ends soon; `got` is called for each new one. Ends by cancellation."""
        wait_s, before = FIRST_S, ""
        while True:
            if not await asyncio.to_thread(ends_soon, self._files):
                await asyncio.sleep(LOOK_EVERY_S)
                continue
            try:
                await self.ask()
            except GatewayError as exc:
                if exc.code != before:
                    log.warning("%s gives no certificate for MQTT: %s (%s)", self._center.gateway, exc, exc.code)
                before = exc.code
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, MOST_S)
            else:
                log.info("%s gave us a certificate for its brokers", self._center.gateway)
                wait_s, before = FIRST_S, ""
                got()

    async def ask(self) -> None:
        """Once. Raises LinkDown, PeerError, RemoteProtocolError."""
        key, asked = new_request(self._gateway)
        body = self._seal.close(ASK, asked)
        failed: GatewayError = LinkDown(f"{self._center.gateway} has told no address", code="dns-failed")
        for host in self._center.hosts:
            try:
                answer = await self._post(host, body)
            except LinkDown as exc:
                failed = exc
                continue
            await asyncio.to_thread(self._keep, answer, key, host)
            return
        raise failed

    async def _post(self, host: str, body: bytes) -> bytes:
        seen: list[bytes] = []
        url = WebUrl(host, self._center.tcp_port, PATH, True)
        headers = (("Content-Type", "application/octet-stream"),)
        answer = await request(_connect, url, "POST", body, headers=headers, on_certificate=seen.append)
        if self._center.fingerprint and seen and hashlib.sha256(seen[0]).hexdigest() != self._center.fingerprint:
            log.info("%s shows another certificate than when we were paired; its seal decides", host)
        if answer.status != 200:
            text = answer.body.decode("utf-8", "replace")[:200]
            raise PeerError(f"{host} answers {answer.status}: {text}", status=answer.status, code="mqtt-refused")
        return answer.body

    def _keep(self, answer: bytes, key: bytes, host: str) -> None:
        """Raises RemoteProtocolError."""
        body = self._seal.open(TELL, answer)
        try:
            told = msgpack.unpackb(body)
            shown, ca, port = bytes(told["certificate"]), bytes(told["ca"]), int(told["port"])
            brokers = [str(parse_broker(text)) for text in told["brokers"][:32]]
        except (ValueError, KeyError, TypeError) as exc:
            raise RemoteProtocolError(f"no certificate: {exc}", code="certificate-damaged") from exc
        if port and not brokers:
            hosts = dict.fromkeys([host, *self._center.hosts])
            brokers = [str(Broker("tls", one, port)) for one in hosts]
        self._files.keep(ca=ca, certificate=shown, key=key)
        write_secret(self._files.folder / BROKERS, json.dumps(brokers).encode())


def told_brokers(files: ClientFiles) -> list[Broker]:
    """What the center told of its brokers; nothing where it has not."""
    try:
        return [parse_broker(text) for text in json.loads((files.folder / BROKERS).read_bytes())]
    except (OSError, ValueError, TypeError):
        return []


def ends_soon(files: ClientFiles, now: datetime | None = None) -> bool:
    """There is none, or it ends within two months."""
    if not files.whole():
        return True
    try:
        shown = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    except ValueError:
        return True
    return shown.not_valid_after_utc - (now or datetime.now(UTC)) < RENEW_BEFORE


async def _connect(host: str, port: int) -> socket.socket:
    """A technician paired us with it: it may lie anywhere. Raises LinkDown."""
    return await Dialler().dial(Broker("tcp", host, port), 5.0)
