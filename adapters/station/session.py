"""One station: asked or listened to until cancelled, its link told how it stands."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from adapters.station.config import StationConfig, Variable
from adapters.station.protocol import HELLO, KEEP_ALIVE_S, OpenAmip, StationFacts, judged, plausible
from gateway.base.errors import GatewayError, LinkDown, Unsupported
from gateway.contract.adapter import Context
from gateway.contract.link import LinkSeat
from gateway.model.kit_state import Fix
from gateway.model.link import BearerFacts, BearerKind, LinkPhase
from gateway.net.snmp import SnmpClient, agent_of, client_of
from gateway.wire.snmp import Bound, Oid

log = logging.getLogger(__name__)

AGAIN_FIRST_S, AGAIN_MOST_S = 1.0, 60.0


class Station:
    def __init__(self, name: str, config: StationConfig, context: Context) -> None:
        self.name, self.config, self.context = name, config, context
        self.facts = StationFacts()
        self.told: BearerFacts | None = None
        """How it stands, as the links were told last."""
        self._code = ""
        self._heard = False
        self._fell_silent = False
        """It let its last connection stand and said nothing more: that it greets is no proof that it is well."""

    async def run(self) -> None:
        again_s = AGAIN_FIRST_S
        with self.context.links.offer(self.name, BearerKind.SATELLITE) as seat:
            while True:
                self._heard = False
                try:
                    await (self._listen(seat) if self.config.openamip else self._ask(seat))
                except GatewayError as exc:
                    self._silent(seat, exc)
                again_s = AGAIN_FIRST_S if self._heard else min(again_s * 2, AGAIN_MOST_S)
                await asyncio.sleep(again_s)

    # — SNMP —

    async def _ask(self, seat: LinkSeat) -> None:
        agent = self.config.agent
        assert agent is not None  # noqa: S101  (the configuration has one or the other)
        client: SnmpClient = client_of(agent_of(agent))
        oids = {name: oid_of(one) for name, one in self.config.variables.items()}
        try:
            while True:
                answer = await client.get(list(oids.values()))
                if not any(oid in answer for oid in oids.values()):
                    raise Unsupported(f"{agent.host} has none of the variables", code="station-unknown")
                self._tell(seat, read(self.config.variables, oids, answer))
                await asyncio.sleep(self.config.look_every)
        finally:
            client.close()

    # — OpenAMIP —

    async def _listen(self, seat: LinkSeat) -> None:
        host, _, port = self.config.openamip.rpartition(":")
        try:
            async with asyncio.timeout(self.config.silent):
                reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        except (OSError, TimeoutError) as exc:
            raise LinkDown(f"{self.config.openamip} does not answer: {exc}", code="station-silent") from exc
        unit, loop = OpenAmip(), asyncio.get_running_loop()
        began = heard_at = loop.time()
        proved_s = min(KEEP_ALIVE_S, self.config.silent) / 2 if self._fell_silent else 0.0
        alive = asyncio.create_task(_keep_alive(writer), name=f"{self.name} alive")
        try:
            while True:
                # What can not be read says nothing of how it stands, however much of it comes.
                async with asyncio.timeout_at(heard_at + self.config.silent):
                    data = await reader.read(4096)
                if not data:
                    raise LinkDown(f"{self.config.openamip} closed the line", code="station-silent")
                if unit.receive(data):
                    heard_at = loop.time()
                    if heard_at - began >= proved_s:
                        self._fell_silent = False
                        self._tell(seat, unit.facts)
                elif loop.time() >= heard_at + self.config.silent:
                    raise TimeoutError
        except TimeoutError:
            self._fell_silent = True
            raise LinkDown(f"{self.config.openamip} says nothing", code="station-silent") from None
        except OSError as exc:
            raise LinkDown(f"{self.config.openamip}: {exc}", code="station-silent") from exc
        finally:
            alive.cancel()
            writer.close()
            self.context.kit.no_source(self.name)

    # — both —

    def _tell(self, seat: LinkSeat, facts: StationFacts) -> None:
        self._heard = True
        self.facts = facts
        told = judged(facts, self.config.interface, self.config.weak)
        if told.code != self._code:
            log.info("%s: %s %s", self.name, told.code or "well", told.detail)
            self._code = told.code
        self.told = told
        seat.tell(told)
        if facts.place is not None:
            self.context.kit.fix(self.name, "station", Fix(*facts.place))

    def _silent(self, seat: LinkSeat, exc: GatewayError) -> None:
        """Its control address says nothing: that is no word on whether data pass, which the link sees."""
        if exc.code != self._code:
            log.info("%s: %s (%s)", self.name, exc, exc.code)
            self._code = exc.code
        self.facts = StationFacts()  # what it said before is not how it stands
        code = "station-silent" if exc.code in ("snmp-silent", "link-down") else exc.code
        phase = LinkPhase.UP if self.config.interface else LinkPhase.ABSENT
        self.told = BearerFacts(phase, self.config.interface, code, str(exc)[:200], metered=True)
        seat.tell(self.told)


async def _keep_alive(writer: asyncio.StreamWriter) -> None:
    writer.write(HELLO)
    while True:
        await asyncio.sleep(KEEP_ALIVE_S)
        writer.write(f"A {KEEP_ALIVE_S}\r\n".encode())


def oid_of(variable: Variable) -> Oid:
    return tuple(int(arc) for arc in variable.oid.split("."))


def read(variables: Mapping[str, Variable], oids: Mapping[str, Oid], answer: Mapping[Oid, Bound]) -> StationFacts:
    """What the agent said; what is missing stays unknown, what is of the wrong kind is a lie."""
    numbers: dict[str, float] = {}
    beam, lies = "", list[str]()
    for name, oid in oids.items():
        bound = answer.get(oid)
        if bound is None:
            continue
        value = bound.value
        if name == "beam" and isinstance(value, bytes):
            beam = value[:40].decode("utf-8", "replace").strip()
            continue
        if isinstance(value, bytes) and len(value) <= 16:
            try:
                value = float(value.decode("ascii"))  # some agents tell numbers as text
            except ValueError:
                lies.append(name)
                continue
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            numbers[name] = float(value)
        else:
            lies.append(name)
    beam = beam or (f"{numbers['beam']:.0f}" if "beam" in numbers else "")

    def flag(name: str) -> bool | None:
        return None if name not in numbers else numbers[name] in variables[name].true

    def figure(name: str) -> float | None:
        return None if name not in numbers else round(numbers[name] * variables[name].scale, 6)

    return plausible(
        StationFacts(
            lock=flag("lock"),
            esn0_db=figure("esn0"),
            azimuth_deg=figure("azimuth"),
            elevation_deg=figure("elevation"),
            muted=flag("muted"),
            pointing=flag("pointing"),
            beam=beam,
            lies=tuple(lies),
        )
    )
