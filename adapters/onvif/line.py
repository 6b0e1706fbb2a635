"""Speech with one camera: one request at a time over HTTP, signed in whichever way it takes.

A password is never sent: WS-UsernameToken by the camera's own clock, and HTTP digest where it asks for that. Cameras
differ in which they take and in what they answer when they do not like it (401, 403, 400, 500 with a fault), so there
is a ladder, and what worked is kept:

token (with HTTP digest when asked) ─ refused ─► its clock is asked again; differs? token once more ─► HTTP digest alone
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Literal, TypedDict, Unpack

from adapters.onvif.protocol import device
from adapters.onvif.protocol.device import CameraClock, Place
from adapters.onvif.protocol.security import NONCE_BYTES, username_token
from adapters.onvif.protocol.soap import DEVICE, Fault, SoapFault, clean, content_type, envelope, read_answer
from gateway.base.clock import Clock
from gateway.base.errors import GatewayError, LinkDown, PeerError, RemoteProtocolError
from gateway.net.web import Connect, WebAnswer, WebClient, WebUrl
from gateway.wire.xml import XmlNode

Signing = Literal["token", "digest"]
CLOCK_MATTERS_S = 2.0
"""A clock that is wrong by less is taken as right: it tells whole seconds only."""
MAX_STILL = 8 * 1024 * 1024
_NAME = re.compile(r"<([A-Za-z]+)")


class Asked(TypedDict, total=False):
    """How a question goes, where it is not as usual. `at` another place than its service's; `signed` False: without
    the password."""

    at: Place | None
    action: str
    headers: str
    declarations: str
    timeout_s: float | None
    signed: bool


class Line:
    """Where a camera's services are, and how it is asked. One task at a time need not be kept: requests are apart."""

    def __init__(
        self,
        connect: Connect,
        host: str,
        port: int,
        user: str,
        password: str,
        *,
        tls: bool = False,
        path: str = device.DEFAULT_PATH,
        timeout_s: float = 5.0,
        clock: Clock | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.tls = tls
        self._user = user
        self._password = password
        self._clock = clock or Clock()
        self._web = WebClient(connect, user, password, timeout_s=timeout_s)
        self._places: dict[str, Place] = {DEVICE: Place(port, path, tls)}
        self.signing: Signing = "token"
        self.offset_s = 0.0
        """Its clock less ours."""
        self.clock_known = False

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def __contains__(self, space: str) -> bool:
        return space in self._places

    def learn(self, services: Mapping[str, str]) -> None:
        """Its services by namespace, as it told them; one with a wrong address is left out."""
        for space, xaddr in services.items():
            try:
                self._places.setdefault(space, self.place(xaddr))
            except RemoteProtocolError:
                continue

    def place(self, xaddr: str) -> Place:
        return device.place_of(xaddr, self.host, self.port, self.tls)

    async def ask(self, space: str, body: str, **more: Unpack[Asked]) -> XmlNode:
        """The element it answers with. Raises LinkDown (`onvif-unreachable`), PeerError (`onvif-auth`,
        `onvif-locked`), SoapFault (`onvif-fault`), RemoteProtocolError (`not-onvif`)."""
        return (await self.ask_raw(space, body, **more))[0]

    async def ask_raw(self, space: str, body: str, **more: Unpack[Asked]) -> tuple[XmlNode, bytes]:
        """As `ask`, with the whole answer's bytes."""
        at, timeout_s, action = more.get("at"), more.get("timeout_s"), more.get("action", "")
        headers, declarations = more.get("headers", ""), more.get("declarations", "")
        place = at or self._places.get(space)
        if place is None:
            raise SoapFault(f"{self} has no such service", Fault(("ActionNotSupported",), space))
        found = _NAME.match(body)
        name = found.group(1) if found else ""
        where = WebUrl(self.host, place.port, place.path, place.tls)
        kind = content_type(action or f"{space}/{name}")

        async def once(signing: Signing | None) -> tuple[XmlNode | Fault, bytes, int]:
            token = ""
            if signing == "token" and self._user:
                nonce = secrets.token_bytes(NONCE_BYTES)
                token = username_token(self._user, self._password, nonce, self._clock.wall() + self.offset_s)
            sent = envelope(body, token + headers, declarations)
            try:
                answer = await self._web.send(
                    where, "POST", sent, headers=[("Content-Type", kind)], timeout_s=timeout_s
                )
            except LinkDown as exc:
                raise LinkDown(f"{self}: {name}: {exc}", code="onvif-unreachable") from exc
            except PeerError as exc:
                raise PeerError(f"{self}: {name}: {exc}", status=exc.status, code="onvif-auth") from exc
            except RemoteProtocolError as exc:
                raise RemoteProtocolError(f"{self}: {name}: {exc}", code="not-onvif") from exc
            return _read(answer, str(self), name), answer.body, answer.status

        if not more.get("signed", True) or not self._user:
            return self._judge(*await once(None), name)
        told, raw, status = await once(self.signing)
        if not _refused(told, status) or _locked(told):
            return self._judge(told, raw, status, name)
        before = self.offset_s
        if self.signing == "token" and space != DEVICE:
            await self._look_at_clock()
        if self.signing == "token" and abs(self.offset_s - before) > CLOCK_MATTERS_S:
            told, raw, status = await once("token")
            if not _refused(told, status) or _locked(told):
                return self._judge(told, raw, status, name)
        other: Signing = "digest" if self.signing == "token" else "token"
        again = await once(other)
        if not _refused(again[0], again[2]):
            self.signing = other
            return self._judge(*again, name)
        return self._judge(told, raw, status, name)

    async def fetch(self, place: Place) -> bytes:
        """A file of the camera's own web server, with its password by digest. Raises LinkDown, PeerError."""
        answer = await self._web.send(WebUrl(self.host, place.port, place.path, place.tls), max_body=MAX_STILL)
        if answer.status != 200:
            raise PeerError(f"{self}: its picture: HTTP {answer.status}", status=answer.status, code="onvif-fault")
        return answer.body

    async def _look_at_clock(self) -> None:
        try:
            await self.measure_clock()
        except GatewayError:
            return

    async def measure_clock(self) -> CameraClock | None:
        """Ask its clock and keep the difference. Asked unsigned, as the specification has it (Core §5.9.4.2.1); some
        want it signed all the same. None: it tells no UTC."""
        for signed in (False, True):
            before = self._clock.wall()
            try:
                node = await self.ask(DEVICE, device.GET_CLOCK, signed=signed)
            except PeerError:
                if signed or not self._user:
                    raise
                continue
            told = device.read_clock(node)
            if told is not None:
                # It tells the second that has begun: on average it is half a second further.
                self.offset_s = told.unix + 0.5 - (before + self._clock.wall()) / 2
                self.clock_known = True
                if abs(self.offset_s) < CLOCK_MATTERS_S:
                    self.offset_s = 0.0
            return told
        return None

    def _judge(self, told: XmlNode | Fault, raw: bytes, status: int, name: str) -> tuple[XmlNode, bytes]:
        if isinstance(told, Fault):
            if told.locked:
                raise PeerError(f"{self}: {name}: {told}", status=status, code="onvif-locked")
            if _refused(told, status):
                raise PeerError(f"{self}: {name}: {told}", status=status, code="onvif-auth")
            raise SoapFault(f"{self}: {name}: {told}", told)
        return told, raw


def _read(answer: WebAnswer, who: str, name: str) -> XmlNode | Fault:
    """Status and body together: some say 200 with a fault, some 400 or 401 with nothing."""
    try:
        told = read_answer(answer.body)
    except RemoteProtocolError as exc:
        if answer.status in (400, 401, 403):
            return Fault((f"HTTP {answer.status}",), clean(answer.body[:120].decode("utf-8", "replace")))
        if answer.status >= 500:
            return Fault((f"HTTP {answer.status}",), "no SOAP in it")
        raise RemoteProtocolError(f"{who}: {name}: HTTP {answer.status}, {exc}", code="not-onvif") from exc
    if answer.status in (401, 403) and not isinstance(told, Fault):
        return Fault((f"HTTP {answer.status}",), "")
    return told


def _refused(told: XmlNode | Fault, status: int) -> bool:
    """It may have been the signature. 400 without a reason is what some say instead of 401."""
    return isinstance(told, Fault) and (
        told.not_authorized or status in (401, 403) or (status == 400 and told.codes[:1] == ("HTTP 400",))
    )


def _locked(told: XmlNode | Fault) -> bool:
    return isinstance(told, Fault) and told.locked
