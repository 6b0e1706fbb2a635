"""Store and forward: what waits at a kit until its centers have it, and what centers keep of it.

An adapter that reaches a far side **joins** the outbox under a name: from then on, over restarts, every event is kept
for it until it is acknowledged there. At the center an adapter hands batches to the **inbox**, which keeps each event
once, however often and by however many ways it comes; what it returns is durable and may be acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.model.forward import Batch, Event, ForwardFile, Uplink, WaitingFile


class OutboxSide(Protocol):
    """What waits for one far side."""

    @property
    def name(self) -> str: ...

    async def waiting(self, limit: int, without: Sequence[str] = ()) -> Sequence[Event]:
        """What goes next, by rank and age; without the ids in `without` (those under way)."""

    def batch(self, events: Sequence[Event]) -> Batch:
        """Ready to be sent now: with the moment, and the clocks' marks that date it."""

    async def acknowledge(self, ids: Sequence[str]) -> None:
        """The far side has them for good: they go."""

    async def more(self) -> None:
        """Returns when something was put since it was last called."""

    def standing(self) -> Uplink:
        """From memory; counts may be a second old."""

    # — files —

    async def files(self, limit: int = 4, without: Sequence[str] = ()) -> Sequence[WaitingFile]:
        """What goes next, by rank and age; without those that have no turn yet (`wire.file_turns`)."""

    async def read(self, file: str, offset: int, length: int) -> bytes:
        """A piece of a waiting file, at least a byte. Raises NotFound (it is no longer on the disk, or ends before
        `offset`), GatewayError (`store-fault`)."""

    def file_progress(self, file: str, sent: int) -> None: ...
    async def file_done(self, file: str) -> None:
        """The far side has it whole, verified."""

    async def file_never(self, file: str, code: str, detail: str = "") -> None:
        """It will not get there: refused for good, or no longer on the disk. It goes, counted as dropped, and people
        are told."""

    def file_again(self, file: str, code: str, detail: str = "") -> None:
        """The far side found it damaged: it is sent from its beginning; said in the log."""


class Outbox(Protocol):
    async def join(self, name: str, adapter: str) -> OutboxSide:
        """Durable. Again with the same name: the same side."""

    async def leave_others(self, adapter: str, names: Sequence[str]) -> None:
        """Sides of `adapter` that are not among `names` are no more, nor is what waited for them."""

    async def result(self, uplink: str, id_: str, body: Mapping[str, object]) -> None:
        """The outcome of an order that a center gave by `uplink`; kept until it has it. Durable."""

    async def add_file(self, path: str, file: ForwardFile, *, keep: bool = False) -> str:
        """A file that shall reach every far side: moved into the outbox's folder (`keep`: linked or copied) and synced,
        its hash taken; its id.

        `size` and `sha256` of `file` are filled in, and `id` where it is "". Raises Busy (`outbox-full`),
        GatewayError (`disk-full`, `too-large`).
        """


@dataclass(frozen=True, slots=True)
class Taken:
    """`kept` is durable (also what was known before); `refused` (id → reason code) will never be taken: the kit may
    drop it as well."""

    kept: tuple[str, ...]
    refused: Mapping[str, str]


class Inbox(Protocol):
    async def take(self, gateway: str, batch: Batch, way: str) -> Taken:
        """Keep what a kit told. Raises GatewayError (`disk-full`, `store-busy`): nothing may be acknowledged."""

    async def file_begin(self, gateway: str, file: ForwardFile) -> int:
        """A kit offers a file; bytes of it that are on the disk already, its size when it is whole and verified.

        Raises Denied (`file-taken`), Busy (`inbox-full`), GatewayError (`disk-full`, `too-large`).
        """

    async def file_append(self, gateway: str, file: str, offset: int, data: bytes) -> int:
        """The next bytes, on the disk (fsync) when it returns; how many there are then: an offset that is not the end
        changes nothing. Raises NotFound, RemoteProtocolError (`file-damaged`: the whole is not what was announced; it
        is dropped, begin at 0)."""

    def on_kept(self, called: Callable[[str, Event], None]) -> Callable[[], None]:
        """`called(gateway, event)` for each new event after it is durable, until the returned function is called."""
