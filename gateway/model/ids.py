"""Names of things that leave the daemon.

An id is text `{gateway}/{device}/{channel}`, stable over restarts. On a kit the gateway part may be left out by
whoever asks; everything the daemon says carries it. The 20 digits of GB/T 28181 are an attribute of a device or
channel (`external_id`), never the key.
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass
from typing import NewType

from gateway.base.errors import NotFound

GatewayId = NewType("GatewayId", str)
DeviceId = NewType("DeviceId", str)  # "{gateway}/{device}"
StreamId = NewType("StreamId", str)  # "{gateway}/{device}/{channel}"

_SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def is_slug(text: str) -> bool:
    """True when `text` may be one part of an id: lower-case letters, digits, `.`, `_`, `-`; at most 64."""
    return _SLUG.fullmatch(text) is not None


def device_id(gateway: str, device: str) -> DeviceId:
    return DeviceId(f"{gateway}/{device}")


def stream_id(device: DeviceId, channel: str) -> StreamId:
    return StreamId(f"{device}/{channel}")


@dataclass(frozen=True, slots=True)
class ChannelRef:
    """An id taken apart. `channel` is empty when the whole device is meant."""

    gateway: str
    device: str
    channel: str = ""

    @property
    def device_id(self) -> DeviceId:
        return device_id(self.gateway, self.device)

    @property
    def stream_id(self) -> StreamId:
        return StreamId(f"{self.gateway}/{self.device}/{self.channel}")

    def __str__(self) -> str:
        return self.stream_id if self.channel else self.device_id


def parse_ref(text: str, *, home: str, kits: Container[str] = ()) -> ChannelRef:
    """Take `gateway/device/channel`, `gateway/device`, `device/channel` or `device` apart; `home` is our own gateway,
    `kits` are those that it holds as a center.

    Two parts are read as `device/channel` unless the first one is a gateway. Raises NotFound on anything else.
    """
    parts = text.strip("/").split("/")
    if not all(is_slug(part) for part in parts) or not 1 <= len(parts) <= 3:
        raise NotFound(f"{text[:120]!r} is not an id of the form gateway/device/channel")
    if len(parts) == 3:
        return ChannelRef(parts[0], parts[1], parts[2])
    if len(parts) == 2 and parts[0] != home and parts[0] not in kits:
        return ChannelRef(home, parts[0], parts[1])
    if len(parts) == 2:
        return ChannelRef(parts[0], parts[1])
    return ChannelRef(home, parts[0])
