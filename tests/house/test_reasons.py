"""Every reason code that the tree uses has its words in both languages."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.model import reason
from gateway.model.reason import REASONS

ROOT = Path(__file__).parents[2]

# How codes appear: error classes' and errors' `code="…"`, `code = "…"`.
_PYTHON = re.compile(r"\bcode\s*=\s*\"([a-z0-9][a-z0-9-]+)\"")
# In the media plane: `code: "…"`.
_RUST = re.compile(r"\bcode:\s*\"([a-z0-9][a-z0-9-]+)\"")


def _used() -> dict[str, str]:
    used: dict[str, str] = {}
    for folder, suffix, pattern in (
        ("gateway", "py", _PYTHON),
        ("adapters", "py", _PYTHON),
        ("codecs/src", "rs", _RUST),
    ):
        for path in (ROOT / folder).rglob(f"*.{suffix}"):
            for code in pattern.findall(path.read_text()):
                used.setdefault(code, str(path.relative_to(ROOT)))
    return used


def test_every_code_has_words() -> None:
    used = _used()
    assert used, "the pattern finds no code at all: it has rotted"
    assert {code: where for code, where in used.items() if code not in REASONS} == {}


def test_words_are_whole() -> None:
    for row in REASONS.values():
        for text in (row.cause_en, row.cure_en, row.cause_zh, row.cure_zh):
            assert text.strip() == text and text[-1] in ".。", row.code
        assert re.search(r"[\u4e00-\u9fff]", row.cause_zh) and re.search(r"[\u4e00-\u9fff]", row.cure_zh), row.code


def test_no_code_stands_twice() -> None:
    assert len(REASONS) == sum(len(field.ROWS) for field in reason._FIELDS)
