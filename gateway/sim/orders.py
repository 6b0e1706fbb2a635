"""What the platform asks by MESSAGE and SUBSCRIBE, and what the ball answers. GB/T 28181-2022 §9.3 to §9.5, §9.11."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from gateway.base.errors import GatewayError, LinkDown
from gateway.net.sip import IncomingRequest, Notifier
from gateway.sim import messages
from gateway.sim.encoder import Source
from gateway.sim.head import Head, read_ptz
from gateway.sim.line import Line
from gateway.sim.messages import Fix
from gateway.sim.profile import Profile
from gateway.sim.scene import H_FOV_DEG, View
from gateway.sim.track import position
from gateway.sim.voice import Voices

_TICK_S = 0.04


class Orders:
    """Answers for one life of a ball. `spawn` runs a task that ends with that life."""

    def __init__(
        self,
        profile: Profile,
        line: Line,
        head: Head,
        source: Source,
        voices: Voices,
        spawn: Callable[[Awaitable[None]], None],
        report: Callable[..., None],
    ) -> None:
        self._profile, self._line, self._head, self._source = profile, line, head, source
        self._voices, self._spawn, self._report = voices, spawn, report
        self._started = time.monotonic()
        self._turning = False
        self._alarms: dict[str, asyncio.Event] = {}
        self._watched: set[str] = set()
        self.boot = asyncio.Event()  # TeleBoot was asked

    def fix(self) -> Fix:
        return position(self._profile.home, time.monotonic() - self._started)

    # -- MESSAGE ----------------------------------------------------------------------------------------------

    async def on_message(self, incoming: IncomingRequest) -> None:
        """200 at once; the business answer is a MESSAGE of its own (§9.3.3)."""
        body = messages.decode(incoming.request.body)
        command, sn, target = (messages.field(body, name) for name in ("CmdType", "SN", "DeviceID"))
        kind = messages.root(body)
        if kind == "Notify" and command == "Broadcast" and self._voices.busy:
            incoming.respond(486)
            return
        incoming.respond(200)
        try:
            if kind == "Query":
                await self._answer(command, sn, target or self._profile.wire_id)
            elif kind == "Control":
                await self._obey(command, sn, target, body)
            elif kind == "Response" and command == "Alarm" and sn in self._alarms:
                self._alarms[sn].set()
            elif kind == "Notify" and command == "Broadcast":
                await self._voices.broadcast(body, sn)
        except GatewayError as exc:
            self._report("unanswered", f"could not answer {command}: {exc}")

    async def _answer(self, command: str, sn: str, target: str) -> None:
        profile = self._profile
        if command == "Catalog":
            await self._catalog(sn)
            return
        video = profile.video
        made = {
            "DeviceInfo": lambda: messages.device_info(sn, target, profile.name, len(profile.items())),
            "DeviceStatus": lambda: messages.device_status(sn, target, encoding=self._source.running),
            "PresetQuery": lambda: messages.preset_list(sn, target, self._preset_names()),
            "ConfigDownload": lambda: messages.config_download(
                sn, target, profile.name, profile.keepalive_s, f"{video.width}x{video.height}"
            ),
            "MobilePosition": lambda: messages.mobile_position(int(sn or 0), target, self.fix(), profile.version),
        }.get(command)
        if made is None:
            self._report("unknown", f"a query {command!r} this device does not know")
            return
        await self._line.say(made())

    def _preset_names(self) -> list[tuple[int, str]]:
        return [(number, name) for number, (name, _) in sorted(self._head.presets.items())]

    async def _catalog(self, sn: str) -> None:
        """Up to four items a page, each page sent when the one before was answered (annex M)."""
        faults = self._profile.faults
        items = self._profile.items()
        total = len(items) + (3 if "catalog-count-wrong" in faults else 0)
        size = 1 if "catalog-lost" in faults or "catalog-repeat" in faults else 4
        pages = [items[at : at + size] for at in range(0, len(items), size)]
        if "catalog-lost" in faults:
            pages = pages[1:]
        if "catalog-repeat" in faults:
            pages = [page for page in pages for _ in range(2)]
        for page in pages:
            await self._line.say(messages.catalog(sn, self._profile.wire_id, page, total, self._profile.version))

    # -- DeviceControl ----------------------------------------------------------------------------------------

    async def _obey(self, command: str, sn: str, target: str, body: str) -> None:
        field = messages.field
        if command == "DeviceConfig":
            await self._line.say(messages.result(command, sn, target))
        elif text := field(body, "PTZCmd"):
            self._move(text)
        elif field(body, "IFameCmd") or field(body, "IFrameCmd"):  # 2016 spells it without the r
            self._source.want_key()
            self._report("key-frame", "a key frame was asked for")
        elif "<PTZPreciseCtrl" in body:
            self._precise(body)
        elif "<DragZoomIn" in body or "<DragZoomOut" in body:
            self._drag(body, into="<DragZoomIn" in body)
        elif "<HomePosition" in body:
            self._home(body)
            await self._line.say(messages.result(command, sn, target))
        elif any(field(body, name) for name in ("RecordCmd", "GuardCmd", "AlarmCmd")):
            await self._line.say(messages.result(command, sn, target))
        elif field(body, "TeleBoot"):
            self._report("boot", "told to boot")
            self.boot.set()

    def _move(self, text: str) -> None:
        order = read_ptz(text)
        if order is None:
            self._report("ptz", f"a PTZCmd that is none: {text[:40]!r}")
            return
        words = self._head.obey(order)
        self._report("ptz", f"ptz {words or text}", command=text)
        self._turn()

    def _precise(self, body: str) -> None:
        now = self._head.view
        numbers = [_number(messages.field(body, name), old) for name, old in
                   (("Pan", now.pan), ("Tilt", now.tilt), ("Zoom", now.zoom))]  # fmt: skip
        self._head.go(View(*numbers))
        self._report("ptz", "ptz goes to pan {:.1f} tilt {:.1f} zoom {:.1f}".format(*numbers))
        self._turn()

    def _drag(self, body: str, *, into: bool) -> None:
        """Centre the dragged box and make it fill the picture, or the picture fill the box (A.2.3.1.7)."""
        width, height, x, y, box = (
            _number(messages.field(body, name), 0.0)
            for name in ("Length", "Width", "MidPointX", "MidPointY", "LengthX")
        )
        if min(width, height, box) <= 0:
            return
        view = self._head.view
        degrees = H_FOV_DEG / view.zoom / width
        factor = width / box if into else box / width
        goal = View(view.pan + (x - width / 2) * degrees, view.tilt - (y - height / 2) * degrees, view.zoom * factor)
        self._head.go(goal)
        self._report("ptz", f"ptz drag zoom {'in' if into else 'out'}")
        self._turn()

    def _home(self, body: str) -> None:
        on = messages.field(body, "Enabled") == "1"
        preset, after = messages.field(body, "PresetIndex"), messages.field(body, "ResetTime")
        self._head.home = (round(_number(preset, 1)), _number(after, 60.0)) if on else None
        self._report("home", "home position " + ("on" if on else "off"))
        self._turn()

    def _turn(self) -> None:
        """The encoder's thread moves the head while somebody looks; otherwise it moves here."""
        if not self._turning:
            self._turning = True
            self._spawn(self._turn_unseen())

    async def _turn_unseen(self) -> None:
        try:
            while self._head.moving or self._head.home is not None:
                await asyncio.sleep(_TICK_S)
                if not self._source.running:
                    self._head.advance(_TICK_S)
        finally:
            self._turning = False

    # -- SUBSCRIBE --------------------------------------------------------------------------------------------

    async def on_subscribe(self, incoming: IncomingRequest) -> None:
        """Positions are notified at the interval asked for; catalog and alarm subscriptions are only granted."""
        request = incoming.request
        body = messages.decode(request.body)
        expires = 3600 if request.expires is None else request.expires
        notifier = incoming.accept_subscription(expires, contact_user=self._profile.wire_id)
        command = messages.field(body, "CmdType")
        if command != "MobilePosition" and notifier.call_id not in self._watched:
            return
        if expires == 0:
            self._watched.discard(notifier.call_id)
            await self._notify_position(notifier, "terminated")
        elif notifier.call_id not in self._watched:
            self._watched.add(notifier.call_id)
            self._report("position", "positions are asked for")
            interval = max(1.0, _number(messages.field(body, "Interval"), 5.0))
            self._spawn(self._positions(notifier, interval))

    async def _positions(self, notifier: Notifier, interval: float) -> None:
        while notifier.active and notifier.call_id in self._watched:
            try:
                await self._notify_position(notifier, "active")
            except GatewayError:
                break
            await asyncio.sleep(interval)
        self._watched.discard(notifier.call_id)

    async def _notify_position(self, notifier: Notifier, state: str) -> None:
        text = messages.mobile_position(self._line.next_sn(), self._profile.wire_id, self.fix(), self._profile.version)
        await notifier.notify(messages.encode(text), messages.CONTENT_TYPE, state=state)

    # -- on the ball's own account ----------------------------------------------------------------------------

    async def alarm(self) -> None:
        """An alarm, said again and again until the platform's business Response comes (§9.4.2)."""
        sn, moment = self._line.next_sn(), time.time()
        heard = self._alarms[str(sn)] = asyncio.Event()
        alarm_id = self._profile.items()[self._profile.channels].device_id
        text = messages.alarm(sn, alarm_id, self.fix(), moment)
        self._report("alarm", "alarm raised", sn=sn)
        try:
            while not heard.is_set():
                try:
                    await self._line.say(text)
                except LinkDown:
                    pass  # said again below
                try:
                    async with asyncio.timeout(self._profile.alarm_repeat_s):
                        await heard.wait()
                except TimeoutError:
                    continue
            self._report("alarm-answered", "the alarm was answered", sn=sn)
        finally:
            del self._alarms[str(sn)]

    async def want_to_be_seen(self) -> None:
        """VideoUploadNotify (A.2.5.8)."""
        text = messages.video_upload_notify(self._line.next_sn(), self._profile.wire_id, self.fix())
        try:
            await self._line.say(text)
        except LinkDown as exc:
            self._report("unanswered", f"VideoUploadNotify: {exc}")
            return
        self._report("upload", "asked to be watched")


def _number(text: str, otherwise: float) -> float:
    try:
        return float(text)
    except ValueError:
        return otherwise
