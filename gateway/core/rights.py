"""Who may do what: role × action, in this one table, and the scope that limits what may be named.

The auditor reads the audit record and nothing else of power; the administrator does not read it. Local tools speak
as an administrator: whoever owns the machine's files can read the record's rows anyway, but not change them unseen.
"""

from __future__ import annotations

from typing import Final

from gateway.base.errors import Denied
from gateway.model.command import Action
from gateway.model.principal import Principal, Role

_ORDER: Final = {Role.VIEWER: 1, Role.OPERATOR: 2, Role.TECHNICIAN: 3, Role.ADMINISTRATOR: 4}

# The least role of the ladder viewer < operator < technician < administrator. The auditor stands beside it.
LEAST: Final[dict[Action, Role]] = {
    Action.STREAM_OPEN: Role.VIEWER,
    Action.STREAM_CLOSE: Role.VIEWER,
    Action.KEY_FRAME: Role.VIEWER,
    Action.PTZ_MOVE: Role.OPERATOR,
    Action.PTZ_STOP: Role.OPERATOR,
    Action.PTZ_LENS: Role.OPERATOR,
    Action.PTZ_PRESET: Role.OPERATOR,
    Action.PTZ_GO: Role.OPERATOR,
    Action.PTZ_CRUISE: Role.OPERATOR,
    Action.PICTURE_SET: Role.OPERATOR,
    Action.ALARM_ACKNOWLEDGE: Role.OPERATOR,
    Action.TALK_REQUEST: Role.OPERATOR,
    Action.TALK_RELEASE: Role.OPERATOR,
    Action.TALK_BARGE: Role.OPERATOR,
    Action.TALK_REVOKE: Role.OPERATOR,
    Action.TALK_MUTE: Role.OPERATOR,
    Action.TALK_REMOVE: Role.OPERATOR,
    Action.TALK_INVITE: Role.OPERATOR,
    Action.TALK_MONITOR: Role.OPERATOR,
    Action.TALK_ALL: Role.OPERATOR,
    Action.TALK_EMERGENCY: Role.OPERATOR,
    Action.CALL_PLACE: Role.OPERATOR,
    Action.CALL_ANSWER: Role.OPERATOR,
    Action.CALL_HANG_UP: Role.OPERATOR,
    Action.CALL_HOLD: Role.OPERATOR,
    Action.CALL_TRANSFER: Role.OPERATOR,
    Action.CALL_DIGITS: Role.OPERATOR,
    Action.DEVICE_ADMIT: Role.TECHNICIAN,
    Action.DEVICE_FORGET: Role.TECHNICIAN,
    Action.DEVICE_RENAME: Role.TECHNICIAN,
    Action.DEVICE_REFRESH: Role.TECHNICIAN,
    Action.DISCOVER_START: Role.TECHNICIAN,
    Action.DISCOVER_STOP: Role.TECHNICIAN,
    Action.DISCOVER_ADOPT: Role.TECHNICIAN,
    Action.SOURCE_ADD: Role.TECHNICIAN,
    Action.SOURCE_REMOVE: Role.TECHNICIAN,
    Action.ACCOUNT_ADD: Role.ADMINISTRATOR,
    Action.ACCOUNT_CHANGE: Role.ADMINISTRATOR,
    Action.ACCOUNT_REMOVE: Role.ADMINISTRATOR,
    Action.AUDIT_READ: Role.AUDITOR,
    Action.EXPORT: Role.AUDITOR,
}

# Acts on the whole gateway: a principal with a scope never has them.
_WHOLE: Final = {
    Action.DEVICE_ADMIT,
    Action.DISCOVER_START,
    Action.DISCOVER_STOP,
    Action.DISCOVER_ADOPT,
    Action.SOURCE_ADD,
    Action.ACCOUNT_ADD,
    Action.ACCOUNT_CHANGE,
    Action.ACCOUNT_REMOVE,
    Action.AUDIT_READ,
    Action.EXPORT,
}


def at_least(role: Role, least: Role) -> bool:
    """True when `role` stands as high as `least`; auditor and informant equal only themselves."""
    if role not in _ORDER or least not in _ORDER:
        return role is least
    return _ORDER[role] >= _ORDER[least]


def in_scope(who: Principal, subject: str) -> bool:
    """True when `subject` (an id, "" for the whole gateway) lies in what `who` may name.

    Scopes end at slashes: `kit1/ball-1` holds `kit1/ball-1/ch1`, not `kit1/ball-10`.
    """
    scope = who.scope.rstrip("/")
    return not scope or subject == scope or subject.startswith(f"{scope}/")


def allowed(who: Principal, action: Action, target: str = "") -> bool:
    if not at_least(who.role, LEAST[action]):
        return False
    if action in _WHOLE and who.scope:
        return False
    return in_scope(who, target) if target else True


def may_publish(who: Principal, stream: str) -> bool:
    """Operators anything in their scope; an invited phone what is its own."""
    if who.role is Role.INFORMANT:
        return bool(who.scope) and in_scope(who, stream)
    return at_least(who.role, Role.OPERATOR) and allowed(who, Action.STREAM_OPEN, stream)


def require(who: Principal, action: Action, target: str = "") -> None:
    """Raises Denied."""
    if not allowed(who, action, target):
        raise Denied(f"{who.name} ({who.role}) may not {action}{f' on {target}' if target else ''}")


def require_role(who: Principal, least: Role, doing: str) -> None:
    """For acts that are no commands. Raises Denied."""
    if not at_least(who.role, least):
        raise Denied(f"{who.name} ({who.role}) may not {doing}: {least} or higher is needed")


def require_whole(who: Principal, gateway: str, doing: str) -> None:
    """For acts on the whole gateway that are no commands. Raises Denied to whoever sees only a part of it."""
    if not in_scope(who, gateway):
        raise Denied(f"{who.name} sees only {who.scope} and may not {doing}: that is of the whole of {gateway}")


class Rights:
    """The face of this table for the API."""

    def allowed(self, who: Principal, action: Action, target: str = "") -> bool:
        return allowed(who, action, target)


def ptz_priority(role: Role) -> int:
    """Higher takes a camera from lower."""
    return _ORDER.get(role, 0)
