"""Lamps: which there are, and how each word is lit. Sans-IO.

```
 ready       ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▁   on, with a wink every three seconds: one that does not wink is of a gateway that is dead
 connecting  ▇▇▇▁▁▁▇▇▇▁▁▁     slow, one a second
 degraded    ▇▁▇▁▁▁▁▁▁▁▁▁     two short flashes, then a pause
 technician  ▇▁▇▁▇▁▇▁▇▁▇▁     fast, five a second
```
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.model.kit_state import FieldWord

PATTERNS: dict[FieldWord, Sequence[tuple[bool, float]]] = {
    FieldWord.READY: ((True, 2.8), (False, 0.2)),
    FieldWord.CONNECTING: ((True, 0.5), (False, 0.5)),
    FieldWord.DEGRADED: ((True, 0.15), (False, 0.15), (True, 0.15), (False, 1.05)),
    FieldWord.TECHNICIAN: ((True, 0.1), (False, 0.1)),
}

_GPIO = re.compile(r"gpio:(/dev/gpiochip\d{1,3}|/dev/[A-Za-z0-9_./-]{1,80}):(\d{1,4})(:low)?")
_LED = re.compile(r"led:([A-Za-z0-9_.:-]{1,63})")


@dataclass(frozen=True, slots=True)
class Lamp:
    """A line of a GPIO chip (`chip`, `line`), or a LED of the kernel by name. `words`: those that it is lit for."""

    text: str
    words: frozenset[FieldWord]
    chip: str = ""
    line: int = 0
    low: bool = False
    led: str = ""


def parse_lamp(text: str) -> Lamp:
    """Raises ValueError that says what to write."""
    where, sign, named = text.partition("=")
    try:
        words = frozenset(FieldWord(one.strip()) for one in named.split(",")) if sign else frozenset(FieldWord)
    except ValueError:
        raise ValueError(f"{text!r}: words are {', '.join(word.value for word in FieldWord)}") from None
    if (found := _GPIO.fullmatch(where)) is not None and ".." not in where:
        return Lamp(text, words, chip=found.group(1), line=int(found.group(2)), low=bool(found.group(3)))
    if (found := _LED.fullmatch(where)) is not None and ".." not in where:
        return Lamp(text, words, led=found.group(1))
    raise ValueError(f'{text!r}: write "gpio:/dev/gpiochip0:17", with ":low" if it is lit by 0, or "led:name"')


def lit(word: FieldWord, elapsed_s: float) -> tuple[bool, float]:
    """Whether it is on so long after the word came, and how long it stays so."""
    pattern = PATTERNS[word]
    left = elapsed_s % sum(length for _, length in pattern)
    for on, length in pattern:
        if left < length - 1e-6:
            return on, length - left
        left -= length
    return pattern[0][0], pattern[0][1]
