"""What a center says of its kits: whose outbox is full, and what that cost."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from adapters.mqtt.adapter import Mqtt
from adapters.mqtt.center_kit import HeardKit
from adapters.mqtt.center_orders import MqttWay
from adapters.mqtt.config import MqttConfig
from adapters.mqtt.protocol.messages import Birth, Telemetry
from gateway.base.moment import TimeQuality
from gateway.model.doctor import Grade
from tests.unit.mqtt.rig import Fleet

FULL = Telemetry(1, 1, "i", 1, "boot", 1.0, 1.0, TimeQuality.NTP, waiting=900, dropped=12, full=True)


def test_a_kit_whose_outbox_is_full_is_named_until_there_is_room() -> None:
    nothing: Any = None
    mqtt = Mqtt(MqttConfig(), nothing)
    kit = HeardKit("kit7", Fleet(), MqttWay("kit7", nothing, lambda: "i"), lambda: 1.0)  # type: ignore[arg-type]
    center: Any = SimpleNamespace(kits={"kit7": kit})
    kit.state(Birth(True, 1, 1, "i"), 0.0)
    assert mqtt._kits_found(center) == []
    kit.telemetry(FULL, 1.0)
    (found,) = mqtt._kits_found(center)
    assert (found.code, found.grade) == ("outbox-full", Grade.WARN)
    assert "900 wait, 12 were given up" in found.measured and "kit7" in found.check
    kit.telemetry(replace(FULL, full=False), 2.0)
    assert mqtt._kits_found(center) == []
