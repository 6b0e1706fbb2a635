"""Streams, what is pushed on of them, and sources as people see them, put together from the core's parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.config.root import Config
from gateway.core.on_demand import Patience
from gateway.core.pushes import Pushes
from gateway.core.source_test import SourceTester
from gateway.core.source_view import SourceView
from gateway.core.stream import Setting
from gateway.core.streams import Streams

if TYPE_CHECKING:
    from gateway.core.core import Core


def make_streams(core: Core, config: Callable[[], Config]) -> Streams:
    return Streams(
        config().gateway.id,
        core.plane,
        core.bus,
        core.audit,
        core.sessions,
        core.clock,
        lambda: setting(config()),
        lambda: config().streams.max_viewings,
        core.transcoder,
    )


def make_pushes(core: Core, config: Callable[[], Config]) -> Pushes:
    return Pushes(
        config().gateway.id,
        core.sources,
        core.streams,
        core.bus,
        core.clock,
        lambda: config().push,
        lambda: setting(config()).patience,
    )


def make_source_view(core: Core, config: Callable[[], Config]) -> SourceView:
    """After all that stands in it: the book, programs, points of publication, pushes."""
    gateway = config().gateway.id
    return SourceView(
        gateway,
        core.source_book,
        core.sources,
        core.streams,
        core.programs,
        core.push_points,
        core.pushes,
        core.sessions,
        SourceTester(gateway, core.sources, core.plane, core.clock, lambda: setting(config())),
        core.audit,
    )


def setting(config: Config) -> Setting:
    """What of the configuration a stream needs."""
    streams = config.streams
    patience = Patience(
        idle_close_s=streams.idle_close,
        patience_s=streams.patience,
        open_s=streams.open_patience,
        retry_first_s=streams.retry_first,
        retry_most_s=streams.retry_most,
    )
    return Setting(patience, streams.stall, config.media.gop_bytes)
