"""Times as people say them."""

from __future__ import annotations

import time

from gateway.cli.words import t


def ago(at: float | None, now: float | None = None) -> str:
    """`at` (unix seconds) as "12 s ago"; "–" for never."""
    if not at:
        return "–"
    return span(max(0.0, (time.time() if now is None else now) - at)) + t(" ago", "前")


def span(seconds: float) -> str:
    for unit, factor in ((t(" d", " 天"), 86400), (t(" h", " 小时"), 3600), (t(" min", " 分钟"), 60)):
        if seconds >= 2 * factor:
            return f"{seconds / factor:.0f}{unit}"
    return f"{seconds:.0f}{t(' s', ' 秒')}"
