"""The kit's part of a daemon: a session with its brokers and the certificates for it, all anew with each pairing.

Sessions and the library under them are loaded when the daemon is ready and there is somebody to talk to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from adapters.mqtt.company import Group, groups
from adapters.mqtt.config import MqttConfig
from adapters.mqtt.enrol import Applicant
from adapters.mqtt.part import Part
from adapters.mqtt.seals import no_seal, of_centers
from gateway.base.authority import ClientFiles, client_files
from gateway.base.clock import Clock
from gateway.contract.adapter import Context
from gateway.contract.forward import OutboxSide
from gateway.model.pairing import PairedCenter
from gateway.model.principal import Role

if TYPE_CHECKING:
    from adapters.mqtt.kit import KitSession
    from adapters.mqtt.session import Standing

# What a broker says, or does not say, to a certificate that it does not take.
_REFUSED = frozenset({"mqtt-denied", "mqtt-silent", "mqtt-lost", "tls-refused"})
REFUSED_TIMES = 3
"""In a row, before a new certificate is asked for."""


@dataclass(frozen=True, slots=True)
class _Company:
    """The centers that this kit is paired with, the files that each gave, where they are met, what waits for each."""

    paired: Sequence[PairedCenter]
    kept: Mapping[str, ClientFiles]
    groups: Sequence[Group]
    sides: Mapping[str, OutboxSide]


class KitPart(Part):
    """`sessions`: one for each group of centers that are met at the same brokers."""

    def __init__(self, config: MqttConfig, context: Context, clock: Clock) -> None:
        super().__init__(config, context, clock)
        self.sessions: list[KitSession] = []
        self.waiting: list[Applicant] = []
        """Whose certificates must come before there is anything to say to their brokers."""

    async def run(self) -> None:
        """One company after another: paired with other centers, it is another one."""
        again = asyncio.Event()
        unheard = self.context.fleet.pairings.on_change(again.set)
        try:
            company = await self._company()
            # From here on nothing is lost. Links come when they come: the daemon is ready before any of them.
            self.context.ready()
            await self.context.started()
            while True:
                async with asyncio.TaskGroup() as tasks:
                    running = tasks.create_task(self._with(company, again.set))
                    await again.wait()
                    running.cancel()
                again.clear()
                company = await self._company()
        finally:
            unheard()

    async def _company(self) -> _Company:
        """As pairing has it now. What happens before the first pairing is the kit's own: nothing is kept for nobody."""
        paired = [one for one in self.context.fleet.pairings.centers() if one.revoked_at is None]
        kept = {one.gateway: client_files(self.root, one.gateway) for one in paired}
        met = groups(paired, kept, self.config.parsed(), self.config.centers)
        outbox = self.context.outbox
        centers = [center for group in met for center in group.centers]
        sides = {center: await outbox.join(self._uplink(center), self.name) for center in centers}
        await outbox.leave_others(self.name, [self._uplink(center) for center in sides])
        return _Company(paired, kept, met, sides)

    def _uplink(self, center: str) -> str:
        return f"{self.name}/{center or 'any'}"

    async def _with(self, company: _Company, got: Callable[[], None]) -> None:
        """Certificates are asked for meanwhile where one is missing; `got` begins anew, with the certificate and the
        brokers that came with it."""
        applicants = self._applicants(company)
        self.waiting = []
        async with asyncio.TaskGroup() as tasks:
            for applicant in applicants.values():
                tasks.create_task(applicant.run(got), name="certificate")
            for group in company.groups:
                asking = [applicants[center] for center in group.centers if center in applicants]
                if asking and self._bare(group):
                    # Without the center's authority its brokers are nobody whom we could trust.
                    self.waiting += asking
                elif group.brokers:
                    tasks.create_task(self._session(company, group, asking), name="mqtt session")

    def _bare(self, group: Group) -> bool:
        """Nothing to be known by, nor to know a broker by, but the certificate that has not come yet."""
        config = self.config
        return group.files is None and config.ca is None and config.certificate is None and not config.user

    async def _session(self, company: _Company, group: Group, applicants: Sequence[Applicant]) -> None:
        await asyncio.to_thread(import_module, "adapters.mqtt.kit")
        from adapters.mqtt.kit import KitSession, KitSetting
        from adapters.mqtt.kit_facts import DaemonFacts

        config = self.config
        refused, way = 0, f"{self.name} {' '.join(group.centers)}"

        def told(standing: Standing) -> None:
            nonlocal refused
            refused = refused + 1 if standing.code in _REFUSED else 0
            self.context.kit.held(way, not standing.code)
            if refused >= REFUSED_TIMES:
                for applicant in applicants:
                    applicant.refused()

        trusted = {one: Role(config.center_role) for one in config.centers if one in group.centers}
        uplinks = {center: self._uplink(center) for center in group.centers}
        facts = DaemonFacts(self.context, self.clock, trusted, uplinks, self.birth, group.scope)
        sides = {center: company.sides[center] for center in group.centers}
        setting = KitSetting(self.setting(group.brokers, group.files), config.telemetry, config.window, config.piece)
        seals = of_centers(self.context.gateway, self.context.fleet.pairings) if config.sealed else no_seal
        scopes = {one.gateway: one.scope for one in company.paired}
        session = KitSession(facts, sides, setting, self.clock, seals, scopes, told)
        self.sessions.append(session)
        try:
            await session.run()
        finally:
            self.sessions.remove(session)
            self.context.kit.held(way, False)

    def _applicants(self, company: _Company) -> dict[str, Applicant]:
        if self.config.certificate is not None:
            return {}
        seal_of = of_centers(self.context.gateway, self.context.fleet.pairings)
        return {
            center.gateway: Applicant(self.context.gateway, center, seal, company.kept[center.gateway])
            for center in company.paired
            if (seal := seal_of(center.gateway)) is not None
        }
