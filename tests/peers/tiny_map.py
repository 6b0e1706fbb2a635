"""A PMTiles file (version 3 of its specification) whose every tile is the same: one colour, or one area of a layer."""

from __future__ import annotations

import json
import struct
import zlib

PNG, MVT = 2, 1
MAX_ZOOM = 8
EXTENT = 4096


def pmtiles(kind: int, tile: bytes, layers: tuple[str, ...] = ()) -> bytes:
    """The whole world down to `MAX_ZOOM`, one run of one tile."""
    tiles = (4 ** (MAX_ZOOM + 1) - 1) // 3
    directory = b"".join(map(varint, (1, 0, tiles, len(tile), 1)))  # entries, id, run, length, offset + 1
    about = json.dumps({"vector_layers": [{"id": layer, "fields": {}} for layer in layers]} if layers else {}).encode()
    at_about = 127 + len(directory)
    at_tiles = at_about + len(about)
    places = (127, len(directory), at_about, len(about), at_tiles, 0, at_tiles, len(tile), tiles, 1, 1)
    uncompressed = 1
    head = b"PMTiles\x03" + struct.pack("<11Q", *places)
    head += struct.pack("<6B", 1, uncompressed, uncompressed, kind, 0, MAX_ZOOM)
    head += struct.pack("<4iB2i", -1_800_000_000, -850_000_000, 1_800_000_000, 850_000_000, 0, 0, 0)
    return head + directory + about + tile


def png(red: int, green: int, blue: int, side: int = 256) -> bytes:
    """A square of one colour."""
    rows = (b"\x00" + bytes((red, green, blue)) * side) * side
    header = struct.pack(">2I5B", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def area(layer: str) -> bytes:
    """A vector tile (Mapbox Vector Tile 2.1) that the named layer fills."""
    steps = [9, 0, 0, 26, 2 * EXTENT, 0, 0, 2 * EXTENT, 2 * EXTENT - 1, 0, 15]  # move, three lines, close
    feature = _field(3, 3) + _bytes(4, b"".join(map(varint, steps)))
    made = _field(15, 2) + _bytes(1, layer.encode()) + _bytes(2, feature) + _field(5, EXTENT)
    return _bytes(3, made)


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _field(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def _bytes(number: int, value: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(value)) + value


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
