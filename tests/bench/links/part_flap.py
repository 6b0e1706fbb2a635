"""Half an hour of borderline links in time of the bench's own: changes by our rule beside the plain rule's, by seed."""

from __future__ import annotations

from tests.unit.core.borderline import half_an_hour

SEEDS = 6


async def run(seconds: float, seed: int) -> dict[str, object]:
    found = [half_an_hour(number) for number in range(seed, seed + SEEDS)]
    return {
        "changes_most": max(len(one.changes) for one in found),
        "plain_changes_least": min(one.plain for one in found),
        "on_a_dead_link_most": round(max(one.dead for one in found), 4),
        "seeds": SEEDS,
    }
