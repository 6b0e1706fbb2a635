"""The system bus by dbus-fast: one connection, calls with a limit in time, signals as plain values. The only file that
names dbus_fast.

A refusal comes as one of our errors, by who failed: LinkDown where ModemManager or the modem is not there or does not
answer, Denied where it does not let us, PeerError where it refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dbus_fast import BusType, DBusFastError, Message, MessageType, Variant, unpack_variants
from dbus_fast.aio import MessageBus

from adapters.modem.manager_words import error_code
from gateway.base.errors import Busy, Denied, GatewayError, LinkDown, PeerError, Unsupported

DBUS = "org.freedesktop.DBus"
CONNECT_S = 10.0

__all__ = ["Bus", "Signal", "Variant", "failure"]


@dataclass(frozen=True, slots=True)
class Signal:
    sender: str
    path: str
    interface: str
    member: str
    body: Sequence[Any]


def failure(name: str, text: str, doing: str) -> GatewayError:
    """A D-Bus error as one of ours."""
    code = error_code(name, text)
    words = f"{doing}: {text or name}"[:400]
    if code in ("mm-absent", "modem-absent", "modem-silent"):
        return LinkDown(words, code=code)
    if code == "mm-not-allowed":
        return Denied(words, code=code)
    if code in ("busy", "mm-wrong-state"):
        return Busy(words, code=code)
    if code == "unsupported":
        return Unsupported(words)
    return PeerError(words, status=name.removeprefix("org.freedesktop.")[:100], code=code)


class Bus:
    """`connect` … `close`. After `ended` has returned nothing is answered any more; make another."""

    def __init__(self, address: str, on_signal: Callable[[Signal], None]) -> None:
        # "" means the machine's system bus, or what DBUS_SYSTEM_BUS_ADDRESS names.
        self._address = address or None
        self._on_signal = on_signal
        self._bus: MessageBus | None = None
        self._ended = asyncio.Event()

    @property
    def name(self) -> str:
        """Ours on the bus, ":1.42"."""
        return str(self._bus.unique_name) if self._bus is not None else ""

    async def connect(self) -> None:
        """Raises LinkDown (`mm-no-bus`)."""
        where = self._address or "the system bus"
        try:
            # Made and connected on the loop: dbus-fast takes the running one.
            bus = MessageBus(bus_address=self._address, bus_type=BusType.SYSTEM, auth_timeout=CONNECT_S)
            async with asyncio.timeout(CONNECT_S):
                await bus.connect()
        except (OSError, EOFError, TimeoutError, DBusFastError, ValueError) as exc:
            raise LinkDown(f"{where}: {str(exc) or type(exc).__name__}", code="mm-no-bus") from exc
        bus.add_message_handler(self._heard)
        self._bus = bus

    async def close(self) -> None:
        if self._bus is not None:
            bus, self._bus = self._bus, None
            bus.disconnect()
        self._ended.set()

    async def ended(self) -> None:
        """Returns when the connection is gone."""
        if self._bus is None:
            return
        try:
            await self._bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
        except (OSError, EOFError, DBusFastError):
            pass
        finally:
            self._ended.set()

    async def match(self, rule: str) -> None:
        await self.call(DBUS, "/org/freedesktop/DBus", DBUS, "AddMatch", "s", [rule], limit_s=CONNECT_S)

    async def owner(self, name: str) -> str:
        """The unique name behind a well-known one, "" when nobody has it."""
        try:
            out = await self.call(DBUS, "/org/freedesktop/DBus", DBUS, "GetNameOwner", "s", [name], limit_s=CONNECT_S)
        except LinkDown as exc:
            if exc.code != "mm-absent":
                raise
            return ""
        return str(out[0])

    async def call(
        self,
        service: str,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        body: Sequence[Any] = (),
        *,
        limit_s: float,
    ) -> list[Any]:
        """The answer's values, Variants taken out. Raises GatewayError as `failure` has it."""
        if self._bus is None or self._ended.is_set():
            raise LinkDown(f"{member}: no connection to the bus", code="mm-no-bus")
        asked = Message(
            destination=service,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=list(body),
        )
        doing = f"{interface.rpartition('.')[2]}.{member}"
        asking = asyncio.ensure_future(self._bus.call(asked))
        ending = asyncio.ensure_future(self._ended.wait())
        try:
            async with asyncio.timeout(limit_s):
                await asyncio.wait((asking, ending), return_when=asyncio.FIRST_COMPLETED)
                if not asking.done():
                    raise LinkDown(f"{doing}: the bus went away", code="mm-no-bus")
                answer = asking.result()
        except TimeoutError as exc:
            raise LinkDown(f"{doing}: no answer within {limit_s:g} s", code="modem-silent") from exc
        except (OSError, EOFError, DBusFastError) as exc:
            raise LinkDown(f"{doing}: {exc}", code="mm-no-bus") from exc
        finally:
            asking.cancel()
            ending.cancel()
        if answer.message_type is MessageType.ERROR:
            said = answer.body[0] if answer.body and isinstance(answer.body[0], str) else ""
            raise failure(answer.error_name or "", said, doing)
        return list(unpack_variants(answer.body))

    def _heard(self, message: Message) -> None:
        if message.message_type is MessageType.SIGNAL:
            self._on_signal(
                Signal(
                    message.sender or "",
                    message.path or "",
                    message.interface or "",
                    message.member or "",
                    unpack_variants(message.body),
                )
            )
