"""The adapter: a bearer, a carrier of short messages and a receiver for each modem of the configuration."""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel

from adapters.modem.at_modem import AtModem
from adapters.modem.bearer import Bearer, Wishes
from adapters.modem.call_check import budget_finding, sound_finding
from adapters.modem.carrier import TextCarrier
from adapters.modem.config import ModemConfig, OneModem
from adapters.modem.face import CellularModem
from adapters.modem.phone import Phone, dialled
from adapters.modem.pin import PinKeeper
from adapters.modem.power import MARK, restore
from gateway.base.errors import GatewayError, Unsupported
from gateway.base.log import Secret
from gateway.base.moment import TimeQuality
from gateway.base.serial import find_port, holder_of
from gateway.contract.adapter import Context
from gateway.model.doctor import Finding, Grade, of_bearer
from gateway.model.kit_state import Fix
from gateway.model.link import BearerFacts, BearerKind, LinkPhase
from gateway.model.principal import Principal
from gateway.model.texts import CarrierKind

if TYPE_CHECKING:
    from adapters.modem.manager import Manager

log = logging.getLogger(__name__)

FIX_S = 10.0
ASK_TIME_S, TOLD_S = 30.0, 600.0
"""Between questions for the network's time: until it has told one, and after."""


LOOK_S = 30.0
"""With `backend = "auto"`: so long ModemManager has to show the modem."""


async def make(
    name: str,
    config: OneModem,
    manager: Manager | None,
    absent: Callable[[], None] = lambda: None,
    marks: Path | None = None,
) -> CellularModem:
    """Whoever drives it. With "auto" that is known when it is plugged in: until then `absent` is called."""
    if config.backend == "at" or manager is None:
        return AtModem(name, config, marks=marks)
    from adapters.modem.manager_modem import ManagerModem

    driven = ManagerModem(manager, config.port, gnss=config.gnss, power=config.power, marks=marks)
    if config.backend == "auto" and (config.port.startswith("tcp://") or not await driven.shown(LOOK_S, absent)):
        log.info("%s: driven by our own AT engine, as ModemManager does not show it", name)
        return AtModem(name, config, marks=marks)
    log.info("%s: driven by ModemManager", name)
    return driven


