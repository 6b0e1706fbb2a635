"""Whether a REGISTER is let in: known id, right password. Sans-IO. RFC 3261 §22; GB/T 28181-2022 §9.1."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from adapters.gb28181.config import Gb28181Config
from adapters.gb28181.protocol.ids import is_device_id
from adapters.gb28181.protocol.registrar import granted_expires
from gateway.base.clock import Clock
from gateway.base.errors import RemoteProtocolError
from gateway.contract.device import Admitted, Devices
from gateway.wire.digest import Authorization, DigestServer, Verdict
from gateway.wire.sip import SipRequest

log = logging.getLogger(__name__)

SCHEME = "gb28181"


@dataclass(frozen=True, slots=True)
class Refusal:
    """`challenges` stand in WWW-Authenticate of a 401."""

    status: int
    reason: str | None = None
    challenges: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Welcome:
    """`expires_s` 0: it signs off. `version` is its X-GB-Ver, "" where it has none (before 2022)."""

    admitted: Admitted
    expires_s: int
    version: str
    call_id: str


class Admission:
    """The door. Knocks go to the technician; passwords and hashes go nowhere."""

    def __init__(self, config: Gb28181Config, devices: Devices, clock: Clock) -> None:
        self._config = config
        self._devices = devices
        self._clock = clock
        self._digest = DigestServer(config.domain, algorithms=config.digest)

    def judge(self, request: SipRequest, address: str) -> Refusal | Welcome:
        """`address` is where it came from, for the technician. Never raises for what a device sends."""
        try:
            user = request.to.user or request.from_.user
        except RemoteProtocolError:
            return Refusal(400, "Bad To")
        if not is_device_id(user):
            return Refusal(self._config.refuse_status, "Unknown device") if user else Refusal(400, "No device id")
        admitted = self._devices.admitted(SCHEME, user)
        if admitted is None:
            self._devices.knock(SCHEME, user, address, "unknown-device")
            return self._unknown()
        written = request.headers.get("Authorization")
        if written is None:
            return self._challenge()
        try:
            auth = Authorization.parse(written)
            # The name in the hash must be the one that registers: no device answers for another.
            right = auth.username == user
            verdict = self._digest.check(
                auth, "REGISTER", self._clock.monotonic(), password=admitted.password if right else None
            )
        except RemoteProtocolError as exc:
            log.info("%s: an answer to the challenge that can not be read: %s", admitted.id, exc)
            return self._challenge()
        if verdict is Verdict.WRONG:
            self._devices.knock(SCHEME, user, address, "wrong-password")
            return Refusal(403, "Wrong password")
        if verdict is not Verdict.OK:
            # Nonces are used again with the same count by many devices, a day later and after our restart.
            return self._challenge(stale=True)
        asked = request.expires
        return Welcome(
            admitted,
            granted_expires(asked, self._config.register_expires_max),
            (request.headers.get("X-GB-Ver") or "").strip()[:8],
            request.call_id,
        )

    def _challenge(self, *, stale: bool = False) -> Refusal:
        offered = self._digest.challenges(self._clock.monotonic(), stale=stale)
        return Refusal(401, None, tuple(map(str, offered)))

    def _unknown(self) -> Refusal:
        if self._config.refuse_status == 401:
            return self._challenge()
        return Refusal(self._config.refuse_status, "Unknown device")
