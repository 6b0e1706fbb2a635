"""A talk group as it is shown: the model's GroupStatus of what stands now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.model.voice import Floor, GroupStatus, Member, MemberState, Priority

if TYPE_CHECKING:
    from gateway.core.talk_group import Group
    from gateway.core.talk_party import Place


def shown(group: Group) -> GroupStatus:
    floor, talk = group.floor, group.floor.talk
    holder = group.places.get(floor.holder)
    return GroupStatus(
        id=group.id,
        name=group.spec.name,
        mode=group.spec.rules.mode,
        floor=Floor(
            state=floor.state,
            holder=floor.holder,
            holder_name=holder.party.wish.name if holder is not None else "",
            priority=talk.priority if talk is not None else Priority.NORMAL,
            emergency=talk is not None and talk.emergency,
            since=group.wall(talk.since) if talk is not None else 0.0,
            until=group.wall(talk.until) if talk is not None and talk.until is not None else 0.0,
            queue=tuple(floor.queue),
            barging=tuple(floor.barging),
        ),
        members=(
            *(_member(group, place) for place in group.places.values()),
            *(member for id_, member in group.vacant.items() if id_ not in group.places),
        ),
        number=group.spec.number,
        adhoc=group.spec.adhoc,
        emergency=floor.emergency,
        since=group.since,
    )


def _member(group: Group, place: Place) -> Member:
    party, wish = place.party, place.party.wish
    monitored = any(other.monitors for other in group.places.values() if other is not place)
    return Member(
        id=wish.id,
        kind=wish.kind,
        name=wish.name,
        state=party.shown_state,
        code=party.code,
        detail=party.detail,
        may_talk=place.talks and not place.monitors,
        may_listen=place.listens,
        priority=wish.priority,
        emergency=wish.emergency,
        talking=group.sounds(place),
        since=place.since,
        codec=party.codec,
        muted=group.floor.is_muted(wish.id),
        monitored=monitored and party.shown_state is MemberState.UP,
        principal=wish.principal.name if wish.principal is not None else "",
    )
