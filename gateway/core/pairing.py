"""Pairing: a kit shows a code, a center admits it, the center's answer gets back to the kit.

At the kit (`offer`): the code stands for a quarter of an hour and is good once. The answer is typed in, or fetched from
the center itself where its address was given; it is believed when the code's secret seals it. What a center may do here
is decided here, as the code is made. At the center (`admit`): the kit's key is kept and the answer made, which stands
for the kit to fetch for as long. Offers and answers are kept in memory only: after a restart a new code is made.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import secrets
import socket
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.base.clock import Clock
from gateway.base.errors import Busy, Denied, GatewayError, LinkDown, NotFound, ProtocolError, Unsupported
from gateway.core.audit import Audit
from gateway.core.pairings import Pairings
from gateway.core.rights import at_least, in_scope, require_role, require_whole
from gateway.model.pairing import OfferState, PairedCenter, PairedKit, PairingOffer
from gateway.model.principal import Principal, Role
from gateway.net.web import WebUrl, request
from gateway.wire.paircode import (
    SECRET_BYTES,
    CenterCode,
    KitCode,
    answer_id,
    is_host,
    read_center,
    read_kit,
    write_center,
    write_kit,
)

log = logging.getLogger(__name__)

STANDS_S = 900.0
MOST_OFFERS = 16
MOST_ANSWERS = 256
ASK_EVERY_S = 2.0
_REFUSED_S = 10.0
"""After an answer that makes no sense the center is asked this seldom."""

Asked = Callable[[str, int, str], Awaitable[tuple[int, bytes, str]]]
"""(host, port, path) → status, body, SHA-256 of the certificate shown. Raises GatewayError."""


@dataclass(frozen=True, slots=True)
class Self:
    """What a center tells of itself."""

    gateway: str
    name: str
    is_center: bool
    hosts: tuple[str, ...]
    tcp_port: int
    fingerprint: str = ""


@dataclass(slots=True)
class _Offer:
    told: PairingOffer
    secret: bytes
    until: float  # monotonic
    taken: bool = False  # its answer has come, and is being kept


class Pairing:
    """On the event loop only."""

    def __init__(
        self,
        pairings: Pairings,
        audit: Audit,
        clock: Clock,
        own: Callable[[], Self],
        spawn: Callable[[str, Coroutine[Any, Any, None]], None],
        ask: Asked | None = None,
    ) -> None:
        self._pairings = pairings
        self._audit = audit
        self._clock = clock
        self._own = own
        self._spawn = spawn
        self._ask = ask or ask_center
        self._offers: dict[str, _Offer] = {}
        self._answers: dict[str, tuple[str, float]] = {}

    # — at the kit —

    async def offer(
        self, who: Principal, *, role: Role = Role.OPERATOR, scope: str = "", center: str = ""
    ) -> tuple[PairingOffer, str]:
        """A code for a center, which will be able to do no more than `role` within `scope`. `center`: host or
        host:port, asked for its answer until it has one. Raises Denied, Busy, GatewayError (`bad-request`)."""
        require_role(who, Role.TECHNICIAN, "pair this gateway")
        if who.scope:
            raise Denied(f"{who.name} sees only {who.scope}; pairing is for the whole gateway")
        if not at_least(role, Role.VIEWER) or not at_least(who.role, role):
            raise Denied(f"{who.name} is {who.role} and can not give {role} away")
        host, port = _host_port(center) if center else ("", 0)
        self._forget_old()
        if sum(one.told.state is OfferState.WAITING for one in self._offers.values()) >= MOST_OFFERS:
            raise Busy(f"{MOST_OFFERS} codes are open: use one of them, or wait", code="too-many")
        own = self._own()
        secret = secrets.token_bytes(SECRET_BYTES)
        told = PairingOffer(
            id=secrets.token_hex(6),
            role=role,
            scope=scope[:256].strip("/"),
            made_at=self._clock.wall(),
            expires_at=self._clock.wall() + STANDS_S,
            made_by=who.name,
            asked=f"{host}:{port}" if host else "",
        )
        self._offers[told.id] = _Offer(told, secret, self._clock.monotonic() + STANDS_S)
        await self._audit.record(who, "pair.offer", detail=f"{role} {told.scope or 'all'} {told.asked}".strip())
        if host:
            self._spawn(f"pair {told.id}", self._fetch(told.id, host, port, who))
        return told, write_kit(KitCode(own.gateway, own.name[:64], self._pairings.public_key(), secret))

    def offered(self, who: Principal, id_: str) -> PairingOffer:
        require_role(who, Role.TECHNICIAN, "pair this gateway")
        require_whole(who, self._own().gateway, "pair it")
        self._forget_old()
        if (offer := self._offers.get(id_)) is None:
            raise NotFound(f"there is no code {id_[:40]!r}, or it has ended", code="pair-ended")
        return offer.told

    async def accept(self, who: Principal, text: str) -> PairedCenter:
        """A center's answer to a code of ours. Raises ProtocolError (`pair-code`), Denied (`pair-foreign`)."""
        require_role(who, Role.TECHNICIAN, "pair this gateway")
        require_whole(who, self._own().gateway, "pair it")
        self._forget_old()
        for offer in list(self._offers.values()):
            waits = offer.told.state is OfferState.WAITING and not offer.taken
            if waits and (found := read_center(text, offer.secret)) is not None:
                return await self._take(offer, found, who)
        read_center(text, b"")  # one that is no answer at all is told as such
        raise Denied("that answers no code that is open here", code="pair-foreign")

    async def renew_key(self, who: Principal) -> None:
        """A key of our own anew: centers are told over the sessions that stand, and the old one ends when all know."""
        require_role(who, Role.ADMINISTRATOR, "renew this gateway's key")
        await self._whole(who, "pair.renew-key", self._own().gateway)
        await self._pairings.renew_key()

    # — at the center —

    async def admit(
        self, who: Principal, text: str, *, name: str = "", hosts: Sequence[str] = ()
    ) -> tuple[PairedKit, str]:
        """A kit by its code; the answer for it. One that is paired already gets the new key: its old one is worth
        nothing any more. Raises ProtocolError (`pair-code`), Denied, Unsupported (`pair-no-center`)."""
        require_role(who, Role.ADMINISTRATOR, "admit a kit")
        if who.scope:
            raise Denied(f"{who.name} sees only {who.scope}; a kit is more than that")
        own = self._own()
        if not own.is_center:
            raise Unsupported("this gateway is no center: gateway.role is edge", code="pair-no-center")
        code = read_kit(text)
        if code.gateway == own.gateway:
            raise Denied(f"the kit calls itself {code.gateway}, as this center does", code="duplicate-gateway")
        if any(not is_host(host) for host in hosts) or len(hosts) > 8:
            raise GatewayError("hosts: at most eight names or addresses, without port", code="bad-request")
        known = self._pairings.kit(code.gateway)
        kit = PairedKit(
            gateway=code.gateway,
            key=code.key,
            name=(name.strip() or code.name or code.gateway)[:64],
            admitted_at=self._clock.wall(),
            admitted_by=who.name,
        )
        await self._audit.record(
            who,
            "pair.admit",
            kit.gateway,
            detail="with a new key" if known is not None and known.key != kit.key else "",
        )
        await self._pairings.admit_kit(kit)
        answer = write_center(
            CenterCode(
                own.gateway,
                own.name[:64],
                self._pairings.public_key(),
                tuple(hosts) or own.hosts[:8],
                self._pairings.udp_port,
                own.tcp_port,
                own.fingerprint,
            ),
            code.secret,
        )
        self._forget_old()
        while len(self._answers) >= MOST_ANSWERS:
            del self._answers[next(iter(self._answers))]
        self._answers[answer_id(code.secret)] = (answer, self._clock.monotonic() + STANDS_S)
        log.info("kit %s was admitted by %s", kit.gateway, who.name)
        return kit, answer

    def answer(self, id_: str) -> str:
        """For the kit that asks for it: who knows the id has read the code, and the answer tells no secret. Raises
        NotFound (`pair-waiting`)."""
        self._forget_old()
        if (found := self._answers.get(id_)) is None:
            raise NotFound("nobody has admitted that code here yet", code="pair-waiting")
        return found[0]

    # — both —

    async def revoke_kit(self, who: Principal, gateway: str, detail: str = "") -> PairedKit:
        require_role(who, Role.ADMINISTRATOR, "revoke a kit")
        await self._whole(who, "pair.revoke-kit", gateway, detail)
        return await self._pairings.revoke_kit(gateway, detail[:200])

    async def forget_kit(self, who: Principal, gateway: str) -> None:
        require_role(who, Role.ADMINISTRATOR, "forget a kit")
        if self._pairings.kit(gateway) is None:
            raise NotFound(f"there is no kit {gateway[:80]!r}")
        await self._whole(who, "pair.forget-kit", gateway)
        await self._pairings.forget_kit(gateway)

    def centers(self, who: Principal) -> Sequence[PairedCenter]:
        require_role(who, Role.TECHNICIAN, "see the centers")
        return self._pairings.centers() if in_scope(who, self._own().gateway) else []

    async def forget_center(self, who: Principal, gateway: str) -> None:
        """It is called no more, and may do nothing here."""
        require_role(who, Role.TECHNICIAN, "part from a center")
        if self._pairings.paired_center(gateway) is None:
            raise NotFound(f"there is no center {gateway[:80]!r}")
        await self._whole(who, "pair.forget-center", gateway)
        await self._pairings.forget_center(gateway)

    async def _whole(self, who: Principal, act: str, gateway: str, detail: str = "") -> None:
        if who.scope:
            raise Denied(f"{who.name} sees only {who.scope}; pairing is for the whole gateway")
        await self._audit.record(who, act, gateway, detail=detail[:200])

    async def _take(self, offer: _Offer, center: CenterCode, who: Principal) -> PairedCenter:
        if center.gateway == self._own().gateway:
            offer.told = replace(offer.told, code="duplicate-gateway")
            raise Denied(f"the center calls itself {center.gateway}, as this kit does", code="duplicate-gateway")
        offer.taken = True
        row = PairedCenter(
            gateway=center.gateway,
            key=center.key,
            name=center.name,
            hosts=center.hosts,
            udp_port=center.udp_port,
            tcp_port=center.tcp_port,
            fingerprint=center.fingerprint,
            role=offer.told.role,
            scope=offer.told.scope,
            admitted_at=self._clock.wall(),
            admitted_by=who.name,
        )
        try:
            await self._audit.record(who, "pair.accept", row.gateway, detail=f"{row.role} {row.scope or 'all'}")
            await self._pairings.admit_center(row)
        except GatewayError:
            offer.taken = False
            raise
        offer.told = replace(offer.told, state=OfferState.PAIRED, center=center.gateway, code="")
        log.info("paired with center %s (%s): it may act as %s", row.gateway, ", ".join(row.hosts), row.role)
        return row

    async def _fetch(self, id_: str, host: str, port: int, who: Principal) -> None:
        """Ask the center until it has an answer, or the code has ended; what keeps it is told in the offer."""
        while (offer := self._offers.get(id_)) is not None and offer.told.state is OfferState.WAITING:
            pause = ASK_EVERY_S
            try:
                status, body, shown = await self._ask(host, port, f"/api/v1/pairing/answers/{answer_id(offer.secret)}")
                if status == 200 and not offer.taken:
                    found = read_center(_answer_of(body), offer.secret)
                    if found is None or (found.fingerprint and shown and found.fingerprint != shown):
                        # The seal is right and the certificate another's: somebody sits in between, who could only
                        # hand on. The bundle proves the center by its key; the technician is told all the same.
                        raise ProtocolError("what answered there is not the center", code="pair-intercepted")
                    if found.hosts and host not in found.hosts:
                        # The technician reached it there: that goes first.
                        found = replace(found, hosts=(host, *found.hosts)[:8])
                    await self._take(offer, found, who)
                    return
                offer.told = replace(offer.told, code="pair-waiting" if status == 404 else "pair-no-center")
            except GatewayError as exc:
                offer.told = replace(offer.told, code=exc.code, detail=str(exc)[:200])
                pause = ASK_EVERY_S if isinstance(exc, LinkDown) else _REFUSED_S
            await asyncio.sleep(pause)
            self._forget_old()

    def _forget_old(self) -> None:
        now = self._clock.monotonic()
        for id_, offer in list(self._offers.items()):
            if offer.until <= now and offer.told.state is OfferState.WAITING:
                offer.told = replace(offer.told, state=OfferState.ENDED, code="pair-ended")
            if offer.until + STANDS_S <= now:
                del self._offers[id_]
        for id_, (_, until) in list(self._answers.items()):
            if until <= now:
                del self._answers[id_]


