"""What was written down in English (a finding, a detail of a reason, an error) in Chinese.

Causes and cures have both languages by their codes. What stands beside them was written where it happened, with names
and numbers in it, and goes through API and store as one text: it is known again by its words, `{}` for what varies, and
what varies is looked up in turn. A text that is not known stays as it is. The console does the same with the same rows
(console/src/phrases.ts).
"""

from __future__ import annotations

import re
from functools import cache

from gateway.model.phrases import bearers, calls, config, devices, doctor, sources, system
from gateway.model.reason import REASONS

DEEP, LONG = 5, 2000
_STATES = "absent|locked|searching|registered|connecting|up|degraded|recovering|down|off"
_BEARER = re.compile(rf"((?:\S+ ){{0,3}})({_STATES})((?: \S.*)?)")
"""`model.doctor.of_bearer`: the device, how it stands, the step back, the detail."""
_FIELDS = (doctor, bearers, calls, config, system, sources, devices)
PHRASES: tuple[tuple[str, str], ...] = tuple(row for field in _FIELDS for row in field.PHRASES)


def reason_words(text: str) -> tuple[str, str] | None:
    """English and Chinese of a detail that is another reason's code."""
    if "-" in text and (told := REASONS.get(text)) is not None:
        return told.cause_en, told.cause_zh
    return None


def chinese(text: str) -> str:
    return _chinese(text, 0) if len(text) <= LONG else text


def _chinese(text: str, deep: int) -> str:
    exact, patterns = _catalogue()
    if (found := exact.get(text)) is not None:
        return found
    if deep >= DEEP or not text or text.isdigit():
        return text
    for pattern, told in patterns:
        if (match := pattern.fullmatch(text)) is not None:
            return told.format(*(_chinese(one, deep + 1) for one in match.groups()))
    # What was done, and what came of it; several of a kind. Only where a part of it is known.
    for sign, joined in ((": ", "："), ("; ", "；"), (", ", "，")):
        head, found_sign, tail = text.partition(sign)
        if found_sign and head and tail:
            both = _chinese(head, deep + 1), _chinese(tail, deep + 1)
            if both != (head, tail):
                return joined.join(both)
    if (match := _BEARER.fullmatch(text)) is not None:
        device, state, detail = match.groups()
        return f"{device}{exact[state]}{' ' * bool(detail)}{_chinese(detail.strip(), deep + 1)}"
    return text


@cache
def _catalogue() -> tuple[dict[str, str], list[tuple[re.Pattern[str], str]]]:
    exact = {en: zh for en, zh in PHRASES if "{}" not in en}
    varied = sorted((row for row in PHRASES if "{}" in row[0]), key=lambda row: -len(row[0].replace("{}", "")))
    return exact, [(re.compile("(.*?)".join(map(re.escape, en.split("{}"))), re.DOTALL), zh) for en, zh in varied]