class Modem:
    name: ClassVar[str] = "modem"
    Config: ClassVar[type[BaseModel]] = ModemConfig

    def __init__(self, config: BaseModel, context: Context) -> None:
        assert isinstance(config, ModemConfig)  # noqa: S101
        self._config = config
        self._context = context
        self._bearers: dict[str, Bearer] = {}
        self._phones: dict[str, Phone] = {}
        self._dropped = 0
        self._manager: Manager | None = None

    async def run(self) -> None:
        if any(self._context.state_dir.glob(f"*{MARK}")):
            await asyncio.to_thread(restore, self._context.state_dir)
        self._context.ready()
        if any(one.backend != "at" for one in self._config.modems.values()):
            # Loads dbus-fast, which the start of the daemon does not wait for.
            await self._context.started()
            module = await asyncio.to_thread(importlib.import_module, "adapters.modem.manager")
            await asyncio.to_thread(importlib.import_module, "adapters.modem.manager_modem")
            self._manager = module.Manager()
        with ExitStack() as stack:
            if any(one.calls.audio for one in self._config.modems.values()):
                stack.callback(self._context.calls.dialer("tel", self._dial))
            await self._all()

    async def _dial(self, who: Principal, number: str, where: str | None, video: bool) -> str:
        return dialled(list(self._phones.values()), who, number, where)

    async def _all(self) -> None:
        async with asyncio.TaskGroup() as group:
            if self._manager is not None:
                group.create_task(self._manager.run(), name="ModemManager")
            for name, one in self._config.modems.items():
                group.create_task(self._one(name, one), name=f"modem {name}")
            if not self._config.modems:
                await asyncio.Event().wait()

    async def _one(self, name: str, config: OneModem) -> None:
        bearers: list[Bearer] = []
        kind = BearerKind.NR if config.nr else BearerKind.LTE
        with ExitStack() as stack:
            seat = stack.enter_context(
                self._context.links.offer(name, kind, recover=lambda code: bearers[0].recover(code))
            )
            seat.tell(BearerFacts(LinkPhase.ABSENT, code="modem-starting"))
            gone = BearerFacts(LinkPhase.ABSENT, code="modem-absent", detail=config.port)
            modem = await make(name, config, self._manager, lambda: seat.tell(gone), self._context.state_dir)
            carrier = TextCarrier(name, modem)
            if config.texts:
                offered = self._context.texts.carrier(
                    name, CarrierKind.SMS, carrier.send, cost=config.texts_cost, number=config.number
                )
                carrier.sit(stack.enter_context(offered))
            pin = PinKeeper(name, Secret(config.pin.get_secret_value()), self._context.state_dir)
            bearer = Bearer(name, modem, seat, wishes_of(config), pin, carrier.on_ready)
            bearer.on_text, bearer.sending = carrier.on_text, carrier.sending
            bearers.append(bearer)
            self._bearers[name] = bearer
            phone = Phone(name, modem, config, self._context, lambda: bearer.registered) if config.calls.audio else None
            if phone is not None:
                bearer.on_call, bearer.leave = phone.on_call, phone.leave
                self._phones[name] = phone
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(bearer.run())
                    group.create_task(carrier.run())
                    group.create_task(self._clock(name, modem, bearer))
                    if phone is not None:
                        group.create_task(phone.run())
                    if config.gnss:
                        group.create_task(self._receive(name, modem, bearer))
            finally:
                self._bearers.pop(name, None)
                if self._phones.pop(name, None) is not None and phone is not None:
                    self._dropped += phone.dropped

    async def _clock(self, name: str, modem: CellularModem, bearer: Bearer) -> None:
        """What time the network tells, for the kit's clock: soon, then now and then."""
        while True:
            told = None
            if bearer.registered:
                try:
                    told = await modem.network_time()
                except GatewayError as exc:
                    log.debug("%s: no time of the network: %s", name, exc)
            if told is not None:
                self._context.kit.time(name, TimeQuality.NITZ, told)
            await asyncio.sleep(TOLD_S if told is not None else ASK_TIME_S)

    async def _receive(self, name: str, modem: CellularModem, bearer: Bearer) -> None:
        kit = self._context.kit
        said = False
        try:
            while True:
                await asyncio.sleep(FIX_S)
                if bearer.facts.phase in (LinkPhase.ABSENT, LinkPhase.RECOVERING):
                    continue
                try:
                    found = await modem.fix()
                except GatewayError as exc:
                    never = isinstance(exc, Unsupported) and not said
                    log.log(logging.WARNING if never else logging.DEBUG, "%s: no fix: %s", name, exc)
                    said |= never
                    kit.no_fix(name, "modem", "gnss-silent")
                    continue
                if found is None:
                    kit.no_fix(name, "modem", "gnss-no-fix")
                    continue
                kit.fix(
                    name,
                    "modem",
                    Fix(
                        found.longitude,
                        found.latitude,
                        taken_at=found.taken_at,
                        accuracy_m=found.accuracy_m,
                        altitude_m=found.altitude_m,
                        speed_kmh=found.speed_kmh,
                        direction_deg=found.direction_deg,
                        satellites=found.satellites,
                    ),
                )
        finally:
            kit.no_source(name)

    def figures(self) -> Mapping[str, float]:
        up = sum(bearer.facts.phase is LinkPhase.UP for bearer in self._bearers.values())
        steps = sum(one.count for bearer in self._bearers.values() for one in bearer.ladder.recoveries())
        phones = self._phones.values()
        return {
            "modems": len(self._bearers),
            "modems_up": up,
            "recovery_steps_total": steps,
            "calls": sum(phone.call is not None for phone in phones),
            "call_records_dropped_total": self._dropped + sum(phone.dropped for phone in phones),
        }

    def findings(self) -> Sequence[Finding]:
        bearers = self._bearers.items()
        found = [of_bearer(f"modem.{name}", bearer.facts, starting="modem-starting") for name, bearer in bearers]
        return found + [one for name, phone in self._phones.items() if (one := budget_finding(name, phone.budget))]

    @classmethod
    async def checks(cls, config: BaseModel) -> Sequence[Finding]:
        """Are the ports there, and free? Does ModemManager run where it should, and keep off where it should not?"""
        assert isinstance(config, ModemConfig)  # noqa: S101
        if not config.modems:
            return [Finding("modem.modems", Grade.OFF, "no modem is configured")]
        loop = asyncio.get_running_loop()
        found = [await loop.run_in_executor(None, _check, name, one) for name, one in config.modems.items()]
        for name, one in config.modems.items():
            if one.calls.audio:
                found.append(await loop.run_in_executor(None, sound_finding, name, one))
        try:
            module = await asyncio.to_thread(importlib.import_module, "adapters.modem.manager_check")
        except ImportError as exc:
            worst = Grade.OK if all(one.backend == "at" for one in config.modems.values()) else Grade.FAIL
            return [*found, Finding("modem.manager", worst, str(exc), "", "" if worst is Grade.OK else "not-installed")]
        return [*found, *await module.checks(config.modems)]


def _check(name: str, one: OneModem) -> Finding:
    check, port = f"modem.{name}.port", one.port
    if port.startswith("tcp://"):
        return Finding(check, Grade.OK, "reached when it runs", port)
    try:
        path = find_port(port)
    except GatewayError as exc:
        return Finding(check, Grade.FAIL, str(exc), port, exc.code)
    if holder := holder_of(path):
        if holder.startswith("fieldgate") or (holder.startswith("ModemManager ") and one.backend != "at"):
            return Finding(check, Grade.OK, f"in use by {holder}", port)
        return Finding(check, Grade.FAIL, f"in use by {holder}", port, "serial-held")
    return Finding(check, Grade.OK, str(path), port)


def wishes_of(config: OneModem) -> Wishes:
    return Wishes(
        apn=config.apn,
        user=config.user,
        password=Secret(config.password.get_secret_value()),
        roaming=config.roaming,
        poll_s=config.poll,
        patience_s=config.patience,
        cost=config.cost,
    )