async def ask_center(host: str, port: int, path: str) -> tuple[int, bytes, str]:
    """One question to a center's API. Its certificate is not proved here: the answer carries its own seal."""
    seen: list[bytes] = []
    answer = await request(_connect, WebUrl(host, port, path, True), max_body=4096, on_certificate=seen.append)
    body = answer.body
    return answer.status, body, hashlib.sha256(seen[0]).hexdigest() if seen and seen[0] else ""


async def _connect(host: str, port: int) -> socket.socket:
    """A technician named it: it may lie anywhere. Raises LinkDown."""
    loop = asyncio.get_running_loop()
    failed: OSError | None = None
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as exc:
        raise LinkDown(f"{host}: its address is not known ({exc.strerror or exc})", code="dns-failed") from exc
    for family, kind, proto, _, address in found:
        sock = socket.socket(family, kind, proto)
        sock.setblocking(False)
        try:
            await loop.sock_connect(sock, address)
        except OSError as exc:
            sock.close()
            failed = exc
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    code = "connect-refused" if isinstance(failed, ConnectionRefusedError) else "connect-timeout"
    raise LinkDown(f"{host}:{port}: {failed.strerror if failed else 'no address'}", code=code)


def _answer_of(body: bytes) -> str:
    """Raises ProtocolError (`pair-no-center`)."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict) or not isinstance(found := told.get("answer"), str):
        raise ProtocolError("what answered there does not speak of pairing", code="pair-no-center")
    return found


def _host_port(text: str) -> tuple[str, int]:
    """`host`, `host:port`, `[v6]:port`, `https://host:port/`. Raises GatewayError (`bad-request`)."""
    text = text.strip().removeprefix("https://").rstrip("/")
    host, port = text, "8443"
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or (port if closed else "")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    if not is_host(host) or not port.isdecimal() or not 0 < int(port) < 65536:
        raise GatewayError("center: an address as center.example:8443 is needed", code="bad-request")
    return host, int(port)
