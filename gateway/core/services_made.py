"""What the API gets, put together from the core's parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.base.metrics import Metrics
from gateway.config.root import Config
from gateway.core.forward_view import ForwardView
from gateway.core.link_view import LinkView
from gateway.core.rights import Rights
from gateway.core.services import DaemonFace, Services
from gateway.core.talk_view import TalkView
from gateway.core.texts_view import TextsView

if TYPE_CHECKING:
    from gateway.core.core import Core


def make_services(
    core: Core, config: Callable[[], Config], version: str, metrics: Metrics, daemon: DaemonFace
) -> Services:
    return Services(
        gateway=config().gateway.id,
        version=version,
        config=config,
        directory=core.directory,
        streams=core.streams,
        figures=core.figures,
        snapshots=core.snapshots,
        bus=core.bus,
        commands=core.commands,
        accounts=core.accounts,
        audit=core.audit,
        alarms=core.alarms,
        positions=core.positions,
        informants=core.informants,
        ptz=core.presets,
        pictures=core.pictures,
        sources=core.source_view,
        discovery=core.discovery,
        sessions=core.sessions,
        talk=TalkView(core.talk, core.calls, core.store.spurts, core.plane, core.talk.far),
        rights=Rights(),
        metrics=metrics,
        daemon=daemon,
        now=core.clock.wall,
        by_bearer=core.programs.by_bearer,
        fleet=core.fleet,
        links=LinkView(config().gateway.id, core.links, core.link_trails),
        forward=ForwardView(config().gateway.id, core.outbox, core.inbox, core.audit, core.directory),
        pairing=core.pairing,
        kit=core.standing,
        texts=TextsView(config().gateway.id, core.texts, core.telemetry_in, core.audit),
        meshes=core.meshes,
    )
