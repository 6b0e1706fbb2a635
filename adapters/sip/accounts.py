"""One account at a trunk's server: REGISTER, its answer, its refreshing (RFC 3261 §10.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from adapters.sip.config_trunk import AccountConfig, TrunkConfig
from gateway.base.errors import GatewayError, LinkDown, PeerError, RemoteProtocolError
from gateway.net.sip import SipEndpoint
from gateway.wire.digest import DigestClient
from gateway.wire.sip import (
    Hop,
    NameAddr,
    SipRequest,
    SipResponse,
    SipUri,
    new_call_id,
    new_request,
    new_tag,
    printable,
)
from gateway.wire.sip.uri import bounded_int

REFRESH_AT = 0.8  # of the life that was granted
LEAST_REFRESH_S = 10.0
MOST_MIN_EXPIRES_S = 86_400
MAX_ROUTES = 8
_CSEQ_STEP = 8  # a challenge and its repetitions count up inside one exchange


class AccountState(StrEnum):
    IDLE = "idle"
    REGISTERING = "registering"
    REGISTERED = "registered"
    WAITING = "waiting"  # the server or the way to it failed
    REFUSED = "refused"  # the server said no


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """`until` on the wall clock: when the registration ends unless refreshed."""

    user: str
    state: AccountState
    code: str = ""
    detail: str = ""
    until: float = 0.0


@dataclass(frozen=True, slots=True)
class Granted:
    seconds: float

    @property
    def refresh_s(self) -> float:
        return max(min(LEAST_REFRESH_S, self.seconds / 2), self.seconds * REFRESH_AT)


class Account:
    """`register` does one exchange and knows nothing of retries; those are the trunk's."""

    def __init__(
        self, config: AccountConfig, trunk: TrunkConfig, password: str, instance: str, wall: Callable[[], float]
    ) -> None:
        self.config = config
        self.user = config.user
        self._password = password
        self.credentials = DigestClient(config.auth_user or config.user, password)
        self.status = AccountStatus(config.user, AccountState.IDLE)
        self.service_route: tuple[str, ...] = ()
        self._trunk = trunk
        self._instance = instance
        self._wall = wall
        self._call_id = new_call_id()
        self._tag = new_tag()
        self._cseq = 0
        self._expires = int(trunk.expires)
        self._contact = ""  # as last registered

    @property
    def registered(self) -> bool:
        return self.status.state is AccountState.REGISTERED

    @property
    def address(self) -> NameAddr:
        """Our address of record there."""
        return NameAddr(str(SipUri(self._trunk.own_domain, self.user)), self.config.name)

    def begin(self) -> None:
        """A server is taken in use: another one's nonce is nothing to it."""
        self.credentials = DigestClient(self.config.auth_user or self.config.user, self._password)
        self._expires = int(self._trunk.expires)
        self.say(AccountState.IDLE)

    async def register(self, endpoint: SipEndpoint, hop: Hop) -> Granted:
        """Raises PeerError (with `status` and `code`) when refused, LinkDown when unanswered."""
        self.say(AccountState.REGISTERING)
        for _ in range(3):
            response = await self._ask(endpoint, hop, self._expires)
            if response.status != 423:
                break
            self._expires = _min_expires(response, self._expires)
        if not response.ok:
            raise _refused(self.user, response)
        contact = contact_uri(self.user, hop)
        granted = _granted(response, contact, self._expires)
        if granted <= 0:
            raise PeerError(f"{self.user}: registered for no time at all", status=200, code="trunk-refused")
        self._contact = contact
        self.service_route = _service_route(response)
        self.say(AccountState.REGISTERED, until=self._wall() + granted)
        return Granted(granted)

    async def unregister(self, endpoint: SipEndpoint, hop: Hop, timeout_s: float) -> None:
        """Best effort: a server that does not answer forgets us by itself."""
        try:
            if self.registered:
                await self._ask(endpoint, hop, 0, timeout_s)
        except GatewayError:
            pass
        finally:
            self.say(AccountState.IDLE)

    def say(self, state: AccountState, code: str = "", detail: str = "", *, until: float = 0.0) -> None:
        self.status = AccountStatus(self.user, state, code, detail, until)

    def failed(self, exc: GatewayError) -> None:
        refused = isinstance(exc, PeerError) and exc.code != "trunk-unavailable"
        self.say(AccountState.REFUSED if refused else AccountState.WAITING, exc.code, str(exc))

    async def _ask(self, endpoint: SipEndpoint, hop: Hop, expires: int, timeout_s: float | None = None) -> SipResponse:
        patience = self._trunk.register_patience if timeout_s is None else timeout_s
        request = self._request(hop, expires)
        response = await endpoint.request(request, hop, timeout=patience, auth=self.credentials)
        if response.status in (401, 407) and _stale(response):
            # The nonce grew old between challenge and answer: once more, with the new one (RFC 7616 §3.3).
            response = await endpoint.request(self._request(hop, expires), hop, timeout=patience, auth=self.credentials)
        return response

    def _request(self, hop: Hop, expires: int) -> SipRequest:
        self._cseq += _CSEQ_STEP
        contact = contact_uri(self.user, hop)
        lines = [("Contact", f'<{contact}>;+sip.instance="<urn:uuid:{self._instance}>"')]
        if self._contact and self._contact != contact and expires:
            lines.append(("Contact", f"<{self._contact}>;expires=0"))  # where we were before our address changed
        lines += [("Expires", str(expires)), ("Supported", "path"), ("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS")]
        us = replace(self.address, params=(("tag", self._tag),))
        to = NameAddr(self.address.uri)
        uri = SipUri(self._trunk.own_domain)
        return new_request("REGISTER", uri, from_=us, to=to, call_id=self._call_id, cseq=self._cseq, headers=lines)


