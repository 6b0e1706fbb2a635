"""The outbox and the inbox, put together from the core's parts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.base.moment import Moments
from gateway.config.root import Config
from gateway.core.inbox import Inbox
from gateway.core.outbox import Outbox

if TYPE_CHECKING:
    from gateway.core.core import Core


def make_outbox(core: Core, config: Callable[[], Config], state_dir: Path) -> Outbox:
    """Before whatever puts into it; the watch, by which people are told, comes later."""
    return Outbox(
        config().gateway.id,
        core.boot,
        core.store.outbox,
        core.bus,
        core.clock,
        Moments(core.clock, quality=lambda: core.kit.quality()),
        state_dir / "outbox",
        lambda: config().forward,
        say=lambda code, text: core.watch.notice(code, text),
        unsay=lambda code: core.watch.clear(code),
    )


def make_inbox(core: Core, config: Callable[[], Config], state_dir: Path) -> Inbox:
    return Inbox(
        core.store.inbox,
        core.alarms,
        core.positions,
        core.bus,
        core.clock,
        state_dir / "inbox",
        lambda: config().forward,
    )
