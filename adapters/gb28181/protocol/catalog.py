"""Putting a device's catalogue together from pages that come late, twice, in pieces, or never.

The device answers one query with many messages of the same SN. `SumNum` tells how many items there are, and is
often wrong; items repeat over pages; the first page may be lost. So: items are kept by id, the collection ends when
the count is reached or after a quiet time, and a count that was not reached makes it incomplete: the session asks
once more (over TCP if it can), and takes the union of both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from adapters.gb28181.protocol import ids
from adapters.gb28181.protocol.manscdp import CatalogItem, CatalogPage
from gateway.contract.device import ChannelReport
from gateway.model.device import Capabilities

FIRST_PAGE_FACTOR = 2.0
"""The first page may take this many quiet times: small devices read their catalogue from flash."""

MAX_NAME = 128


@dataclass(frozen=True, slots=True)
class CatalogResult:
    """What came. `complete` is False where fewer items came than `told`, or nothing came at all."""

    items: tuple[CatalogItem, ...]
    told: int
    complete: bool
    pages: int
    left_out: int = 0  # over the limit of channels


@dataclass(slots=True)
class CatalogCollector:
    """One query's answer in the making. `now` is monotonic seconds everywhere."""

    started: float
    quiet_s: float
    max_items: int
    _items: dict[str, CatalogItem] = field(default_factory=dict)
    _told: int = -1
    pages: int = 0
    _left_out: int = 0
    _last: float = 0.0

    def page(self, page: CatalogPage, now: float) -> bool:
        """Take one page in; True when everything that was told of has come."""
        self.pages += 1
        self._last = now
        # The largest sum counts: one that grows over the pages is a device that counts while it sends.
        self._told = max(self._told, page.total)
        for item in page.items:
            if item.device_id not in self._items and len(self._items) >= self.max_items:
                self._left_out += 1
                continue
            self._items[item.device_id] = item
        return self.full

    @property
    def full(self) -> bool:
        return self._told >= 0 and len(self._items) + self._left_out >= self._told

    @property
    def deadline(self) -> float:
        """When waiting ends if no further page comes."""
        if self.pages == 0:
            return self.started + self.quiet_s * FIRST_PAGE_FACTOR
        return self._last + self.quiet_s

    def result(self) -> CatalogResult:
        return CatalogResult(tuple(self._items.values()), max(self._told, 0), self.full, self.pages, self._left_out)


def merged(first: CatalogResult, second: CatalogResult) -> CatalogResult:
    """Two incomplete answers as one. The same items twice mean that the sum lies: then they are all there is."""
    items = {item.device_id: item for item in (*first.items, *second.items)}
    once, again = ({item.device_id for item in r.items} for r in (first, second))
    complete = second.complete or 0 < second.told <= len(items) or (once == again and bool(again))
    return CatalogResult(
        tuple(items.values()),
        second.told or first.told,
        complete,
        first.pages + second.pages,
        max(first.left_out, second.left_out),
    )


def voice_outputs(device_id: str, items: Iterable[CatalogItem]) -> dict[str, str]:
    """Who plays sound: channel or device → its voice output (type 137, a child of it: 2022 §9.12.1).

    One that hangs under a group, a civil code or nothing belongs to the whole device.
    """
    known = list(items)
    cameras = {i.device_id for i in known if ids.type_code(i.device_id) not in ids.UNWATCHABLE_TYPES}
    found: dict[str, str] = {}
    for item in known:
        if ids.type_code(item.device_id) == ids.VOICE_OUTPUT_TYPE:
            for parent in [p for p in item.parents if p in cameras] or [device_id]:
                found.setdefault(parent, item.device_id)
    return found


def channels_of(device_id: str, items: Iterable[CatalogItem], *, talks: bool | None = None) -> list[ChannelReport]:
    """The items that can be watched. A device without any is its own channel, if its type has a lens.

    `talks`: whether they play sound; None: those that have a voice output, or whose device has one.
    Left out: civil codes, groups, servers, alarm and audio parts, recorders that hold other items, and the device
    itself (or our own domain) listed among its channels, unless it is the only one.
    """
    known = list(items)
    parents = {parent for item in known for parent in item.parents}
    outputs = voice_outputs(device_id, known)

    def speaks(channel: str) -> bool:
        return bool({channel, device_id} & outputs.keys()) if talks is None else talks

    found: list[ChannelReport] = []
    own: CatalogItem | None = None
    for item in known:
        code = ids.type_code(item.device_id)
        if not ids.is_device_id(item.device_id) or code in ids.UNWATCHABLE_TYPES:
            continue
        if item.device_id == device_id:
            own = item
        elif not (code in ids.CONTAINER_TYPES and item.device_id in parents):
            found.append(report(item, talk_back=speaks(item.device_id)))
    if not found and own is not None:
        found.append(report(own, talk_back=speaks(device_id)))
    if not found and own is None and _is_its_own_channel(device_id, known):
        found.append(ChannelReport(device_id, "", capabilities=_capabilities(0, talk_back=speaks(device_id))))
    return found


def _is_its_own_channel(device_id: str, items: Sequence[CatalogItem]) -> bool:
    watchable = any(ids.is_device_id(item.device_id) for item in items)
    return not watchable and ids.type_code(device_id) in ids.CAMERA_TYPES | {"118"}


def report(item: CatalogItem, *, talk_back: bool = False) -> ChannelReport:
    """A catalogue item as the core wants it."""
    return ChannelReport(
        external_id=item.device_id,
        name=item.name[:MAX_NAME],
        online=item.online is not False,
        parent=item.parents[0] if item.parents else "",
        capabilities=_capabilities(item.ptz_type, talk_back=talk_back, position=item.longitude is not None),
    )


def _capabilities(ptz_type: int, *, talk_back: bool = False, position: bool = False) -> Capabilities:
    """PTZType of the catalogue: 1 dome, 4 remote bullet, 5 remote half-dome move; 2, 3, 6, 7 do not.

    0 (not told) counts as movable: control balls in the field leave it out, and PTZ has no answer that would tell.
    """
    movable = ptz_type in (0, 1, 4, 5)
    return Capabilities(
        ptz=movable,
        zoom=movable,
        focus=movable,
        iris=movable,
        presets=movable,
        cruise=movable,
        talk_back=talk_back,
        position=position,
    )
