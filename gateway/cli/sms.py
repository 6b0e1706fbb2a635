"""`fieldgate sms`: short messages by modems, satellite phones and BeiDou terminals."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape

from gateway.cli.client import AsJson, Client, StateDir, ref
from gateway.cli.output import console, show_json, table
from gateway.cli.times import ago
from gateway.cli.words import cause_and_cure, t
from gateway.cli.zh import local

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help=t("Short messages: send, read, who carries them.", "短信：发送、查看、通道状态。"),
)

_STATES = {
    "waiting": ("waiting", "等待"),
    "sending": ("sending", "发送中"),
    "sent": ("sent", "已发出"),
    "delivered": ("delivered", "已送达"),
    "failed": ("failed", "失败"),
    "expired": ("too old", "已过期"),
    "cancelled": ("cancelled", "已取消"),
}


@app.command(help=t("Send one; it waits until somebody can carry it.", "发送短信；无通道时等待。"))
def send(
    to: Annotated[str, typer.Argument(help=t("+86138…, bd: and a BeiDou card, sbd:", "+86138…、bd:北斗卡号、sbd:"))],
    words: Annotated[list[str], typer.Argument(help=t("What it says.", "短信内容。"))],
    urgent: bool = typer.Option(False, "--urgent", help=t("Before all others.", "优先发送。")),
    by: str = typer.Option("", "--by", help=t("The carrier that shall send it.", "指定通道。")),
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    body = {"to": to, "body": " ".join(words), "urgent": urgent, "carrier": by}
    told = Client(state_dir).post("/api/v1/texts/out", body)
    if as_json:
        show_json(told)
        return
    console().print(f"{told['id']} {_state(told)}")


@app.command("list", help=t("What came and what was sent, newest first.", "收发的短信，最新在前。"))
def list_(
    number: str = typer.Option("", "--number", help=t("With this in the number.", "仅显示号码中含此内容的短信。")),
    limit: int = typer.Option(50, "--limit", min=1, max=1000),
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    client = Client(state_dir)
    came = client.get("/api/v1/texts/in", limit=limit, number=number)
    sent = client.get("/api/v1/texts/out", limit=limit, number=number)
    if as_json:
        show_json({"in": came, "out": sent})
        return
    rows = [
        (one["received_at"], ["←", escape(one["sender"]), ago(one["received_at"]), _came(one), _body(one)])
        for one in came
    ]
    rows += [(one["made_at"], ["→", escape(one["to"]), ago(one["made_at"]), _state(one), _body(one)]) for one in sent]
    rows.sort(key=lambda row: row[0], reverse=True)
    columns = ("", t("who", "对方"), t("when", "时间"), t("state", "状态"), t("text", "内容"))
    console().print(table("", columns, [row for _, row in rows[:limit]]))


@app.command(help=t("Who carries short messages, and who can now.", "短信通道及其状态。"))
def carriers(state_dir: StateDir = None, as_json: AsJson = False) -> None:
    told = Client(state_dir).get("/api/v1/texts/carriers")
    if as_json:
        show_json(told)
        return
    rows = [
        [
            f"[bold]{escape(one['name'])}[/]",
            one["kind"],
            "[green]" + t("ready", "就绪") + "[/]" if one["ready"] else _why(one),
            str(one["waiting"]),
            str(one["sent"]),
            str(one["received"]),
        ]
        for one in told
    ]
    columns = (
        t("name", "名称"),
        t("kind", "类型"),
        t("state", "状态"),
        t("waiting", "等待"),
        t("sent", "已发"),
        t("came", "已收"),
    )
    console().print(table("", columns, rows))
    if not rows:
        console().print(
            t(
                "Nobody carries short messages here: configure a modem or satellite phone.",
                "没有短信通道：请配置模块或卫星电话。",
            )
        )


@app.command(help=t("Do not send one that still waits.", "取消等待中的短信。"))
def cancel(text: str, state_dir: StateDir = None) -> None:
    console().print(_state(Client(state_dir).delete(f"/api/v1/texts/out/{ref(text)}")))


def _body(one: dict[str, Any]) -> str:
    return escape(one["body"].replace("\n", " "))


def _state(one: dict[str, Any]) -> str:
    word = t(*_STATES[one["state"]])
    return f"{word}: {_why(one)}" if one["code"] and one["state"] not in ("sent", "delivered") else word


def _came(one: dict[str, Any]) -> str:
    if one["code"]:
        return _why(one)
    return t("parts missing", "缺少部分") if one["missing"] else ""


def _why(one: dict[str, Any]) -> str:
    detail = f" ({escape(local(one['detail']))})" if one["detail"] else ""
    return f"{cause_and_cure(one['code'])[0]}{detail}"
