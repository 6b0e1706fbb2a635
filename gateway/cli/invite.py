"""`fieldgate invite`: links by which phones report, as text and as QR; list, revoke."""

from __future__ import annotations

import re
from typing import Annotated

import typer
from rich.markup import escape

from gateway.base.errors import GatewayError
from gateway.cli.client import AsJson, Client, StateDir, ref
from gateway.cli.output import console, show_json, table
from gateway.cli.times import ago
from gateway.cli.words import t

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help=t(
        "Invite phones: a link that needs no account and no app. new, list, revoke.",
        "邀请手机上报：无需账户、无需安装应用的链接。new、list、revoke。",
    ),
)


@app.command("new", help=t("Make an invitation; its link is shown this once.", "创建邀请；链接仅显示这一次。"))
def new(
    label: Annotated[str, typer.Argument(help=t("Who is invited.", "邀请对象。"))],
    place: Annotated[str, typer.Option("--place", help=t("Where.", "地点。"))] = "",
    hours: Annotated[float, typer.Option("--hours", help=t("How long it lasts.", "有效小时数。"))] = 24.0,
    phones: Annotated[int, typer.Option("--phones", help=t("How many phones may use it.", "可使用的手机数量。"))] = 5,
    host: Annotated[
        str,
        typer.Option("--host", help=t("host:port by which phones reach the gateway.", "手机访问网关的地址与端口。")),
    ] = "",
    qr: Annotated[bool, typer.Option("--qr/--no-qr", help=t("Print a QR code.", "打印二维码。"))] = True,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    if host and not re.fullmatch(r"[A-Za-z0-9.:\[\]-]{1,256}", host):
        raise GatewayError(t("--host is written host:port", "--host 写作 主机:端口"), code="bad-request")
    body = {"label": label, "place": place, "ttl_s": hours * 3600, "phones": phones, "host": host}
    made = Client(state_dir).post("/api/v1/invitations", body)
    if as_json:
        show_json({"link": made["link"], "invitation": made["invitation"]})
        return
    typer.echo(made["link"])
    if qr:
        import segno

        segno.make(made["link"], error="m").terminal(compact=True)


@app.command("list", help=t("Invitations in force and lately ended.", "有效及近期失效的邀请。"))
def list_(state_dir: StateDir = None, as_json: AsJson = False) -> None:
    found = Client(state_dir).get("/api/v1/invitations")
    if as_json:
        show_json(found)
        return
    rows = [
        [
            one["id"],
            escape(one["label"]),
            escape(one["place"]),
            f"{one['phones']} / {one['most_phones']}",
            ago(one["made_at"]),
            t("revoked", "已撤销") if one["revoked_at"] else "",
        ]
        for one in found
    ]
    columns = (t("id", "编号"), t("who", "对象"), t("where", "地点"), t("phones", "手机"), t("made", "创建"), "")
    console().print(table("", columns, rows))


@app.command(help=t("Take an invitation back; its phones' pictures end.", "撤销邀请；相关手机的画面随即结束。"))
def revoke(invitation: str, state_dir: StateDir = None) -> None:
    Client(state_dir).delete(f"/api/v1/invitations/{ref(invitation)}")
    console().print(t("Done.", "完成。"))
