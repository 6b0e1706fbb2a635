"""What of a kit's outbox a center may have."""

from __future__ import annotations

import json

import pytest

from gateway.wire.sharing import may_have, within


@pytest.mark.parametrize(
    ("scope", "device", "channel", "may"),
    [
        ("", "kit7/ball-1", "ch1", True),
        ("kit7/ball-1", "kit7/ball-1", "ch1", True),
        ("kit7/ball-1/", "kit7/ball-1", "", True),
        ("kit7/ball-1", "kit7/ball-10", "ch1", False),
        ("kit7/ball-1/ch1", "kit7/ball-1", "ch1", True),
        ("kit7/ball-1/ch1", "kit7/ball-1", "ch10", False),
        ("kit7/ball-1/ch1", "kit7/ball-1", "", False),
        ("kit7", "kit7/ball-1", "", True),
    ],
)
def test_a_scope_ends_at_slashes(scope: str, device: str, channel: str, may: bool) -> None:
    assert may_have(scope, json.dumps({"device": device, "channel": channel})) is may
    assert within(scope, device, channel) is may


def test_results_of_its_orders_are_a_centers_and_what_can_not_be_read_is_nobodys() -> None:
    assert may_have("kit7/a", '{"id": "o-1", "outcome": "done"}') and may_have("kit7/a", '["text"]')
    assert not may_have("kit7/a", "no json") and may_have("", "no json")
    assert not within("kit7/a", ""), "a file that is of no device"
