"""A paired kit gets its certificate by itself, and its center's brokers with it: one question to the center's API.

The kit makes its key and asks with a request for its certificate; question and answer carry the seal of the pairing, so
that whoever stands between can neither ask in the kit's name nor answer in the center's. Nothing secret is in either.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import math
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

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
MOST_BROKERS = 32
RENEW_BEFORE = timedelta(days=60)
ONE_EVERY_S = 5.0
"""A kit gets a certificate no more often."""
BROKERS = "brokers.json"
PAIRING = "pairing.json"
ENROLLED = "enrolled.json"
REFUSED_EVERY_S = 3600.0
"""A certificate that brokers do not take is asked for anew no more often."""
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
        names = _written(authority.folder / ENROLLED)
        self._enrolled = {str(name) for name in names} if isinstance(names, list) else set()

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
        await asyncio.to_thread(self._remember, gateway)
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
        """Kits that are no longer paired lose their certificates, and those that were paired anew the ones from before.
        Ends by cancellation."""
        changed = asyncio.Event()
        unheard = self._pairings.on_change(changed.set)
        try:
            while True:
                await asyncio.to_thread(self._revoke, self._good_since())
                await changed.wait()
                changed.clear()
        finally:
            unheard()

    def _good_since(self) -> dict[str, float]:
        """Kit → when those of its certificates were made that are good. A person may have signed others by hand: they
        are taken back with the pairing alone."""
        now, rows = self._clock.wall(), {row.gateway: row for row in self._pairings.kits()}
        since = {name: math.inf for name, row in rows.items() if row.revoked_at is not None}
        for name in self._enrolled - since.keys():
            admitted_at = rows[name].admitted_at if name in rows else math.inf
            # One that lies ahead is of a clock that was wrong then.
            since[name] = 0.0 if now < admitted_at < math.inf else admitted_at
        return since

    def _revoke(self, good_since: Mapping[str, float]) -> None:
        held = [row for row in self._authority.issued() if row.revoked_at is None]
        for gateway in {row.name for row in held if row.issued_at < good_since.get(row.name, 0.0)}:
            number = self._authority.revoke(gateway, before=good_since[gateway])
            log.info("%d certificates of %s are revoked with its pairing", number, gateway)

    def _remember(self, gateway: str) -> None:
        """It has its certificate by its pairing."""
        if gateway not in self._enrolled:
            self._enrolled.add(gateway)
            write_secret(self._authority.folder / ENROLLED, json.dumps(sorted(self._enrolled)).encode())


class Applicant:
    """At a kit, for one of its centers."""

    def __init__(self, gateway: str, center: PairedCenter, seal: Seal, files: ClientFiles) -> None:
        self._gateway = gateway
        self._center = center
        self._seal = seal
        self._files = files
        self._refused = asyncio.Event()
        self.trouble = ""
        """Why there is no new one yet, in words."""

    def refused(self) -> None:
        """Brokers do not take the certificate: it may have been revoked."""
        self._refused.set()

    async def run(self, got: Callable[[], None]) -> None:
        """Asks while there is none, or it ends soon; `got` is called for each new one. Ends by cancellation."""
        wait_s, before = FIRST_S, ""
        had = await asyncio.to_thread(self._files.whole)
        while True:
            if not had and await asyncio.to_thread(self._files.whole):
                # Somebody laid one down by hand (`fieldgate mqtt install`).
                had = True
                got()
            if not await asyncio.to_thread(self._wanted):
                await self._until_refused()
                if not (self._refused.is_set() and await asyncio.to_thread(self._old_enough)):
                    self._refused.clear()
                    continue
            self._refused.clear()
            try:
                await self.ask()
            except Exception as exc:  # one center's nonsense is no other's trouble
                code = exc.code if isinstance(exc, GatewayError) else "internal"
                if code != before:
                    log.warning("%s gives no certificate for MQTT: %s (%s)", self._center.gateway, exc, code)
                before = code
                self.trouble = f"{self._center.gateway}: {exc} ({code})"
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, MOST_S)
            else:
                log.info("%s gave us a certificate for its brokers", self._center.gateway)
                wait_s, before, self.trouble, had = FIRST_S, "", "", True
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

    def _wanted(self) -> bool:
        return ends_soon(self._files) or _written(self._files.folder / PAIRING) != self._pairing

    @property
    def _pairing(self) -> dict[str, Any]:
        """What a certificate belongs to: with another pairing the center has revoked it."""
        return {"key": self._center.key.hex(), "admitted_at": self._center.admitted_at}

    async def _until_refused(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY_S):
                await self._refused.wait()

    def _old_enough(self) -> bool:
        """The certificate that is refused; a new one is no better than it."""
        try:
            return time.time() - self._files.certificate.stat().st_mtime >= REFUSED_EVERY_S
        except OSError:
            return True

    def _keep(self, answer: bytes, key: bytes, host: str) -> None:
        """Raises RemoteProtocolError."""
        told = _read_answer(self._seal.open(TELL, answer))
        brokers = [str(broker) for broker in told.brokers]
        if told.port and not brokers:
            brokers = [str(Broker("tls", one, told.port)) for one in dict.fromkeys([host, *self._center.hosts])]
        self._files.keep(ca=told.ca, certificate=told.certificate, key=key)
        write_secret(self._files.folder / BROKERS, json.dumps(brokers).encode())
        write_secret(self._files.folder / PAIRING, json.dumps(self._pairing).encode())


@dataclass(frozen=True, slots=True)
class _Answer:
    certificate: bytes
    ca: bytes
    brokers: tuple[Broker, ...]
    port: int


def _read_answer(body: bytes) -> _Answer:
    """Raises RemoteProtocolError (`certificate-damaged`). Brokers are where a network leads, not on this machine."""
    try:
        told = msgpack.unpackb(body)
        match told:
            case {"certificate": bytes(shown), "ca": bytes(ca), "brokers": list(named), "port": int(port)}:
                if not 0 <= port <= 65535 or not all(isinstance(text, str) for text in named):
                    raise ValueError("brokers that are none")
                brokers = tuple(parse_broker(text) for text in named[:MOST_BROKERS])
                if any(broker.way not in ("tls", "tcp") for broker in brokers):
                    raise ValueError("a broker that is no address")
                return _Answer(shown, ca, brokers, port)
    except (ValueError, msgpack.exceptions.UnpackException) as exc:
        raise RemoteProtocolError(f"no certificate: {str(exc)[:120]}", code="certificate-damaged") from exc
    raise RemoteProtocolError("no certificate: an answer without it", code="certificate-damaged")


def told_brokers(files: ClientFiles) -> list[Broker]:
    """What the center told of its brokers; nothing where it has not."""
    named = _written(files.folder / BROKERS)
    try:
        return [parse_broker(str(text)) for text in named] if isinstance(named, list) else []
    except ValueError:
        return []


def _written(path: Path) -> Any:
    """None where nothing is that can be read."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


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
