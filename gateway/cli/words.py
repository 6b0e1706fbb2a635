"""The command line's two languages: `t("English", "中文")` gives the one in use.

Chosen by `--lang`, else FIELDGATE_LANG, else the locale (LC_ALL, LC_MESSAGES, LANG): Chinese when it begins with
`zh`, English otherwise. Command modules load after the language is known, so that their help follows it too.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from gateway.model.reason import reason

LANGUAGES = ("zh", "en")


def detect(environ: Mapping[str, str], argv: Sequence[str]) -> str:
    """The language asked for by `--lang zh`, `--lang=zh`, the environment or the locale."""
    for position, word in enumerate(argv):
        if word.startswith("--lang="):
            return _clean(word.partition("=")[2])
        if word == "--lang" and position + 1 < len(argv):
            return _clean(argv[position + 1])
    for name in ("FIELDGATE_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environ.get(name):
            return _clean(value)
    return "en"


def _clean(text: str) -> str:
    return "zh" if text.lower().startswith("zh") else "en"


_language = detect(os.environ, sys.argv[1:])


def language() -> str:
    return _language


def choose(text: str) -> None:
    """Use this language from now on."""
    global _language
    _language = _clean(text)


def t(en: str, zh: str) -> str:
    return zh if _language == "zh" else en


def cause_and_cure(code: str) -> tuple[str, str]:
    """A reason code in the language in use."""
    words = reason(code)
    return (words.cause_zh, words.cure_zh) if _language == "zh" else (words.cause_en, words.cure_en)
