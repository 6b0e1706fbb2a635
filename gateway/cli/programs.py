"""`fieldgate programs`: senders and readers that are no people; what each does now, and its password made anew."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from gateway.cli.client import AsJson, Client, StateDir, ref
from gateway.cli.output import console, show_json, table
from gateway.cli.times import ago
from gateway.cli.words import t
from gateway.model.reason import reason

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help=t("Programs that send or read: list, secret.", "推流与读取程序：列表、密码。"),
)


@app.command("list", help=t("Programs of the configuration and what each does now.", "配置的程序及其当前活动。"))
def list_(state_dir: StateDir = None, as_json: AsJson = False) -> None:
    programs = Client(state_dir).get("/api/v1/programs")
    if as_json:
        show_json(programs)
        return
    rows = [
        [
            f"[bold]{escape(one['name'])}[/]" + ("" if one["enabled"] else f" [dim]{t('off', '停用')}[/]"),
            escape(" ".join(one["publish"])) or "–",
            escape(" ".join(one["read"])) or "–",
            escape(" ".join(one["publishing"])),
            escape(" ".join(one["reading"])),
            ago(one["last_seen"]),
            escape(one["address"]),
        ]
        for one in programs
    ]
    columns = (t("name", "名称"), t("may send", "可推"), t("may watch", "可看"), t("sends", "正在推"))
    console().print(table("", (*columns, t("watches", "正在看"), t("seen", "最近"), t("from", "来自")), rows))
    for one in programs:
        if one["refused_code"]:
            words = reason(one["refused_code"])
            when = f"{ago(one['refused_at'])}, {escape(one['refused_from'])}"
            console().print(
                f"[yellow]{escape(one['name'])}[/] {t('was refused', '被拒绝')} ({when}): "
                f"{t(words.cause_en, words.cause_zh)} → {t(words.cure_en, words.cure_zh)}"
            )
    if not rows:
        console().print(
            t(
                "No program yet: add [program.NAME] to the configuration.",
                "尚无程序：请在配置中添加 [program.名称]。",
            )
        )


@app.command(help=t("Make its password anew, and show it this once.", "重新生成密码，仅显示这一次。"))
def secret(
    name: str,
    yes: Annotated[bool, typer.Option("--yes", "-y", help=t("Do not ask.", "不询问。"))] = False,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    asked = t(f"The old password of {name} will be good no more. Go on?", f"{name} 的旧密码将失效，继续？")
    if not yes and not typer.confirm(asked):
        raise typer.Exit(1)
    made = Client(state_dir).post(f"/api/v1/programs/{ref(name)}/secret")
    if as_json:
        show_json(made)
        return
    console().print(escape(made["secret"]))
