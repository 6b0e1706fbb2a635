"""`fieldgate talk`: talk groups, who speaks, who spoke."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from rich.markup import escape

from gateway.cli.client import AsJson, Client, StateDir, ref
from gateway.cli.output import console, show_json, state, table
from gateway.cli.words import cause_and_cure, t

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help=t("Talk groups: list, status.", "对讲组：列表、状态。"),
)


def floor(one: dict[str, Any]) -> str:
    """ "taken: Gate, 12 s, 2 wait"."""
    held = one["floor"]
    words = [state(held["state"])]
    if held["holder"]:
        words.append(escape(held["holder_name"] or held["holder"]))
        words.append(f"{max(0.0, time.time() - held['since']):.0f} s")
    if held["queue"]:
        words.append(t(f"{len(held['queue'])} wait", f"{len(held['queue'])} 人排队"))
    if one["emergency"]:
        words.append(f"[bold red]{t('EMERGENCY', '紧急')}[/]")
    return ", ".join(words)


@app.command("list", help=t("All talk groups and conversations.", "全部对讲组与会话。"))
def list_(state_dir: StateDir = None, as_json: AsJson = False) -> None:
    groups = Client(state_dir).get("/api/v1/talk")
    if as_json:
        show_json(groups)
        return
    rows = [
        [
            f"[bold]{escape(one['id'])}[/]",
            escape(one["name"]),
            escape(one["number"]),
            t("half", "半双工") if one["mode"] == "half" else t("full", "全双工"),
            floor(one),
            f"{sum(member['state'] == 'up' for member in one['members'])}/{len(one['members'])}",
        ]
        for one in groups
    ]
    columns = ("id", t("name", "名称"), t("number", "号码"), t("mode", "模式"), t("floor", "话权"), t("up", "在线"))
    console().print(table("", columns, rows))


@app.command(help=t("One group: members, floor, who spoke last.", "单个对讲组：成员、话权、最近讲话。"))
def status(
    group: Annotated[str, typer.Argument(help=t("Id, short name or number.", "编号、短名或号码。"))] = "ops",
    last: Annotated[int, typer.Option("--last", min=0, max=1000, help=t("Spurts shown.", "显示的讲话条数。"))] = 10,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    client = Client(state_dir)
    one = client.get(f"/api/v1/talk/{ref(group)}")
    spurts = client.get(f"/api/v1/talk/{ref(group)}/spurts", limit=last) if last else []
    if as_json:
        show_json({"group": one, "spurts": spurts})
        return
    to = console()
    to.print(f"[bold]{escape(one['id'])}[/]  {escape(one['name'])}  {escape(one['number'])}  {floor(one)}")
    columns = ("id", t("kind", "类型"), t("state", "状态"), t("name", "名称"), t("codec", "编码"), t("why", "原因"))
    to.print(table("", columns, [_member(member) for member in one["members"]]))
    if spurts:
        heads = (t("began", "开始"), t("length", "时长"), t("who", "讲话者"), t("ended by", "结束原因"))
        to.print(table(t("Who spoke", "讲话记录"), heads, [_spurt(spurt) for spurt in spurts]))


def _member(member: dict[str, Any]) -> list[str]:
    marks = [
        word
        for on, word in (
            (member["talking"], t("[bold]speaks[/]", "[bold]讲话中[/]")),
            (member["muted"], t("muted", "已禁言")),
            (member["monitored"], t("monitored", "被监听")),
            (not member["may_talk"], t("listens only", "仅收听")),
        )
        if on
    ]
    return [
        escape(member["id"]),
        escape(member["kind"]),
        " ".join([state(member["state"]), *marks]),
        escape(member["name"]),
        escape(member["codec"]),
        escape(cause_and_cure(member["code"])[0]) if member["code"] else "",
    ]


def _spurt(spurt: dict[str, Any]) -> list[str]:
    return [
        time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(spurt["began"])),
        f"{spurt['ended'] - spurt['began']:.1f} s",
        escape(spurt["name"]) + (f" [bold red]{t('emergency', '紧急')}[/]" if spurt["emergency"] else ""),
        escape(spurt["ended_by"]),
    ]
