"""Who may call whom, and how many at a time. Sans-IO. Deny by default: what no word allows is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from adapters.sip.numbers import Meaning, fits
from gateway.base.day_budget import DayBudget
from gateway.base.errors import Busy, Denied


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, in the words of the configuration: `label` is "user:anna", "trunk:center" or "people"."""

    label: str
    calls: Sequence[str]
    everything: bool = False  # the gateway itself: a talk group calls its members


def check_rights(caller: Caller, meaning: Meaning, dialled: str, group_callers: Mapping[str, Sequence[str]]) -> Meaning:
    """The meaning with the trunks that this caller may use. Raises Denied `number-denied`."""
    if caller.everything:
        return meaning
    target = meaning.target
    if target.kind == "group":
        alone = group_callers.get(target.ref.rpartition("/")[2], group_callers.get(target.ref))
        if alone is not None and caller.label not in alone:
            raise Denied(f"{caller.label} may not call {target.ref}", code="number-denied")
    if meaning.emergency and caller.label.startswith("user:"):
        return meaning
    if any(word.startswith("number:") and fits(word.removeprefix("number:"), dialled) for word in caller.calls):
        return meaning
    if meaning.trunks:
        allowed = tuple(t for t in meaning.trunks if "trunks" in caller.calls or f"trunk:{t}" in caller.calls)
        if allowed:
            return Meaning(target, meaning.user, allowed, meaning.number, meaning.emergency)
    else:
        word = "users" if meaning.user else {"group": "groups", "channel": "channels"}.get(target.kind, target.kind)
        if word in caller.calls:
            return meaning
    raise Denied(f"{caller.label} may not call {dialled[:64]!r}", code="number-denied")


class Caps:
    """Places for concurrent calls: the whole, and one for each trunk and user. Full means Busy."""

    def __init__(self, whole: int, budgets: Mapping[str, DayBudget] | None = None) -> None:
        """`budgets`: by label, of trunks that have one."""
        self.whole = whole
        self._budgets = dict(budgets or {})
        self._total = 0
        self._held: Counter[str] = Counter()

    @property
    def total(self) -> int:
        return self._total

    def held(self, label: str) -> int:
        return self._held[label]

    def used_s(self, label: str) -> float:
        """How long places of it were held within the last day."""
        budget = self._budgets.get(label)
        return budget.used_s() if budget is not None else 0.0

    def take(self, label: str, limit: int, *, over: bool = False, budget_s: float = 0.0) -> Callable[[], None]:
        """A place for one call of `label`; what is returned gives it back, once. `over`: an emergency call has a place
        whatever the caps say. `budget_s`: so long may its calls take within a day; one that stands is not cut off.
        Raises Busy `trunk-full`, `trunk-budget` or `too-many-calls`."""
        if not over:
            if budget_s and self.used_s(label) >= budget_s:
                raise Busy(f"{label}: {budget_s / 60:.0f} minutes within a day are used up", code="trunk-budget")
            if self._held[label] >= limit:
                code = "trunk-full" if label.startswith("trunk:") else "too-many-calls"
                raise Busy(f"{label}: {limit} calls stand (max_calls)", code=code)
            if self._total >= self.whole:
                raise Busy(f"{self.whole} calls stand (max_calls)", code="too-many-calls")
        self._total += 1
        self._held[label] += 1
        given = False
        end = self._budgets.setdefault(label, DayBudget()).begin() if budget_s else None

        def give_back() -> None:
            nonlocal given
            if given:
                return
            given = True
            if end is not None:
                end()
            self._total -= 1
            self._held[label] -= 1
            if self._held[label] <= 0:
                del self._held[label]

        return give_back
