"""SNMP v3 by pysnmp: keys, ciphers and discovery of the engine are its matter, the rules of our client stay.

The extra `fieldgate[snmp]`. Its dispatcher drops what it can not read, so a garbled answer is silence here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from gateway.base.errors import LinkDown, PeerError, Unsupported
from gateway.net.snmp import Agent, SnmpClient
from gateway.wire.snmp import MAX_BINDINGS, MAX_OCTETS, Bound, Kind, Message, Oid, Pdu, Version, opaque

_REFUSED = ("unknownUserName", "wrongDigest", "unsupportedSecurityLevel", "unknownSecurityLevel", "decryptionError")


class SnmpV3Client(SnmpClient):
    """As its parent; raises Unsupported (`snmp-v3-missing`) without pysnmp."""

    def __init__(self, agent: Agent) -> None:
        super().__init__(agent)
        try:
            from pysnmp.error import PySnmpError
            from pysnmp.hlapi.v3arch import asyncio as hlapi
        except ImportError as exc:
            text = "SNMP v3 needs pysnmp: pip install 'fieldgate[snmp]'"
            raise Unsupported(text, code="snmp-v3-missing") from exc
        self._hlapi: Any = hlapi
        self._error: type[Exception] = PySnmpError
        self._engine: Any = hlapi.SnmpEngine()
        self._target: Any = None
        self._user = _user(hlapi, agent)

    def close(self) -> None:
        super().close()
        if self._engine is not None:
            self._engine.close_dispatcher()
            self._engine = None

    async def _ask(self, pdu: Pdu, oids: Sequence[Oid], repetitions: int = 0) -> Message:
        hlapi, agent = self._hlapi, self.agent
        if self._engine is None:
            self._engine, self._target = hlapi.SnmpEngine(), None
        try:
            if self._target is None:
                where = (agent.host, agent.port)
                self._target = await hlapi.UdpTransportTarget.create(where, agent.timeout_s, agent.retries)
            wanted = [hlapi.ObjectType(hlapi.ObjectIdentity(oid)) for oid in oids]
            about = (self._engine, self._user, self._target, hlapi.ContextData())
            # Finding the engine and agreeing on its clock are two questions before ours.
            async with asyncio.timeout(3 * agent.timeout_s * (agent.retries + 1) + 1):
                if pdu is Pdu.GET_BULK:
                    told = await hlapi.bulk_cmd(*about, 0, repetitions, *wanted, lookupMib=False)
                else:
                    told = await hlapi.get_cmd(*about, *wanted, lookupMib=False)
        except TimeoutError:
            raise self._silent("no answer") from None
        except (self._error, OSError) as exc:
            raise self._silent(str(exc)) from exc
        return self._message(*told)

    def _message(self, trouble: Any, status: Any, index: Any, rows: Any) -> Message:
        if trouble is not None:
            word = type(trouble).__name__
            if word[:1].lower() + word[1:] in _REFUSED:
                raise PeerError(f"{self.agent.host} refuses SNMP v3: {trouble}", status=word, code="snmp-refused")
            raise self._silent(str(trouble))
        bindings = tuple(_bound(name, value) for name, value in rows[:MAX_BINDINGS])
        return Message(Version.V2C, b"", Pdu.RESPONSE, 0, bindings, int(status), int(index))

    def _silent(self, why: str) -> LinkDown:
        return LinkDown(f"{self.agent.host}:{self.agent.port} does not answer SNMP v3: {why[:200]}", code="snmp-silent")


def _bound(name: Any, value: Any) -> Bound:
    """pysnmp's objects as ours."""
    oid = tuple(int(arc) for arc in name)
    tag = value.tagSet.superTags[-1]
    kind = Kind(int(tag.tagId) | int(tag.tagClass))
    bound = Bound(oid, kind)
    if bound.missing:
        return bound
    if kind is Kind.OID:
        return Bound(oid, kind, tuple(int(arc) for arc in value))
    if kind in (Kind.OCTETS, Kind.OPAQUE, Kind.ADDRESS):
        body = bytes(value)[:MAX_OCTETS]
        return Bound(oid, kind, opaque(body) if kind is Kind.OPAQUE else body)
    return Bound(oid, kind, int(value))


def _user(hlapi: Any, agent: Agent) -> Any:
    auth = {
        "sha256": hlapi.usmHMAC192SHA256AuthProtocol,
        "sha1": hlapi.usmHMACSHAAuthProtocol,
        "md5": hlapi.usmHMACMD5AuthProtocol,
    }[agent.auth]
    privacy = {
        "aes128": hlapi.usmAesCfb128Protocol,
        "aes256": hlapi.usmAesCfb256Protocol,
        "des": hlapi.usmDESPrivProtocol,
    }[agent.privacy]
    if not agent.privacy_password:
        return hlapi.UsmUserData(agent.user, agent.auth_password, authProtocol=auth)
    return hlapi.UsmUserData(agent.user, agent.auth_password, agent.privacy_password, auth, privacy)
