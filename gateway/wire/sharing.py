"""What of a kit's outbox a center may have, by the scope of its rights there: one rule for every way."""

from __future__ import annotations

import json


def may_have(scope: str, body: str) -> bool:
    """Whether an event with this `body` is of what the center may see; results of its orders always are. `scope` "":
    all of the kit."""
    if not scope:
        return True
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return False
    device = told.get("device") if isinstance(told, dict) else None
    return device is None or within(scope, str(device), str(told.get("channel") or ""))


def within(scope: str, device: str, channel: str = "") -> bool:
    """Scopes end at slashes: `kit1/ball-1` holds `kit1/ball-1/ch1`, not `kit1/ball-10`."""
    scope = scope.rstrip("/")
    subject = f"{device}/{channel}" if channel else device
    return not scope or subject == scope or subject.startswith(f"{scope}/")
