"""What each action of an order does. Role, deadline and audit were seen to by `core.commands`; scopes are here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from gateway.base.errors import GatewayError, Unsupported
from gateway.contract.device import GoesToPlaces, SetsPicture
from gateway.core.accounts import Accounts
from gateway.core.act_args import Done, flag, number, one_of, speed, text
from gateway.core.alarms import Alarms
from gateway.core.audit import Audit
from gateway.core.devices import Devices
from gateway.core.discovery import Discovery
from gateway.core.holds import DEFAULT_S, MOST_S, Holds
from gateway.core.positions import Positions
from gateway.core.presets import Presets
from gateway.core.ptz import HOLD_S, Ptz
from gateway.core.rights import require
from gateway.core.source_acts import SourceActs
from gateway.core.streams import Streams
from gateway.core.talk_acts import TalkActs
from gateway.model.command import Action, ArgValue, Command
from gateway.model.ids import ChannelRef
from gateway.model.picture import DayNight, PictureSettings
from gateway.model.principal import Role
from gateway.model.ptz import CruiseOp, LensMove, PresetOp, PtzMove, PtzPlace


class Acts:
    def __init__(
        self,
        streams: Streams,
        holds: Holds,
        devices: Devices,
        ptz: Ptz,
        presets: Presets,
        alarms: Alarms,
        positions: Positions,
        accounts: Accounts,
        audit: Audit,
        talk: TalkActs,
        sources: SourceActs,
        discovery: Discovery,
    ) -> None:
        self._streams = streams
        self._holds = holds
        self._devices = devices
        self._ptz = ptz
        self._presets = presets
        self._alarms = alarms
        self._positions = positions
        self._accounts = accounts
        self._audit = audit
        self._talk = talk
        self._sources = sources
        self._discovery = discovery

    def table(self) -> Mapping[Action, Callable[[Command], Awaitable[Done]]]:
        return {
            Action.STREAM_OPEN: self._stream_open,
            Action.STREAM_CLOSE: self._stream_close,
            Action.KEY_FRAME: self._key_frame,
            Action.PTZ_MOVE: self._move,
            Action.PTZ_STOP: self._stop,
            Action.PTZ_LENS: self._lens,
            Action.PTZ_PRESET: self._preset,
            Action.PTZ_GO: self._go,
            Action.PTZ_CRUISE: self._cruise,
            Action.PICTURE_SET: self._picture,
            Action.DEVICE_ADMIT: self._admit,
            Action.DEVICE_FORGET: self._forget,
            Action.DEVICE_RENAME: self._rename,
            Action.DEVICE_REFRESH: self._refresh,
            Action.ALARM_ACKNOWLEDGE: self._acknowledge,
            Action.ACCOUNT_ADD: self._account_add,
            Action.ACCOUNT_CHANGE: self._account_change,
            Action.ACCOUNT_REMOVE: self._account_remove,
            Action.AUDIT_READ: self._audit_read,
            Action.EXPORT: self._export,
            **self._talk.table(),
            **self._sources.table(),
            **self._discovery.table(),
        }

    # — streams —

    async def _stream_open(self, command: Command) -> Done:
        """Hold it open for a while; whoever watches (WHEP) holds it by that."""
        stream = self._streams.resolve(command.target)
        require(command.actor, command.action, stream)
        seconds = number(command.args, "hold_s", DEFAULT_S)
        if not 0 < seconds <= MOST_S:
            raise GatewayError(f"hold_s: more than 0 and at most {MOST_S:g} seconds", code="bad-request")
        await self._holds.open(command.actor, stream, seconds)
        status = self._streams.status(stream)
        return Done({"stream": stream, "state": status.state.value, "code": status.code, "hold_s": seconds})

    async def _stream_close(self, command: Command) -> Done:
        """End what the asker holds by `stream.open`; nobody else's viewing."""
        stream = self._streams.resolve(command.target)
        require(command.actor, command.action, stream)
        return Done({"stream": stream, "ended": await self._holds.close(command.actor, stream)})

    async def _key_frame(self, command: Command) -> Done:
        stream = self._streams.resolve(command.target)
        require(command.actor, command.action, stream)
        self._streams.want_key_frame(stream)
        return Done(audited=False)

    # — cameras —

    async def _move(self, command: Command) -> Done:
        ref = self._camera(command)
        args = command.args
        move = PtzMove(speed(args, "pan"), speed(args, "tilt"), speed(args, "zoom"))
        taken = await self._ptz.move(command.actor, ref, move, number(args, "hold_s", HOLD_S))
        return Done(audited=taken)

    async def _stop(self, command: Command) -> Done:
        await self._ptz.stop(command.actor, self._camera(command))
        return Done(audited=False)

    async def _lens(self, command: Command) -> Done:
        ref = self._camera(command)
        move = LensMove(speed(command.args, "focus"), speed(command.args, "iris"))
        taken = await self._ptz.lens(command.actor, ref, move, number(command.args, "hold_s", HOLD_S))
        return Done(audited=taken)

    async def _preset(self, command: Command) -> Done:
        ref = self._camera(command)
        op = one_of(command.args, "op", PresetOp)
        which = int(number(command.args, "number"))
        if not 1 <= which <= 255:
            raise GatewayError("number: presets are 1 to 255", code="bad-request")
        await self._ptz.take(command.actor, ref)
        await self._presets.carry_out(ref, op, which, text(command.args, "name", most=64))
        return Done()

    async def _go(self, command: Command) -> Done:
        """To a place, or home."""
        ref = self._camera(command)
        args = command.args
        place = None if flag(args, "home", False) else PtzPlace(_at(args, "pan"), _at(args, "tilt"), _at(args, "zoom"))
        if place is not None and ((place.pan is None) != (place.tilt is None) or place == PtzPlace()):
            raise GatewayError("pan and tilt together, zoom, or home = true", code="bad-request")
        handler = self._devices.handler(ref.device_id)
        if not isinstance(handler, GoesToPlaces):
            raise Unsupported(f"{ref} knows no places to go to", code="no-ptz")
        await self._ptz.take(command.actor, ref)
        await handler.go(self._devices.channel(ref).external_id, place)
        return Done()

    async def _picture(self, command: Command) -> Done:
        ref, args = self._camera(command), command.args
        levels = {name: _level(args, name) for name in ("brightness", "contrast", "saturation", "sharpness")}
        day_night = None if args.get("day_night") is None else one_of(args, "day_night", DayNight)
        settings = PictureSettings(**levels, day_night=day_night)
        if settings == PictureSettings():
            raise GatewayError("one of brightness, contrast, saturation, sharpness, day_night", code="bad-request")
        handler = self._devices.handler(ref.device_id)
        if not isinstance(handler, SetsPicture):
            raise Unsupported(f"{ref}: its image settings are not set from here", code="no-picture-setting")
        row = self._devices.channel(ref)
        if row.capabilities.ptz:  # whoever moves it does not find it dark meanwhile
            await self._ptz.take(command.actor, ref)
        await handler.picture(row.external_id, settings)
        return Done()

    async def _cruise(self, command: Command) -> Done:
        ref = self._camera(command)
        op = one_of(command.args, "op", CruiseOp)
        which = int(number(command.args, "number", 1))
        if not 0 <= which <= 255:
            raise GatewayError("number: cruises are 0 to 255", code="bad-request")
        await self._ptz.take(command.actor, ref)
        row = self._devices.channel(ref)
        await self._devices.handler(ref.device_id).cruise(row.external_id, op, which)
        return Done()

    # — devices —

    async def _admit(self, command: Command) -> Done:
        args = command.args
        device = await self._devices.admit(
            text(args, "scheme") or "gb28181",
            text(args, "external_id", most=64),
            name=text(args, "name", most=100),
            password=text(args, "password", most=128),
            user=text(args, "user", most=64),
            slug=command.target.rpartition("/")[2] or text(args, "slug", most=64),
            by=command.actor.name,
        )
        return Done({"device": device})

    async def _forget(self, command: Command) -> Done:
        ref = self._devices.ref(command.target)
        require(command.actor, command.action, ref.device_id)
        if await self._sources.forget(ref.device_id):
            return Done({"device": ref.device_id})
        await self._devices.forget(ref.device_id)
        self._streams.forget_device(ref.device_id)
        self._positions.forget(ref.device_id)
        return Done({"device": ref.device_id})

    async def _rename(self, command: Command) -> Done:
        ref = self._devices.ref(command.target)
        require(command.actor, command.action, ref.device_id)
        alias = text(command.args, "alias", most=64) if "alias" in command.args else None
        await self._devices.rename(ref.device_id, text(command.args, "name", most=100), alias)
        return Done()

    async def _refresh(self, command: Command) -> Done:
        ref = self._devices.ref(command.target)
        require(command.actor, command.action, ref.device_id)
        await self._devices.handler(ref.device_id).refresh()
        return Done()

    # — alarms, people, records —

    async def _acknowledge(self, command: Command) -> Done:
        alarm = await self._alarms.acknowledge(command.actor, command.target or text(command.args, "id"))
        return Done({"alarm": alarm.id})

    async def _account_add(self, command: Command) -> Done:
        args = command.args
        account = await self._accounts.add(
            command.actor,
            name=text(args, "name", most=64) or command.target,
            role=one_of(args, "role", Role),
            scope=text(args, "scope", most=200),
            password=text(args, "password", most=256),
        )
        return Done({"name": account.name})

    async def _account_change(self, command: Command) -> Done:
        args = command.args
        disabled = args.get("disabled")
        account = await self._accounts.change(
            command.actor,
            text(args, "name", most=64) or command.target,
            role=one_of(args, "role", Role) if args.get("role") is not None else None,
            scope=text(args, "scope", most=200) if args.get("scope") is not None else None,
            password=text(args, "password", most=256) if args.get("password") is not None else None,
            disabled=bool(disabled) if disabled is not None else None,
        )
        return Done({"name": account.name})

    async def _account_remove(self, command: Command) -> Done:
        name = text(command.args, "name", most=64) or command.target
        await self._accounts.remove(command.actor, name)
        return Done({"name": name})

    async def _audit_read(self, command: Command) -> Done:
        """The order says whether the record is sound; the rows are read page by page from the API."""
        verdict = await self._audit.verify(command.actor)
        return Done({"sound": verdict.sound, "rows": verdict.rows, "detail": verdict.detail}, audited=False)

    async def _export(self, command: Command) -> Done:
        """Its entry in the record; the API then streams the rows."""
        if command.target != "audit":
            raise Unsupported("target: the audit record is what can be exported")
        return Done({"what": "audit"})

    def _camera(self, command: Command) -> ChannelRef:
        """The target, completed; its rights checked anew, since the order may have named it by a short form."""
        ref = self._devices.ref(command.target)
        row = self._devices.channel(ref)
        full = ChannelRef(ref.gateway, ref.device, row.key)
        require(command.actor, command.action, str(full))
        return full


def _level(args: Mapping[str, ArgValue], name: str) -> float | None:
    if args.get(name) is None:
        return None
    found = number(args, name)
    if not 0 <= found <= 1:
        raise GatewayError(f"{name}: from 0 to 1", code="bad-request")
    return found


def _at(args: Mapping[str, ArgValue], name: str) -> float | None:
    return None if args.get(name) is None else speed(args, name)
