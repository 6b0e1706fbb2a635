"""Every order passes here: rights, deadline, once only, carried out, audited.

The same id a second time gets the first result and does nothing; while the first is under way the second waits for
it. An id belongs to whoever used it first: somebody else's is refused. Renewals of a move are so many that only the
taking of a camera is audited, and their results are kept in memory only.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from gateway.base.clock import Clock
from gateway.base.errors import Busy, Denied, GatewayError, NotFound, Unsupported
from gateway.base.url import shown_url
from gateway.core.act_args import Done
from gateway.core.acts import Acts
from gateway.core.audit import Audit
from gateway.core.far_orders import FarOrders
from gateway.core.messages import Bus
from gateway.core.rights import require
from gateway.model.command import Action, ArgValue, Command, CommandResult, Outcome
from gateway.store.orders import ResultRepo

log = logging.getLogger(__name__)

REMEMBERED = 4096
MAX_ID = 64
MAX_AHEAD_S = 3600.0
KEEP_RESULTS_S = 7 * 86400.0

_PASSING = {
    Action.PTZ_MOVE,
    Action.PTZ_STOP,
    Action.PTZ_LENS,
    Action.KEY_FRAME,
    Action.STREAM_OPEN,
    Action.STREAM_CLOSE,
    Action.TALK_REQUEST,
    Action.TALK_RELEASE,
}
"""Worth nothing after a restart: not kept on the disk."""


@dataclass(slots=True)
class _Once:
    actor: str
    result: asyncio.Future[CommandResult]


class Commands:
    def __init__(self, acts: Acts, results: ResultRepo, audit: Audit, bus: Bus, clock: Clock) -> None:
        self._acts: Mapping[Action, Callable[[Command], Awaitable[Done]]] = acts.table()
        self._results = results
        self._audit = audit
        self._bus = bus
        self._clock = clock
        self._seen: OrderedDict[str, _Once] = OrderedDict()
        self.far: FarOrders | None = None
        """Who hands on what belongs to a kit; None: there are none."""

    async def execute(self, command: Command) -> CommandResult:
        """Never raises GatewayError: the result says refused (not begun) or failed, with code and detail."""
        actor = f"{command.actor.name}/{command.actor.role}"
        if (seen := self._seen.get(command.id)) is not None:
            if seen.actor != actor:
                return CommandResult(command.id, Outcome.REFUSED, "denied", "this id was used by somebody else")
            return await asyncio.shield(seen.result)
        if (early := self._check(command)) is not None:
            return early
        once = _Once(actor, asyncio.get_running_loop().create_future())
        self._seen[command.id] = once
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        result = CommandResult(command.id, Outcome.FAILED, "internal", "the order was cut short")
        try:
            result = await self._kept(command, actor) or await self._once(command, actor)
        finally:
            # Whoever sent the same order again must not wait for ever, also when this one was cancelled.
            once.result.set_result(result)
        return result

    def _check(self, command: Command) -> CommandResult | None:
        """What can be said without a look at the record."""
        if not 1 <= len(command.id) <= MAX_ID or not command.id.isprintable():
            return CommandResult(command.id[:MAX_ID], Outcome.REFUSED, "bad-request", "id: 1 to 64 characters")
        if command.deadline > self._clock.wall() + MAX_AHEAD_S:
            return CommandResult(command.id, Outcome.REFUSED, "bad-request", "deadline: at most an hour ahead")
        return None

    async def _kept(self, command: Command, actor: str) -> CommandResult | None:
        """The result from before a restart."""
        if command.action in _PASSING:
            return None
        try:
            found = await self._results.get(command.id)
        except GatewayError as exc:
            log.warning("results of earlier orders can not be read: %s", exc)
            return None
        if found is None:
            return None
        result, by = found
        if by != actor:
            return CommandResult(command.id, Outcome.REFUSED, "denied", "this id was used by somebody else")
        return result

    async def _once(self, command: Command, actor: str) -> CommandResult:
        result, audited = await self._carry_out(command)
        done = result.outcome is Outcome.DONE
        detail = result.detail or _shown(command.args)
        if audited:
            tell = self._audit.record if done and command.action not in _PASSING else self._audit.noted
            try:
                await tell(
                    command.actor,
                    str(command.action),
                    command.target,
                    outcome=result.outcome.value,
                    code=result.code,
                    detail=detail,
                )
            except GatewayError as exc:
                # The act is done; its row is held and written when there is room again.
                log.warning("the audit record waits: %s", exc)
        if command.action not in _PASSING and done:
            try:
                await self._results.put(result, actor, self._clock.wall())
            except GatewayError as exc:
                log.warning("the result of order %s is kept in memory only: %s", command.id, exc)
            self._bus.publish("command", command.target, result)
        return result

    async def _carry_out(self, command: Command) -> tuple[CommandResult, bool]:
        left = command.deadline - self._clock.wall()
        if left <= 0:
            text = f"the deadline passed {-left:.1f} s ago"
            return CommandResult(command.id, Outcome.REFUSED, "expired", text), True
        try:
            if not _own_password(command):
                # The role here; the scope in the act, which completes a target given by a short form.
                require(command.actor, command.action)
            async with asyncio.timeout(left):
                if self.far is not None and (home := self.far.home_of(command)) is not None:
                    return await self.far.carry_out(*home, command, left)
                done = await self._acts[command.action](command)
        except (Denied, Busy, NotFound, Unsupported) as exc:
            return CommandResult(command.id, Outcome.REFUSED, exc.code, str(exc)), True
        except TimeoutError:
            return CommandResult(command.id, Outcome.FAILED, "expired", "not answered before the deadline"), True
        except GatewayError as exc:
            return CommandResult(command.id, Outcome.FAILED, exc.code, str(exc)), True
        except Exception as exc:
            log.exception("order %s (%s) failed by a mistake of ours", command.id, command.action)
            return CommandResult(command.id, Outcome.FAILED, "internal", type(exc).__name__), True
        return CommandResult(command.id, Outcome.DONE, "", "", done.data), done.audited


def _own_password(command: Command) -> bool:
    """Everybody may change their own password; core.accounts looks closer."""
    args = {name for name, value in command.args.items() if value is not None}
    own = command.args.get("name") == command.actor.name or command.target == command.actor.name
    return command.action is Action.ACCOUNT_CHANGE and own and args <= {"name", "password"}


def _shown(args: Mapping[str, ArgValue]) -> str:
    """Arguments for the record, without what is secret."""
    return " ".join(
        f"{name}={'…' if 'password' in name else shown_url(str(value)) if name.endswith('url') else value}"
        for name, value in args.items()
        if value is not None
    )
