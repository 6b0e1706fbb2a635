"""The last line of `make bench-links`."""

from __future__ import annotations

from typing import Any

from tests.bench.links.__main__ import parts, together


def test_parts_are_put_together_by_name() -> None:
    assert {"flap", "modem", "probing", "switch"} <= set(parts())
    found: list[dict[str, Any]] = [
        {"part": "a", "cpu_percent": 1.5},
        {"part": "b", "summary": {"ours": {}}, "misattributed": 0},
        {"part": "c", "skipped": "x"},
        {"part": "d", "failed": "y"},
    ]
    whole = together([dict(one) for one in found])
    del found[1]["summary"]
    assert list(whole) == ["misattributed", "modem_back_s", "cpu_percent", "switch", "failed", "parts"]
    assert (whole["misattributed"], whole["modem_back_s"], whole["cpu_percent"]) == (0, None, 1.5)
    assert whole["switch"] == {"ours": {}} and whole["failed"] == ["d"] and whole["parts"] == found
