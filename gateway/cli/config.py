"""`fieldgate config`: the whole configuration with comments, what is wrong with it, and what differs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.syntax import Syntax

from gateway.cli.output import console, show_json
from gateway.cli.words import t
from gateway.cli.zh import local

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help=t("Configuration: print, check, diff.", "配置：打印、检查、比较。"),
)

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help=t(
            "Configuration file; else /etc/fieldgate/fieldgate.toml.", "配置文件；缺省 /etc/fieldgate/fieldgate.toml。"
        ),
    ),
]


@app.command(
    "print", help=t("Every key with its value and a comment, as TOML.", "以 TOML 打印全部配置项、取值与说明。")
)
def print_(
    config: ConfigFile = None,
    defaults: Annotated[bool, typer.Option("--defaults", help=t("The embedded defaults.", "内置缺省值。"))] = False,
) -> None:
    from gateway.config.example import render
    from gateway.config.load import load_config
    from gateway.registry import Installed

    adapters = Installed()
    text = render(adapters) if defaults else render(adapters, load_config(config, adapters))
    to = console()
    if to.is_terminal:
        to.print(Syntax(text, "toml", background_color="default"))
    else:
        to.out(text, end="", highlight=False)


@app.command(help=t("Say what is wrong, key by key, and how to cure it.", "逐键指出错误与改法。"))
def check(
    config: ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help=t("Print JSON.", "输出 JSON。"))] = False,
) -> None:
    from gateway.config.load import check as check_config
    from gateway.registry import Installed

    made, problems = check_config(config, Installed())
    if as_json:
        show_json([{"key": p.key, "text": p.text, "warning": p.warning, "code": p.code} for p in problems])
    else:
        to = console()
        for problem in problems:
            grade = f"[yellow]{t('warning', '警告')}[/]" if problem.warning else f"[bold red]{t('error', '错误')}[/]"
            to.print(f"{grade} [bold]{escape(problem.key)}[/]: {escape(local(problem.text))}")
        if made is not None:
            to.print(f"[green]{t('The configuration is good.', '配置无误。')}[/]")
    raise typer.Exit(0 if made is not None else 1)


@app.command(help=t("What differs from the defaults, or between two files.", "与缺省值或另一文件的差异。"))
def diff(
    config: ConfigFile = None,
    against: Annotated[Path | None, typer.Option("--against", help=t("The other file.", "对比文件。"))] = None,
) -> None:
    from gateway.config.diff import diff as compare
    from gateway.config.load import from_tree, load_config
    from gateway.registry import Installed

    adapters = Installed()
    new = load_config(config, adapters)
    old = load_config(against, adapters) if against else from_tree({}, adapters)[0]
    if old is None:
        raise typer.Exit(1)
    found = compare(old, new)
    to = console()
    for change in found.changes:
        to.print(f"[bold]{escape(change.key)}[/]: [red]{escape(change.old)}[/] → [green]{escape(change.new)}[/]")
    if not found.changes:
        to.print(t("No difference.", "无差异。"))
