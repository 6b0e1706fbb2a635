"""Directory, presence, telemetry, events and orders for fleets by an MQTT broker: at a kit and at a center."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapters.mqtt.adapter import Mqtt

__all__ = ["Mqtt"]


def __getattr__(name: str) -> Any:
    """Import on first use: checking a configuration needs no adapter."""
    if name == "Mqtt":
        from adapters.mqtt.adapter import Mqtt

        return Mqtt
    raise AttributeError(name)
