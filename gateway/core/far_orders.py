"""Orders about what belongs to a kit: handed on to it, which decides.

Who holds a camera, who has the floor, how long a move lasts: all of that is the home kit's, also while it is cut off.
The center asks its own rights first (`core.commands`), and the kit asks once more what the center may there. What only
holds something open here (a stream) or is kept here too (an alarm) is no order to the kit.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.base.errors import LinkDown, NotFound
from gateway.core.far_kit import FarKit
from gateway.core.rights import require
from gateway.model.command import Action, Command, CommandResult, Outcome
from gateway.model.ids import parse_ref
from gateway.model.reason import far_code

if TYPE_CHECKING:
    from gateway.core.fleet import Fleet

log = logging.getLogger(__name__)

FORWARDED = frozenset(
    {
        Action.PTZ_MOVE,
        Action.PTZ_STOP,
        Action.PTZ_LENS,
        Action.PTZ_PRESET,
        Action.PTZ_GO,
        Action.PTZ_CRUISE,
        Action.PICTURE_SET,
        Action.DEVICE_FORGET,
        Action.DEVICE_RENAME,
        Action.DEVICE_REFRESH,
        Action.TALK_REQUEST,
        Action.TALK_RELEASE,
        Action.TALK_BARGE,
        Action.TALK_REVOKE,
        Action.TALK_MUTE,
        Action.TALK_REMOVE,
        Action.TALK_INVITE,
        Action.TALK_MONITOR,
        Action.TALK_ALL,
        Action.TALK_EMERGENCY,
    }
)
MOVES = frozenset({Action.PTZ_MOVE, Action.PTZ_STOP, Action.PTZ_LENS})
KEYS = frozenset({Action.TALK_REQUEST, Action.TALK_RELEASE})


def heard(result: CommandResult) -> CommandResult:
    """A kit's word about an order, as far as it may go: who is signed in here is not among it."""
    code = far_code(result.code) if result.code else ""
    detail = result.detail if code == result.code else f"{result.code}: {result.detail}"
    return replace(result, code=code, detail=detail[:500])


class FarOrders:
    """On the event loop."""

    def __init__(self, fleet: Fleet, group: Callable[[str], str]) -> None:
        """`group`: the full id of a talk group by any of its names (raises NotFound)."""
        self._fleet = fleet
        self._group = group

    def home_of(self, command: Command) -> tuple[FarKit, str] | None:
        """The kit that decides, and the target's full id; None: we do."""
        if command.action not in FORWARDED or not self._fleet.gateways:
            return None
        target = command.target
        if command.action.startswith("talk."):
            try:
                target = self._group(target)
            except NotFound:
                return None
        else:
            try:
                target = str(parse_ref(target, home=self._fleet.gateway, kits=self._fleet.gateways))
            except NotFound:
                return None
        kit = self._fleet.known(target.partition("/")[0])
        return (kit, target) if kit is not None else None

    async def carry_out(self, kit: FarKit, target: str, command: Command, left_s: float) -> tuple[CommandResult, bool]:
        """The kit's answer, and whether it is worth a row in our record. Raises Denied, LinkDown."""
        require(command.actor, command.action, target)
        way = kit.way()
        if way is None:
            raise LinkDown(f"{kit.gateway} is not here", code=kit.code or "kit-offline")
        holder = kit.holders.get(target)
        mine = holder is not None and holder.name == f"{command.actor.name}@{self._fleet.gateway}"
        result = heard(await way.command(replace(command, target=target), left_s))
        passing = command.action in KEYS or (command.action in MOVES and mine)
        return result, not passing or result.outcome is not Outcome.DONE
