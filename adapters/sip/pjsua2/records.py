"""What the gateway and a worker say to each other: msgpack maps, one a record of an AF_UNIX SOCK_SEQPACKET socket.

Orders have `do`, events have `ev`; a call is a number that the gateway chose. The two ends are one release of one
program, so there is no version; but a worker may be half dead, so every record is bounded and checked.
"""

from __future__ import annotations

from typing import Any

import msgpack

from gateway.base.errors import LocalProtocolError

MAX_RECORD = 65536
MAX_CALLS = 4
"""Compiled into the pjsua2-python wheel: the fifth call of a process is refused by PJSIP itself."""


def pack(record: dict[str, Any]) -> bytes:
    data: bytes = msgpack.packb(record, use_bin_type=True)
    if len(data) > MAX_RECORD:
        raise LocalProtocolError(f"a record of {len(data)} bytes for the pjsua2 worker")
    return data


def unpack(data: bytes) -> dict[str, Any]:
    """Raises LocalProtocolError for what is no record."""
    try:
        record = msgpack.unpackb(data, raw=False, strict_map_key=True, max_str_len=MAX_RECORD)
    except (ValueError, msgpack.UnpackException) as exc:
        raise LocalProtocolError(f"the pjsua2 worker sent no record: {exc}") from exc
    if not isinstance(record, dict):
        raise LocalProtocolError("the pjsua2 worker sent no map")
    return record