def contact_uri(user: str, hop: Hop) -> str:
    """Where the server reaches us: our address on this hop, with the transport said."""
    params = () if hop.transport == "udp" else (("transport", hop.transport),)
    return str(SipUri(hop.local[0], user, hop.local[1], params))


def _granted(response: SipResponse, contact: str, asked: int) -> float:
    """Seconds for our own contact; a registrar lists all of the account's."""
    ours = SipUri.parse(contact)
    try:
        for one in response.contacts:
            text = one.param("expires")
            if text and text.isascii() and text.isdigit() and len(text) < 12 and one.sip.same_as(ours):
                return float(text)
        header = response.headers.get("Expires")
        return float(bounded_int(header, 0, 2**31, "Expires")) if header is not None else float(asked)
    except RemoteProtocolError:
        return float(asked)


def _service_route(response: SipResponse) -> tuple[str, ...]:
    """RFC 3608: our requests go by these; one that can not be read is left out."""
    out: list[str] = []
    try:
        for value in response.values("Service-Route")[:MAX_ROUTES]:
            _ = NameAddr.parse(value).sip
            out.append(value)
    except RemoteProtocolError:
        return ()
    return tuple(out)


def _min_expires(response: SipResponse, asked: int) -> int:
    try:
        least = bounded_int(response.headers.get("Min-Expires") or "", 1, 2**31, "Min-Expires")
    except RemoteProtocolError as exc:
        raise PeerError("423 without a Min-Expires that can be read", status=423, code="trunk-refused") from exc
    if least <= asked or least > MOST_MIN_EXPIRES_S:
        raise PeerError(f"423 asks for {least} s, {asked} s were asked", status=423, code="trunk-refused")
    return least


def _stale(response: SipResponse) -> bool:
    lines = [*response.headers.all("WWW-Authenticate"), *response.headers.all("Proxy-Authenticate")]
    return any("stale=true" in line.replace(" ", "").replace('"', "").lower() for line in lines)


def _refused(user: str, response: SipResponse) -> GatewayError:
    words = f"REGISTER {user}: {response.status} {printable(response.reason)}"
    if response.status in (401, 403, 407):
        return PeerError(words, status=response.status, code="trunk-password")
    if response.status in (404, 410, 604):
        return PeerError(words, status=response.status, code="trunk-unknown")
    if response.status in (408, 430) or response.status >= 500:
        return PeerError(words, status=response.status, code="trunk-unavailable")
    return PeerError(words, status=response.status, code="trunk-refused")


__all__ = ["Account", "AccountState", "AccountStatus", "Granted", "LinkDown", "contact_uri"]
