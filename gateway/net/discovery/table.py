"""What was found, put together: one device found in several ways is one find. Bounded; nothing here is believed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from gateway.model.discovery import Find, FindKind, FindWay

MAX_FINDS = 512

_RANK = {FindKind.CAMERA: 0, FindKind.SOURCE: 1, FindKind.STREAM: 2, FindKind.OTHER: 3}


def key_of(*parts: str) -> str:
    """Short, and the same in every search: eight hexadecimal digits."""
    return hashlib.blake2s("\0".join(parts).encode(), digest_size=4).hexdigest()


class Finds:
    def __init__(self) -> None:
        self._finds: dict[str, Find] = {}
        self.left_out = 0

    def __len__(self) -> int:
        return len(self._finds)

    def get(self, key: str) -> Find | None:
        return self._finds.get(key)

    def all(self) -> list[Find]:
        """Cameras first, then sources, streams, and the rest; by address within."""
        merged = self._merged()
        return sorted(merged, key=lambda f: (_RANK[f.kind], _sortable(f.address), f.name, f.key))

    def put(self, find: Find) -> None:
        """New, or the newer word on one that is known."""
        before = self._finds.get(find.key)
        if before is None:
            if len(self._finds) >= MAX_FINDS:
                self.left_out += 1
                return
            self._finds[find.key] = find
            return
        self._finds[find.key] = replace(
            find,
            ways=_united(before.ways, find.ways),
            name=find.name or before.name,
            manufacturer=find.manufacturer or before.manufacturer,
            model=find.model or before.model,
            urls=tuple(dict.fromkeys((*find.urls, *before.urls)))[:8],
            identity=find.identity or before.identity,
            codecs=find.codecs or before.codecs,
            first_seen=before.first_seen,
        )

    def _merged(self) -> Sequence[Find]:
        """A camera's own web page, its SSDP notice and its printer-like mDNS name are no finds beside it."""
        cameras = {f.address: f for f in self._finds.values() if f.kind is FindKind.CAMERA}
        out: dict[str, Find] = {}
        for find in self._finds.values():
            camera = cameras.get(find.address)
            if find.kind is not FindKind.OTHER or camera is None:
                out.setdefault(find.key, find)
                continue
            known = out.get(camera.key, camera)
            out[camera.key] = replace(
                known,
                ways=_united(known.ways, find.ways),
                name=known.name or find.name,
                manufacturer=known.manufacturer or find.manufacturer,
                model=known.model or find.model,
            )
        return list(out.values())


def _united(a: tuple[FindWay, ...], b: tuple[FindWay, ...]) -> tuple[FindWay, ...]:
    return tuple(way for way in FindWay if way in a or way in b)


def _sortable(address: str) -> tuple[int, tuple[int, ...], str]:
    parts = address.split(".")
    if len(parts) == 4 and all(p.isdecimal() for p in parts):
        return 0, tuple(int(p) for p in parts), ""
    return 1, (), address
