"""Which seal belongs to whom: from the pairings, as they are now."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from adapters.mqtt.protocol.seal import Seal, sender_of, shared
from gateway.base.errors import RemoteProtocolError
from gateway.contract.fleet import Pairings
from gateway.model.pairing import PairedKit

log = logging.getLogger(__name__)

SealOf = Callable[[str], Seal | None]
"""Of a far side by its gateway id; None: nothing between us is sealed."""


def no_seal(_name: str) -> None:
    return None


def of_centers(own: str, pairings: Pairings) -> SealOf:
    """At a kit."""

    def seal(center: str) -> Seal | None:
        for row in pairings.centers():
            if row.gateway == center and row.revoked_at is None:
                privates = [key for key in (pairings.private_key(), pairings.next_key()) if key]
                return _seal(own, [(private, row.key) for private in privates])
        return None

    return seal


class SealsOfKits:
    """At a center: thousands of them, so that none is looked for in a list. `close` when it is no longer asked."""

    def __init__(self, own: str, pairings: Pairings) -> None:
        self._own = own
        self._pairings = pairings
        self._rows: dict[str, PairedKit] = {}
        self._made: dict[str, Seal | None] = {}
        self.close = pairings.on_change(self._changed)
        self._changed()

    def __call__(self, gateway: str) -> Seal | None:
        if gateway not in self._made and gateway in self._rows:
            row = self._rows[gateway]
            private = self._pairings.private_key()
            self._made[gateway] = _seal(self._own, [(private, key) for key in (row.key, row.next_key) if key])
        return self._made.get(gateway)

    def _changed(self) -> None:
        rows = {row.gateway: row for row in self._pairings.kits() if row.revoked_at is None}
        self._made = {name: seal for name, seal in self._made.items() if rows.get(name) == self._rows.get(name)}
        self._rows = rows


def closed(seal: Seal | None, topic: str, body: bytes) -> bytes:
    return body if seal is None else seal.close(topic, body)


def opened(seal_of: SealOf, topic: str, data: bytes, sender: str = "") -> tuple[bytes, str]:
    """The message, and who sealed it ("": nobody). `sender`: who alone may have. Raises RemoteProtocolError
    (`mqtt-forged`): a wrong seal, or none from somebody who has one."""
    by = sender_of(data)
    if not by:
        if sender and seal_of(sender) is not None:
            raise RemoteProtocolError(f"{sender} is paired, and its message has no seal", code="mqtt-forged")
        return data, ""
    if sender and by != sender:
        raise RemoteProtocolError(f"a message of {sender} that {by[:40]!r} sealed", code="mqtt-forged")
    seal = seal_of(by)
    if seal is None:
        raise RemoteProtocolError(f"a message that {by[:40]!r} sealed, who is not paired", code="mqtt-forged")
    return seal.open(topic, data), by


def _seal(own: str, pairs: Sequence[tuple[bytes, bytes]]) -> Seal | None:
    keys = []
    for private, public in pairs:
        try:
            keys.append(shared(private, public))
        except ValueError as exc:
            log.warning("a pairing's key can not be used: %s", exc)
    return Seal(own, keys) if keys else None
