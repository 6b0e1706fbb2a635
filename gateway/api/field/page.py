"""The page as the server makes it. It is whole without a script; `page.js` only keeps it as of now."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from gateway.model.field_words import LANGUAGES
from gateway.model.reason import reason

FOLDER = Path(__file__).parent
FILES = {"page.css": "text/css; charset=utf-8", "page.js": "text/javascript; charset=utf-8"}
TEXT: Mapping[str, Mapping[str, str]] = {
    "title": {"zh": "现场状态", "en": "Field state"},
    "other": {"zh": "EN", "en": "中文"},
    "lost": {"zh": "与终端站失去联系", "en": "No contact with the kit"},
    "lostCure": {
        "zh": "请靠近终端站并检查 Wi-Fi；页面会自动恢复。",
        "en": "Go nearer to the kit and check Wi-Fi; this page comes back by itself.",
    },
    "battery": {"zh": "电池", "en": "Battery"},
}
# One shape for each word, so that it is told apart without colour: disc, ring, triangle, octagon.
SHAPES: Mapping[str, str] = {
    "ready": '<circle cx="50" cy="50" r="44"/><path class="mark" d="M28 52 L44 68 L74 34"/>',
    "connecting": '<path class="ring" d="M50 10 A40 40 0 1 1 12 38"/>',
    "degraded": '<path d="M50 6 L96 90 L4 90 Z"/><path class="mark" d="M50 36 V62 M50 74 V78"/>',
    "technician": (
        '<path d="M30 4 H70 L96 30 V70 L70 96 H30 L4 70 V30 Z"/><path class="mark" d="M33 33 L67 67 M67 33 L33 67"/>'
    ),
    "lost": '<path class="ring" d="M14 14 L86 86 M50 10 A40 40 0 0 1 90 50 M10 50 A40 40 0 0 0 50 90"/>',
}


def language_of(wished: str, accepted: str) -> str:
    """By the address, else by what the browser asks for first, else Chinese."""
    if wished in LANGUAGES:
        return wished
    first = accepted.split(",")[0].strip().lower()
    return "zh" if not first or first.startswith("zh") else "en"


def page(told: Mapping[str, Any], language: str, name: str) -> str:
    """HTML of `words.told`."""
    other = "en" if language == "zh" else "zh"
    shapes = "".join(
        f'<svg class="shape {word}" viewBox="0 0 100 100" aria-hidden="true">{drawn}</svg>'
        for word, drawn in SHAPES.items()
    )
    more = "".join(f"<li>{escape(one[language])}</li>" for one in told["more"])
    links = "".join(_link(row, language) for row in told["links"])
    return f"""<!doctype html>
<html lang="{language}" data-other="{other}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="theme-color" content="#101418">
<title>{escape(told["words"][language])} · {escape(name)} · {TEXT["title"][language]}</title>
<link rel="stylesheet" href="/field/page.css">
<link rel="icon" href="/favicon.svg">
<noscript><meta http-equiv="refresh" content="5"></noscript>
</head>
<body class="{escape(told["word"])}" data-lost="{TEXT["lost"][language]}" data-lost-other="{TEXT["lost"][other]}"
 data-cure="{TEXT["lostCure"][language]}" data-battery="{TEXT["battery"][language]}">
<header><span id="kit">{escape(name)}</span><span id="level">{_level(told, language)}</span>
<a href="/field?lang={other}">{TEXT["other"][language]}</a></header>
<main role="status" aria-live="assertive">
{shapes}
<h1 id="word">{escape(told["words"][language])}</h1>
<p id="other" lang="{other}">{escape(told["words"][other])}</p>
<p id="cause">{escape(told["cause"][language])}</p>
<p id="cure">{escape(told["cure"][language])}</p>
<ul id="more">{more}</ul>
</main>
<ul id="links">{links}</ul>
<script src="/field/page.js"></script>
</body>
</html>
"""


REFUSED: Mapping[str, Mapping[str, str]] = {
    "field-elsewhere": {"zh": "此处不可查看", "en": "Not shown here"},
    "field-off": {"zh": "本页未启用", "en": "Switched off"},
}


def refused(code: str, language: str) -> str:
    """For a person whom the page is not for: why, and what to do, in both languages. Nothing of the kit is in it; it
    asks again by itself, for whoever walks back."""
    other = "en" if language == "zh" else "zh"
    words = reason(code)
    told = {"zh": f"{words.cause_zh}{words.cure_zh}", "en": f"{words.cause_en} {words.cure_en}"}
    return f"""<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="15">
<title>{TEXT["title"][language]} · {REFUSED[code][language]}</title>
<link rel="stylesheet" href="/field/page.css">
<link rel="icon" href="/favicon.svg">
</head>
<body class="lost">
<main>
<svg class="shape lost" viewBox="0 0 100 100" aria-hidden="true">{SHAPES["lost"]}</svg>
<h1>{REFUSED[code][language]}</h1>
<p id="other" lang="{other}">{REFUSED[code][other]}</p>
<p id="cause">{escape(told[language])}</p>
<p id="cure" lang="{other}">{escape(told[other])}</p>
<p id="code">{code}</p>
</main>
</body>
</html>
"""


@cache
def file(name: str) -> bytes:
    """Raises KeyError for what is none of the page's files."""
    FILES[name]
    return (FOLDER / name).read_bytes()


def _level(told: Mapping[str, Any], language: str) -> str:
    if told["level"] is None:
        return TEXT["battery"][language] if told["battery"] else ""
    return f"{'▼' if told['battery'] else '▲'} {told['level']} %"


def _link(row: Mapping[str, Any], language: str) -> str:
    bars = "" if row["bars"] is None else "▮" * row["bars"] + "▯" * (5 - row["bars"])
    mark = "✔" if row["carries"] else "✖"
    name, phase = escape(row["name"][language]), escape(row["phase"][language])
    return (
        f'<li class="{"carries" if row["carries"] else "out"}"><b>{mark}</b><span>{name}</span>'
        f"<i>{bars}</i><em>{phase}</em></li>"
    )
