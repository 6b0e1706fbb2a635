"""The kit itself, as adapters and the API have it. Fulfils `contract.kit.KitStanding`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from gateway.base.moment import TimeQuality
from gateway.core.field_state import Field
from gateway.core.kit_disk import read_space
from gateway.core.kit_state import KitState, Machine
from gateway.model.kit_state import FieldState, Fix, KitCondition

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.config.root import Config
    from gateway.core.core import Core


class Standing:
    def __init__(self, kit: KitState, team: Field) -> None:
        self._kit = kit
        self._team = team

    def fix(self, source: str, kind: str, fix: Fix) -> str:
        return self._kit.fix(source, kind, fix)

    def no_fix(self, source: str, kind: str, code: str) -> None:
        self._kit.no_fix(source, kind, code)

    def no_source(self, source: str) -> None:
        self._kit.no_source(source)

    def time(self, source: str, quality: TimeQuality, unix_s: float) -> None:
        self._kit.time(source, quality, unix_s)

    def quality(self) -> TimeQuality:
        return self._kit.quality()

    def held(self, way: str, yes: bool) -> None:
        self._team.messages(way, yes)

    @property
    def condition(self) -> KitCondition:
        return self._kit.condition

    @property
    def field(self) -> FieldState:
        return self._team.state

    def outward(self) -> Collection[str]:
        return self._team.outward()

    def on_field(self, called: Callable[[FieldState], None]) -> Callable[[], None]:
        return self._team.listen(called)


def make_kit(core: Core, config: Callable[[], Config], state_dir: Path) -> KitState:
    """After the outbox and the positions. No right clock shows less than the pair of clocks that was kept last; an
    earlier one may be of a clock that was ahead, and was found out since."""
    kept = list(core.outbox.marks.values())
    return KitState(
        config().gateway.id,
        core.bus,
        core.clock,
        lambda: config().kit,
        core.positions.report,
        last_record=kept[-1].wall if kept else 0.0,
        read=Machine(state_dir),
        since_boot=lambda: core.outbox.moments.now().mono,
        first=read_space(state_dir),
    )
