"""Where the kit's softphones are: bindings of users to the flows they registered by (RFC 3261 §10.3). Sans-IO.

A phone is reached by the way its REGISTER came: source address over UDP, the same connection over TCP and TLS. What its
Contact says is put into the Request-URI only, so NAT between phone and kit does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.base.errors import RemoteProtocolError
from gateway.wire.sip import Hop, NameAddr, SipRequest, SipUri, printable

MAX_CONTACTS = 8  # in one REGISTER
MAX_CONTACT_CHARS = 512


@dataclass(frozen=True, slots=True)
class Binding:
    """One phone of a user. Times on the caller's clock."""

    user: str
    contact: str  # URI
    hop: Hop
    until: float
    since: float
    call_id: str
    cseq: int
    instance: str = ""  # +sip.instance (RFC 5626): the phone itself, wherever it is
    agent: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What to answer: 200 with `headers`, or `status` and `reason`."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    reason: str | None = None
    added: tuple[Binding, ...] = ()
    removed: tuple[Binding, ...] = ()

    @property
    def ok(self) -> bool:
        return self.status == 200


class Location:
    """All bindings; at most `max_bindings` a user, the oldest gives way (it is his own)."""

    def __init__(self, *, least_s: float, most_s: float, max_bindings: int) -> None:
        self._least_s = least_s
        self._most_s = most_s
        self._max = max_bindings
        self._bindings: dict[str, list[Binding]] = {}

    def __len__(self) -> int:
        return sum(len(found) for found in self._bindings.values())

    def of(self, user: str, now: float) -> list[Binding]:
        """The phones that are there now, the one heard last first."""
        alive = [one for one in self._bindings.get(user, ()) if one.until > now]
        return sorted(alive, key=lambda one: -one.since)

    def all(self, now: float) -> list[Binding]:
        return [one for user in self._bindings for one in self.of(user, now)]

    def by_hop(self, hop: Hop, now: float) -> Binding | None:
        """The phone that speaks from there."""
        for found in self._bindings.values():
            for one in found:
                if one.until > now and _same_way(one.hop, hop):
                    return one
        return None

    def register(self, user: str, request: SipRequest, hop: Hop, now: float) -> Outcome:
        """One REGISTER whose sender was proven to be `user`."""
        try:
            star, contacts = _contacts(request)
            asked = request.expires
            call_id, cseq = request.call_id, request.cseq.number
        except RemoteProtocolError as exc:
            return Outcome(400, reason=f"Bad Contact ({printable(str(exc))[:80]})")
        before = list(self._bindings.get(user, ()))
        if any(one.call_id == call_id and one.cseq >= cseq for one in before):
            return Outcome(500, (("Retry-After", "1"),), "CSeq Out Of Order")
        if star:
            if asked != 0 or contacts:
                return Outcome(400, reason="Contact * needs Expires 0")
            self._bindings.pop(user, None)
            return Outcome(200, (("Expires", "0"),), removed=tuple(before))
        kept, added = before, []
        for contact in contacts:
            seconds = _expires(contact, asked, self._most_s)
            if 0 < seconds < self._least_s:
                return Outcome(423, (("Min-Expires", f"{self._least_s:.0f}"),))
            instance = (contact.param("+sip.instance") or "").strip('"<>')[:128]
            kept = [one for one in kept if not _same_phone(one, contact, instance)]
            if seconds > 0:
                agent = printable(request.headers.get("User-Agent") or "")[:64]
                until = now + min(seconds, self._most_s)
                binding = Binding(user, contact.uri, hop, until, now, call_id, cseq, instance, agent)
                kept.append(binding)
                added.append(binding)
        alive = [one for one in kept if one.until > now][-self._max :]
        if alive:
            self._bindings[user] = alive
        else:
            self._bindings.pop(user, None)
        ways = {(one.hop.transport, one.hop.remote) for one in alive}
        removed = tuple(one for one in before if (one.hop.transport, one.hop.remote) not in ways)
        lines = [("Contact", f"<{one.contact}>;expires={max(1, round(one.until - now))}") for one in alive]
        return Outcome(200, tuple(lines), added=tuple(one for one in added if one in alive), removed=removed)

    def flow_closed(self, hop: Hop) -> list[Binding]:
        """The connection is gone, and with it the phones that were reached by it (RFC 5626 §4.3)."""
        return self._drop(lambda one: one.hop.flow != 0 and one.hop.flow == hop.flow)

    def drop(self, binding: Binding) -> bool:
        """This phone does not answer any more; False when it has registered anew since, or is gone."""
        return bool(self._drop(lambda one: one == binding))

    def expire(self, now: float) -> list[Binding]:
        return self._drop(lambda one: one.until <= now)

    def forget(self, user: str) -> list[Binding]:
        return self._bindings.pop(user, [])

    def _drop(self, gone: object) -> list[Binding]:
        assert callable(gone)  # noqa: S101
        out: list[Binding] = []
        for user, found in list(self._bindings.items()):
            lost = [one for one in found if gone(one)]
            if lost:
                out += lost
                kept = [one for one in found if one not in lost]
                if kept:
                    self._bindings[user] = kept
                else:
                    del self._bindings[user]
        return out


def _contacts(request: SipRequest) -> tuple[bool, list[NameAddr]]:
    values = request.values("Contact")
    if len(values) > MAX_CONTACTS:
        raise RemoteProtocolError("too many contacts")
    contacts = [NameAddr.parse(value) for value in values if value != "*"]
    for contact in contacts:
        if len(contact.uri) > MAX_CONTACT_CHARS:
            raise RemoteProtocolError("a contact that is too long")
        SipUri.parse(contact.uri)
    return "*" in values, contacts


def _expires(contact: NameAddr, asked: int | None, most_s: float) -> float:
    """Seconds by the contact's own parameter, else the header's, else the longest that we grant."""
    text = contact.param("expires")
    if text is not None and text.isascii() and text.isdigit() and len(text) <= 12:
        return float(text)
    return most_s if asked is None else float(asked)


def _same_phone(one: Binding, contact: NameAddr, instance: str) -> bool:
    if instance and one.instance == instance:
        return True
    return SipUri.parse(one.contact).same_as(SipUri.parse(contact.uri))


def _same_way(one: Hop, other: Hop) -> bool:
    if one.flow or other.flow:
        return one.flow == other.flow
    return one.transport == other.transport and one.remote == other.remote
