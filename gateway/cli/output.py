"""How commands show things: tables for people, JSON for programs, errors with cause and cure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.base.errors import GatewayError
from gateway.cli.words import cause_and_cure, t
from gateway.cli.zh import local
from gateway.wire.plain import still

STATE_STYLE = {
    "online": "green",
    "live": "green",
    "ok": "green",
    "done": "green",
    "degraded": "yellow",
    "opening": "yellow",
    "stalled": "yellow",
    "waiting": "yellow",
    "warn": "yellow",
    "pending": "yellow",
    "offline": "red",
    "fail": "red",
    "critical": "red",
    "idle": "dim",
    "off": "dim",
}


STATE_ZH = {
    "online": "在线",
    "live": "实时",
    "ok": "正常",
    "done": "完成",
    "degraded": "部分异常",
    "opening": "正在打开",
    "stalled": "画面停滞",
    "waiting": "等待",
    "warn": "警告",
    "pending": "待准入",
    "offline": "离线",
    "fail": "失败",
    "critical": "严重",
    "idle": "空闲",
    "off": "未启用",
}


def console() -> Console:
    """Made at each use, so that it writes to the standard output of now (tests swap it)."""
    return Console(highlight=False)


def state(word: str) -> str:
    """A state word in its colour."""
    style, told = STATE_STYLE.get(word), escape(t(word, STATE_ZH.get(word, word)))
    return f"[{style}]{told}[/]" if style else told


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A plain table; cells may carry markup, so whatever came from outside must be escaped by the caller. Control
    characters, as a stranger's message may hold, never reach the terminal."""
    made = Table(title=title or None, box=None, pad_edge=False, header_style="bold", title_justify="left")
    for place, column in enumerate(columns):
        made.add_column(column, overflow="fold", no_wrap=place == 0)
    for row in rows:
        made.add_row(*("\n".join(map(still, cell.split("\n"))) for cell in row))
    return made


def why(told: Sequence[tuple[str, str, str]]) -> Table | None:
    """Below a table: of each (name, code, detail) with a code the cause, its detail and what to do. Those of one code
    stand together. A column of a table would have room for a word in each line."""
    by_code: dict[str, list[tuple[str, str]]] = {}
    for name, code, detail in told:
        if code:
            by_code.setdefault(code, []).append((name, detail))
    made = Table(box=None, pad_edge=False, show_header=False)
    made.add_column(overflow="fold", max_width=24)
    made.add_column(overflow="fold")
    for code, found in by_code.items():
        cause, cure = cause_and_cure(code)
        details = [local(detail) if len(found) == 1 else f"{name}: {local(detail)}" for name, detail in found if detail]
        lines = [
            escape(cause),
            *(f"[dim]{escape(still(line))}[/]" for line in details),
            *([todo(cure)] if cure else []),
        ]
        made.add_row("\n".join(f"[bold]{escape(still(name))}[/]" for name, _ in found), "\n".join(lines))
    return made if by_code else None


def todo(cure: str) -> str:
    """With the sign that what follows is to be done; a Chinese sentence is one word to who breaks lines."""
    return f"[bold]{t('→ ', '→')}{escape(cure)}[/]"


def show_json(value: Any) -> None:
    """One JSON document on standard output, unstyled."""
    console().out(json.dumps(value, ensure_ascii=False, indent=2), highlight=False)


def show_error(error: GatewayError) -> None:
    cause, cure = cause_and_cure(error.code)
    to = Console(stderr=True, highlight=False)
    to.print(f"[bold red]{t('Failed', '失败')}[/] ({escape(error.code)}): {escape(local(str(error)))}")
    to.print(f"  {t('Cause', '原因')}: {escape(cause)}")
    to.print(f"  {t('Cure', '处理')}:  {escape(cure)}")
