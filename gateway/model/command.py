"""Orders: every act of a person or program on the gateway is one of these, handled in one place (core.commands).

REST, CLI, WebSocket and later MQTT and the uplink are faces of it. Watching and talking are no orders but sessions
(WHEP, WHIP), audited as they begin and end. A command is idempotent by `id`: the second one with the same id gets the
first one's result. `deadline` is unix seconds: after it the command is refused (`expired`), never carried out late.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from gateway.model.principal import Principal


class Action(StrEnum):
    STREAM_OPEN = "stream.open"  # hold it open without watching, so that a picture is there at once; args: hold_s ≤ 60
    STREAM_CLOSE = "stream.close"  # end what the asker holds by STREAM_OPEN
    PTZ_MOVE = "ptz.move"  # args: pan, tilt, zoom in -1..1; hold_s
    PTZ_STOP = "ptz.stop"
    PTZ_LENS = "ptz.lens"  # args: focus, iris in -1..1
    PTZ_PRESET = "ptz.preset"  # args: op (set, call, delete), number, name
    PTZ_GO = "ptz.go"  # args: home = true, or pan and tilt in -1..1, zoom in 0..1
    PICTURE_SET = (
        "picture.set"  # args: brightness, contrast, saturation, sharpness in 0..1; day_night (auto, day, night)
    )
    PTZ_CRUISE = "ptz.cruise"  # args: op (start, stop), number
    KEY_FRAME = "stream.key-frame"
    DEVICE_ADMIT = "device.admit"  # args: scheme, external_id, name, user, password
    DEVICE_FORGET = "device.forget"
    DEVICE_RENAME = "device.rename"
    DEVICE_REFRESH = "device.refresh"  # ask for its catalogue again
    DISCOVER_START = "discover.start"  # search the network; args: seconds, ways (comma between), interface
    DISCOVER_STOP = "discover.stop"
    DISCOVER_ADOPT = "discover.adopt"  # target: a short name, or ""; args: key, name, user, password
    SOURCE_ADD = "source.add"  # target: its short name, or ""; args: url, sub_url, name, on_demand
    SOURCE_REMOVE = "source.remove"  # target: its short name
    ALARM_ACKNOWLEDGE = "alarm.acknowledge"
    ACCOUNT_ADD = "account.add"
    ACCOUNT_CHANGE = "account.change"
    ACCOUNT_REMOVE = "account.remove"
    TALK_REQUEST = "talk.request"  # press to talk; target: group id; args: member, emergency; repeated each second
    TALK_RELEASE = "talk.release"  # args: member
    TALK_BARGE = "talk.barge"  # a dispatcher speaks beside the holder; args: member, on
    TALK_REVOKE = "talk.revoke"  # take the floor from whoever holds it
    TALK_MUTE = "talk.mute"  # args: member, on
    TALK_REMOVE = "talk.remove"  # end a member's seat; args: member
    TALK_INVITE = "talk.invite"  # bring a channel (its id) or a number ("sip:…", "tel:…") into a group; args: who
    TALK_MONITOR = "talk.monitor"  # listen in; the listened-to hear a cue; args: member, on
    TALK_ALL = "talk.all"  # speak to several groups at once; args: groups (ids, comma between), member, on
    TALK_EMERGENCY = "talk.emergency"  # declare or end a group's emergency; args: on
    CALL_PLACE = "call.place"  # target: group or channel id, or ""; args: number, video
    CALL_ANSWER = "call.answer"  # target: call id
    CALL_HANG_UP = "call.hang-up"
    CALL_HOLD = "call.hold"  # args: on
    CALL_TRANSFER = "call.transfer"  # args: to (number), or with (another call's id)
    CALL_DIGITS = "call.digits"  # args: digits
    AUDIT_READ = "audit.read"
    EXPORT = "export"  # target: "audit"; the rows come from GET /api/v1/audit/export


ArgValue = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Command:
    id: str  # ULID or any unique text of at most 64 characters, chosen by the asker
    actor: Principal
    action: Action
    target: str  # an id of model.ids, or ""
    deadline: float
    args: dict[str, ArgValue] = field(default_factory=dict)


class Outcome(StrEnum):
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class CommandResult:
    id: str
    outcome: Outcome
    code: str = ""  # of model.reason, when not done
    detail: str = ""
    data: dict[str, ArgValue] = field(default_factory=dict)
