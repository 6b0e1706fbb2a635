"""Something that can be talked to, as an adapter offered it: opened while a group needs it, tried again while it fails.

The rules are those of streams (`core.on_demand`): one attempt at a time, waits that double, let go `idle_close_s` after
the last word. Its party is a member of its groups all the time; its voice comes and goes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from gateway.base.errors import GatewayError
from gateway.contract.voice import SeatWish, VoiceOffer
from gateway.core.mediaplane import MediaPlane
from gateway.core.on_demand import OnDemand, Patience
from gateway.core.talk_party import Party
from gateway.model.ids import DeviceId
from gateway.model.media import StreamState
from gateway.model.voice import GroupId, MemberState, VoiceId

log = logging.getLogger(__name__)

_STATES = {
    StreamState.IDLE: MemberState.IDLE,
    StreamState.OPENING: MemberState.CONNECTING,
    StreamState.LIVE: MemberState.UP,
    StreamState.STALLED: MemberState.WAITING,
    StreamState.WAITING: MemberState.WAITING,
    StreamState.OFFLINE: MemberState.OFFLINE,
    StreamState.REMOVED: MemberState.OFFLINE,
}
_CODES = {"idle": "", "no-media": "endpoint-timeout"}
"""What a stream's word means for a voice."""


class Endpoint:
    """On the event loop. `offline`: why its device is not there; None while it is."""

    def __init__(
        self,
        offer: VoiceOffer,
        plane: MediaPlane,
        *,
        offline: str | None = None,
        patience: Patience | None = None,
        changed: Callable[[], None],
    ) -> None:
        self.offer = offer
        self.party = Party(plane, _wish(offer), person=False, device=offer.device, state=MemberState.IDLE)
        self.party.watchers.append(self._party_changed)
        self.invited: set[GroupId] = set()
        """Groups that somebody brought it into."""
        self._changed = changed
        self._online = offline is None
        self._loop = asyncio.get_running_loop()
        self._rules = OnDemand(patience or _patience(offer), on_demand=offer.on_demand, offline=offline)
        self._wanted_by: set[GroupId] = set()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def id(self) -> VoiceId:
        return self.offer.id

    @property
    def device(self) -> DeviceId:
        return self.offer.device

    @property
    def state(self) -> MemberState:
        return self.party.shown_state

    @property
    def online(self) -> bool:
        return self._online

    def start(self) -> None:
        self._rules.start(self._now)
        self._carry_out()

    def want(self, group: GroupId, wanted: bool) -> None:
        """A group is in use, or rests. The first one opens it, the last one lets it go after its idle time."""
        if wanted == (group in self._wanted_by):
            return
        if wanted:
            self._wanted_by.add(group)
            if len(self._wanted_by) == 1:
                self._rules.joined(self._now)
        else:
            self._wanted_by.discard(group)
            if not self._wanted_by:
                self._rules.left(self._now)
        self._carry_out()

    def is_open(self) -> None:
        """The attempt under way has come to something."""
        if self._rules.state is StreamState.OPENING:
            self._rules.frames(self._now)
            self._carry_out()

    def warm(self) -> None:
        """Somebody wants it soon: open it now, let it go after its idle time."""
        self._rules.joined(self._now)
        self._rules.left(self._now)
        self._carry_out()

    def reachable(self, online: bool, code: str) -> None:
        """Its device came or went."""
        self._online = online
        self._rules.device(online, self._now, code)
        self._carry_out()

    def replace(self, offer: VoiceOffer) -> None:
        self.offer = offer
        self.party.wish = _wish(offer)
        self._rules.patience = _patience(offer)
        self._rules.replaced(self._now, on_demand=offer.on_demand)
        self._carry_out()

    async def remove(self) -> None:
        """Out of its groups; returns when the `finally` of its attempt is through."""
        self._rules.remove()
        self._carry_out()
        self.party.end("withdrawn")
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
            await asyncio.sleep(0)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # — within —

    @property
    def _now(self) -> float:
        return self._loop.time()

    def _carry_out(self) -> None:
        orders = self._rules.poll()
        if orders.cancel and self._task is not None:
            self._task.cancel()
        if orders.run:
            self._task = asyncio.create_task(self._open(), name=f"talk {self.id}")
            self._task.add_done_callback(self._ended)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if (at := self._rules.next_timer()) is not None:
            self._timer = self._loop.call_at(at, self._timed)
        if orders.changed:
            self._show()

    def _show(self) -> None:
        self.party.state = _STATES[self._rules.state]
        if self.party.handle is None:
            self.party.say(_CODES.get(self._rules.code, self._rules.code), self._rules.detail)
        self._changed()

    def _timed(self) -> None:
        self._timer = None
        # A timer may run up to its resolution early.
        self._rules.handle_timer(max(self._now, self._rules.next_timer() or 0.0))
        self._carry_out()

    async def _open(self) -> None:
        try:
            await self.offer.open(self.party)
        finally:
            # A key that its owner held is let go with it, and so are its owner's ears.
            self.party.release()
            self.party.voice(None)
            self.party.calm()

    def _ended(self, task: asyncio.Task[None]) -> None:
        code, detail = "source-ended", ""
        if not task.cancelled() and (exc := task.exception()) is not None:
            if isinstance(exc, GatewayError):
                code, detail = exc.code, str(exc)
            else:
                log.error("%s: opening it failed by a mistake of ours", self.id, exc_info=exc)
                code, detail = "internal", f"{type(exc).__name__}: {exc}"
        if self._task is task:
            self._task = None
        before = self._rules.state
        self._rules.ended(self._now, code, detail)
        if self._rules.state is StreamState.WAITING and before is not StreamState.WAITING:
            log.info("%s: %s%s", self.id, code, f" ({detail})" if detail else "")
        self._carry_out()

    def _party_changed(self) -> None:
        if self.party.handle is not None:
            self.is_open()


def _wish(offer: VoiceOffer) -> SeatWish:
    return SeatWish(
        id=offer.id,
        kind=offer.kind,
        name=offer.title,
        keyed_by=offer.keyed_by,
        may_talk=offer.talks,
        may_listen=offer.listens,
    )


def _patience(offer: VoiceOffer) -> Patience:
    return Patience(idle_close_s=offer.idle_close_s)
