"""Old rows go, a whole copy of the database is kept: an hour at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.core.commands import KEEP_RESULTS_S

if TYPE_CHECKING:
    from gateway.config.root import Config
    from gateway.core.core import Core

log = logging.getLogger(__name__)

EVERY_S = 3600.0
FIRST_S = 60.0


async def keep_house(core: Core, config: Callable[[], Config]) -> None:
    """Until cancelled."""
    await asyncio.sleep(FIRST_S)
    while True:
        now, kept, store = core.clock.wall(), config().store, core.store
        store.positions.prune(now - kept.trail_keep)
        store.alarms.prune(now - kept.alarms_keep, now - 2 * kept.alarms_keep)
        store.spurts.prune(now - kept.spurts_keep)
        store.results.prune(now - KEEP_RESULTS_S)
        core.link_trails.prune()
        core.texts.prune(now)
        try:
            await core.informants.prune(now)
            await core.inbox.prune(now)
            await store.backup()
        except Exception as exc:
            log.warning("old reports were not removed, or the database not copied: %s", exc)
        await asyncio.sleep(EVERY_S)
