"""ModemManager as one party: found on the bus, followed, found again when it was started anew. Shared by all modems
that it drives."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from adapters.modem import manager_words as mm
from adapters.modem.manager_bus import DBUS, Bus, Signal
from adapters.modem.manager_find import find, means
from adapters.modem.manager_tree import Thing, Tree
from gateway.base.errors import GatewayError, LinkDown

log = logging.getLogger(__name__)

PROPERTIES = f"{DBUS}.Properties"
OBJECTS = f"{DBUS}.ObjectManager"

ASK_S = 10.0
AGAIN_S = (0.5, 10.0)  # between attempts: the first, the longest
RULES = (
    f"type='signal',sender='{DBUS}',interface='{DBUS}',member='NameOwnerChanged',arg0='{mm.SERVICE}'",
    f"type='signal',sender='{mm.SERVICE}'",
)

Watcher = Callable[[str], None]
"""Told the interface in which something changed; "" when the modem is there no more."""


class Manager:
    """`run` follows it until cancelled; the rest may be called at any time, and raises LinkDown while it is not
    there."""

    def __init__(self, address: str = "") -> None:
        self._address = address
        self._bus: Bus | None = None
        self._owner = ""
        self._tree = Tree()
        self._trouble: GatewayError = LinkDown("ModemManager has not been asked yet", code="mm-absent")
        self._loaded = False
        self._watchers: dict[str, set[Watcher]] = {}
        self._news = asyncio.Event()
        self._renewed = asyncio.Event()
        self._asking = asyncio.Lock()
        self._claims: dict[str, tuple[object, str, str]] = {}
        """Devices, and who has each: by which address, and where that led."""

    @property
    def trouble(self) -> GatewayError | None:
        """Why it can not be asked now; None while it can."""
        return None if self._loaded else self._trouble

    @property
    def modems(self) -> Sequence[Thing]:
        return self._tree.modems()

    async def run(self) -> None:
        pause = AGAIN_S[0]
        while True:
            bus = self._bus = Bus(self._address, self._heard)
            try:
                await bus.connect()
                for rule in RULES:
                    await bus.match(rule)
                await self._follow(bus)
                self._lost(LinkDown("the system bus went away", code="mm-no-bus"))
                pause = AGAIN_S[0]
            except GatewayError as exc:
                self._lost(exc)
            finally:
                self._bus = None
                await bus.close()
            await asyncio.sleep(pause * random.uniform(0.75, 1.25))
            pause = min(pause * 2, AGAIN_S[1])

    async def _follow(self, bus: Bus) -> None:
        """Load it whenever it is there anew, until the bus ends."""
        ended = asyncio.ensure_future(bus.ended())
        try:
            pause = AGAIN_S[0]
            while not ended.done():
                self._renewed.clear()
                try:
                    await self._load(bus)
                    wait_s = None  # until it comes anew
                    pause = AGAIN_S[0]
                except GatewayError as exc:
                    self._lost(exc)
                    wait_s, pause = pause, min(pause * 2, AGAIN_S[1])
                renewed = asyncio.ensure_future(self._renewed.wait())
                try:
                    await asyncio.wait((ended, renewed), timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    renewed.cancel()
        finally:
            ended.cancel()

    async def _load(self, bus: Bus) -> None:
        # Asking starts it where the bus can (systemd), so this comes before the question who owns the name.
        await _its_own(bus.call(mm.SERVICE, mm.ROOT, OBJECTS, "GetManagedObjects", limit_s=ASK_S))
        self._owner = await bus.owner(mm.SERVICE)
        if not self._owner:
            raise LinkDown("ModemManager went away", code="mm-absent")
        self._tree = Tree()
        # What changed between its answer and ours to it: asked once more, now that its signals are taken.
        managed = await _its_own(bus.call(self._owner, mm.ROOT, OBJECTS, "GetManagedObjects", limit_s=ASK_S))
        self._tree.replace(managed[0])
        if not self._loaded:
            log.info("ModemManager is there: %d modems", len(self._tree.modems()))
        self._loaded = True
        self._say_news()

    def _lost(self, why: GatewayError) -> None:
        if self._loaded or why.code != self._trouble.code:
            log.warning("ModemManager: %s (%s)", why, why.code)
        self._trouble, self._loaded, self._owner = why, False, ""
        self._tree = Tree()
        for path in list(self._watchers):
            self._tell(path, "")
        self._say_news()

    def _heard(self, signal: Signal) -> None:
        if signal.sender == DBUS and signal.member == "NameOwnerChanged":
            name, _, new = signal.body
            if name == mm.SERVICE and new != self._owner:
                if self._loaded:
                    self._lost(LinkDown("ModemManager ended or was started anew", code="mm-absent"))
                self._renewed.set()
            return
        if not self._owner or signal.sender != self._owner:
            return
        match signal.interface, signal.member, signal.body:
            case _, "PropertiesChanged", [str(interface), dict(values), list(gone)]:
                owner = self._tree.owner(signal.path)
                if self._tree.change(signal.path, interface, values, gone) and owner is not None:
                    self._tell(owner.path, interface)
            case _, "InterfacesAdded", [str(path), dict(interfaces)]:
                self._tree.add(path, interfaces)
                for interface in interfaces:
                    self._tell(path, interface)
            case _, "InterfacesRemoved", [str(path), list(interfaces)]:
                self._tree.remove(path, interfaces)
                self._tell(path, "" if self._tree.modem(path) is None else mm.MODEM)
            case _:
                return
        self._say_news()

    def _tell(self, path: str, interface: str) -> None:
        for watcher in list(self._watchers.get(path, ())):
            watcher(interface)

    def _say_news(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def changed(self) -> Coroutine[Any, Any, Any]:
        """Returns when anything of it has changed since it was called (not: since it was first awaited)."""
        return self._news.wait()

    def watch(self, path: str, watcher: Watcher) -> Callable[[], None]:
        """Until the returned function is called."""
        self._watchers.setdefault(path, set()).add(watcher)

        def stop() -> None:
            held = self._watchers.get(path, set())
            held.discard(watcher)
            if not held:
                self._watchers.pop(path, None)

        return stop

    def find(self, address: str, resolved: str = "") -> Thing | None:
        """Raises LinkDown while ModemManager is not there."""
        if not self._loaded:
            raise self._why()
        return find(self._tree.modems(), address, resolved)

    def claim(self, who: object, address: str, resolved: str, modem: Thing) -> Thing:
        """The modem, which is `who`'s from now on wherever it is plugged in. Raises LinkDown (`mm-taken`) where it is
        somebody's else already, whose address still means it: two names would each undo what the other does."""
        device = modem.text(mm.MODEM, "Device") or modem.path
        holder, its, led = self._claims.get(device, (who, "", ""))
        if holder is not who and (not its or means(modem, its, led)):
            names = f"{its or 'the only modem there is'} and {address or 'the only modem there is'}"
            raise LinkDown(f"{names} are one modem ({device.rpartition('/')[2]}): leave one out", code="mm-taken")
        self._claims = {one: claim for one, claim in self._claims.items() if claim[0] is not who}
        self._claims[device] = (who, address, resolved)
        return modem

    def modem(self, path: str) -> Thing:
        """Raises LinkDown: it is not there any more."""
        if not self._loaded:
            raise self._why()
        found = self._tree.modem(path)
        if found is None:
            raise LinkDown(f"{path}: ModemManager has it no more", code="modem-absent")
        return found

    async def parts(self, modem: Thing, interface: str, name: str) -> list[Thing]:
        """The objects that a list of a modem names, with their properties."""
        await self._complete()
        return self._tree.parts(modem, interface, name)

    async def part_now(self, modem: Thing, interface: str, name: str, path: str) -> Thing | None:
        """One of them, asked anew: what is told of it may still be on its way."""
        self._tree.forget(path)
        return next((one for one in await self.parts(modem, interface, name) if one.path == path), None)

    async def card(self, modem: Thing) -> Thing | None:
        await self._complete()
        return self._tree.part(modem.text(mm.MODEM, "Sim"))

    async def _complete(self) -> None:
        async with self._asking:
            tree = self._tree
            for path, interface in list(tree.missing()):
                if self._tree is not tree:
                    return
                try:
                    [values] = await _its_own(self.call(path, PROPERTIES, "GetAll", "s", [interface], limit_s=ASK_S))
                except LinkDown as exc:
                    if exc.code != "modem-absent":
                        raise
                    values = {}
                tree.learn(path, interface, values)

    async def call(
        self,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        body: Sequence[Any] = (),
        *,
        limit_s: float,
    ) -> list[Any]:
        """Ask ModemManager, and it alone. Raises GatewayError as `manager_bus.failure` has it."""
        if not self._loaded or self._bus is None:
            raise self._why()
        # To its unique name: one that was started anew is not asked about the objects of the one before.
        return await self._bus.call(self._owner, path, interface, member, signature, body, limit_s=limit_s)

    async def alive(self) -> None:
        """Raises LinkDown (`mm-silent`) when it answers nothing at all: then it is not the modem that hangs. It is
        asked anew until it does."""
        try:
            await _its_own(self.call(mm.ROOT, OBJECTS, "GetManagedObjects", limit_s=ASK_S))
        except LinkDown as exc:
            if self._loaded and exc.code == "mm-silent":
                self._lost(exc)
                self._renewed.set()
            raise

    def _why(self) -> GatewayError:
        held = self._trouble
        return type(held)(str(held), code=held.code)


async def _its_own(asked: Awaitable[list[Any]]) -> list[Any]:
    """What ModemManager answers by itself, without a word to a modem: silence is its own."""
    try:
        return await asked
    except LinkDown as exc:
        if exc.code != "modem-silent":
            raise
        raise LinkDown(str(exc), code="mm-silent") from exc
