"""The kit's part of a daemon: a session with its brokers and the certificates for it, both anew with each pairing.

Sessions and the library under them are loaded when the daemon is ready and there is somebody to talk to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from adapters.mqtt.address import Broker
from adapters.mqtt.config import MqttConfig
from adapters.mqtt.enrol import Applicant, told_brokers
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

PORT = 8883


@dataclass(frozen=True, slots=True)
class _Company:
    """The centers that this kit is paired with, the files that each gave, all brokers, and what waits for each."""

    paired: Sequence[PairedCenter]
    kept: Mapping[str, ClientFiles]
    brokers: Sequence[Broker]
    sides: Mapping[str, OutboxSide]


class KitPart(Part):
    """`session` is None while no broker is known."""

    def __init__(self, config: MqttConfig, context: Context, clock: Clock) -> None:
        super().__init__(config, context, clock)
        self.session: KitSession | None = None

    async def run(self) -> None:
        """One session after another: paired with other centers, it is another one."""
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
        theirs = [broker for one in paired for broker in _brokers(one, kept[one.gateway])]
        brokers = self.config.parsed() or list(dict.fromkeys(theirs))
        sides: dict[str, OutboxSide] = {}
        outbox = self.context.outbox
        if brokers or paired:
            centers = list(dict.fromkeys([*kept, *self.config.centers])) or [""]
            sides = {center: await outbox.join(self._uplink(center), self.name) for center in centers}
        await outbox.leave_others(self.name, [self._uplink(center) for center in sides])
        return _Company(paired, kept, brokers, sides)

    def _uplink(self, center: str) -> str:
        return f"{self.name}/{center or 'any'}"

    async def _with(self, company: _Company, got: Callable[[], None]) -> None:
        """Certificates are asked for meanwhile where one is missing; `got` begins anew, with the certificate and the
        brokers that came with it."""
        async with asyncio.TaskGroup() as tasks:
            for applicant in self._applicants(company):
                tasks.create_task(applicant.run(got), name="certificate")
            if company.brokers:
                tasks.create_task(self._session(company), name="mqtt session")

    async def _session(self, company: _Company) -> None:
        await asyncio.to_thread(import_module, "adapters.mqtt.kit")
        from adapters.mqtt.kit import KitSession, KitSetting
        from adapters.mqtt.kit_facts import DaemonFacts

        config = self.config
        trusted = dict.fromkeys(config.centers, Role(config.center_role))
        uplinks = {center: self._uplink(center) for center in company.sides}
        facts = DaemonFacts(self.context, self.clock, trusted, uplinks, self.birth)
        files = next((found for found in company.kept.values() if found.whole()), None)
        setting = KitSetting(self.setting(company.brokers, files), config.telemetry, config.window, config.piece)
        seals = of_centers(self.context.gateway, self.context.fleet.pairings) if config.sealed else no_seal
        self.session = KitSession(facts, company.sides, setting, self.clock, seals)
        try:
            await self.session.run()
        finally:
            self.session = None

    def _applicants(self, company: _Company) -> list[Applicant]:
        if self.config.certificate is not None:
            return []
        seal_of = of_centers(self.context.gateway, self.context.fleet.pairings)
        return [
            Applicant(self.context.gateway, center, seal, company.kept[center.gateway])
            for center in company.paired
            if (seal := seal_of(center.gateway)) is not None
        ]


def _brokers(center: PairedCenter, files: ClientFiles) -> list[Broker]:
    """As the center told, else where it is itself."""
    return told_brokers(files) or [Broker("tls", host, PORT) for host in center.hosts]
