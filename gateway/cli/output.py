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


def console() -> Console:
    """Made at each use, so that it writes to the standard output of now (tests swap it)."""
    return Console(highlight=False)


def state(word: str) -> str:
    """A state word in its colour."""
    style = STATE_STYLE.get(word)
    return f"[{style}]{escape(word)}[/]" if style else escape(word)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A plain table; cells may carry markup, so whatever came from outside must be escaped by the caller. Control
    characters, as a stranger's message may hold, never reach the terminal."""
    made = Table(title=title or None, box=None, pad_edge=False, header_style="bold", title_justify="left")
    for place, column in enumerate(columns):
        made.add_column(column, overflow="fold", no_wrap=place == 0)
    for row in rows:
        made.add_row(*("\n".join(map(still, cell.split("\n"))) for cell in row))
    return made


def show_json(value: Any) -> None:
    """One JSON document on standard output, unstyled."""
    console().out(json.dumps(value, ensure_ascii=False, indent=2), highlight=False)


def show_error(error: GatewayError) -> None:
    cause, cure = cause_and_cure(error.code)
    to = Console(stderr=True, highlight=False)
    to.print(f"[bold red]{t('Failed', '失败')}[/] ({escape(error.code)}): {escape(str(error))}")
    to.print(f"  {t('Cause', '原因')}: {escape(cause)}")
    to.print(f"  {t('Cure', '处理')}:  {escape(cure)}")
