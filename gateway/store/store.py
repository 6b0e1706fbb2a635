"""All that is kept, opened together."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway.store.alarms import AlarmRepo
from gateway.store.audit import AuditRepo
from gateway.store.database import Database
from gateway.store.devices import DeviceRepo
from gateway.store.inbox import InboxRepo
from gateway.store.informants import InformantRepo
from gateway.store.kits import CounterRepo, KitRepo, LinkTrailRepo
from gateway.store.links import LinkUseRepo
from gateway.store.opening import backup
from gateway.store.orders import PresetRepo, ResultRepo
from gateway.store.outbox import OutboxRepo
from gateway.store.pairings import PairingRepo
from gateway.store.people import PeopleRepo
from gateway.store.positions import PositionRepo
from gateway.store.sources import SourceRepo
from gateway.store.spurts import SpurtRepo
from gateway.store.texts_in import TelemetryRepo, TextInRepo
from gateway.store.texts_out import TextOutRepo

FILE = "state.db"
ALIVE_S = 5.0


class Store:
    """Open from construction until `close`. Raises ConfigError when the folder can not be used."""

    def __init__(self, state_dir: Path, audit_key: bytes, *, queue_size: int = 4096) -> None:
        self.db = Database(state_dir / FILE, queue_size=queue_size)
        self.devices = DeviceRepo(self.db)
        self.people = PeopleRepo(self.db)
        self.alarms = AlarmRepo(self.db)
        self.positions = PositionRepo(self.db)
        self.audit = AuditRepo(self.db, audit_key)
        self.informants = InformantRepo(self.db)
        self.results = ResultRepo(self.db)
        self.presets = PresetRepo(self.db)
        self.sources = SourceRepo(self.db)
        self.spurts = SpurtRepo(self.db)
        self.outbox = OutboxRepo(self.db)
        self.inbox = InboxRepo(self.db)
        self.pairings = PairingRepo(self.db)
        self.kits = KitRepo(self.db)
        self.link_trails = LinkTrailRepo(self.db)
        self.link_use = LinkUseRepo(self.db)
        self.counters = CounterRepo(self.db)
        self.texts_out = TextOutRepo(self.db)
        self.texts_in = TextInRepo(self.db)
        self.telemetry = TelemetryRepo(self.db)

    async def alive(self) -> bool:
        """The writer's thread answers. A full disk is no death: it answers that as well."""
        try:
            async with asyncio.timeout(ALIVE_S):
                await self.db.write(lambda conn: conn.execute("SELECT 1").fetchone())
        except TimeoutError:
            return False
        except Exception:
            return self.db.failure in ("disk-full", "")
        return True

    async def backup(self) -> None:
        """A whole copy beside the database, for a start after the file broke."""
        await asyncio.to_thread(backup, self.db.path)

    def close(self) -> None:
        self.db.close()
