"""`fieldgate pair`: on a kit, a code for a center; its answer; the centers it is paired with."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from rich.markup import escape

from gateway.base.errors import GatewayError
from gateway.cli.client import AsJson, Client, StateDir, ref
from gateway.cli.output import console, show_json, table
from gateway.cli.times import ago
from gateway.cli.words import cause_and_cure, t
from gateway.model.principal import Role

ASK_EVERY_S = 1.0

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    help=t(
        "Pair this kit with a center: show its code. accept, centers, part, renew.",
        "将本终端站与中心配对：显示配对码。accept、centers、part、renew。",
    ),
)


@app.callback(invoke_without_command=True)
def pair(
    ctx: typer.Context,
    center: Annotated[
        str,
        typer.Option(
            "--center",
            help=t(
                "host:port of the center; its answer is fetched from there.", "中心的主机:端口；自动从该处获取应答。"
            ),
        ),
    ] = "",
    role: Annotated[
        Role, typer.Option("--role", help=t("The most that the center may do here.", "中心在本站的最高权限。"))
    ] = Role.OPERATOR,
    scope: Annotated[
        str, typer.Option("--scope", help=t("What it may see: an id or its beginning.", "可见范围：编号或其前缀。"))
    ] = "",
    qr: Annotated[bool, typer.Option("--qr/--no-qr", help=t("Print a QR code.", "打印二维码。"))] = True,
    wait: Annotated[
        bool,
        typer.Option("--wait/--no-wait", help=t("With --center: wait until paired.", "指定 --center 时等待配对完成。")),
    ] = True,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    if ctx.invoked_subcommand is not None:
        return
    client = Client(state_dir)
    made = client.post("/api/v1/pairing/offers", {"role": role.value, "scope": scope, "center": center})
    if as_json:
        show_json({"offer": made["offer"], "code": made["code"]})
        return
    typer.echo(made["code"])
    if qr:
        import segno

        segno.make(made["code"], error="l").terminal(compact=True)
    console().print(
        t(
            "At the center: `fieldgate kits admit CODE`, or Kits → Admit in its console. Good once, for 15 minutes.",
            "请在中心执行 `fieldgate kits admit 配对码`，或在其控制台“终端站 → 准入”中录入。一次有效，15 分钟内有效。",
        )
    )
    if not center:
        console().print(
            t(
                "Then bring its answer back: `fieldgate pair accept ANSWER`.",
                "随后将中心给出的应答码带回：`fieldgate pair accept 应答码`。",
            )
        )
    elif wait:
        _wait(client, made["offer"]["id"])


@app.command(help=t("Take a center's answer.", "录入中心的应答码。"))
def accept(answer: str, state_dir: StateDir = None) -> None:
    _paired(Client(state_dir).post("/api/v1/pairing/accept", {"answer": answer}))


@app.command(help=t("Centers that this kit is paired with.", "本站已配对的中心。"))
def centers(state_dir: StateDir = None, as_json: AsJson = False) -> None:
    found = Client(state_dir).get("/api/v1/pairing/centers")
    if as_json:
        show_json(found)
        return
    rows = [
        [
            f"[bold]{escape(one['gateway'])}[/]",
            escape(one["name"]),
            escape(", ".join(one["hosts"])),
            f"UDP {one['udp_port']}, TCP {one['tcp_port']}",
            one["role"],
            escape(one["scope"]) or t("everything", "全部"),
            one["key"],
            ago(one["admitted_at"]),
        ]
        for one in found
    ]
    columns = ("id", t("name", "名称"), t("at", "地址"), t("ports", "端口"), t("may", "权限"), t("sees", "范围"))
    console().print(table("", (*columns, t("key", "密钥"), t("since", "配对时间")), rows))


@app.command(help=t("Part from a center: it is called no more.", "与中心解除配对：不再呼叫该中心。"))
def part(center: str, state_dir: StateDir = None) -> None:
    Client(state_dir).delete(f"/api/v1/pairing/centers/{ref(center)}")
    console().print(t("Done.", "完成。"))


@app.command(help=t("A new key for this kit, told to its centers.", "更换本站密钥并通知各中心。"))
def renew(state_dir: StateDir = None) -> None:
    Client(state_dir).post("/api/v1/pairing/key", {})
    console().print(t("Done: centers hear of it as they are reached.", "完成：各中心连通后即会获知。"))


def _wait(client: Client, offer: str) -> None:
    told = ""
    with console().status(t("waiting for the center …", "等待中心准入 …")):
        while True:
            now: dict[str, Any] = client.get(f"/api/v1/pairing/offers/{ref(offer)}")
            if now["state"] == "paired":
                break
            if now["state"] == "ended":
                raise GatewayError(t("nobody admitted it in time", "未在有效期内准入"), code="pair-ended")
            if now["code"] and now["code"] != told:
                told = now["code"]
                cause, cure = cause_and_cure(told)
                console().print(f"{escape(cause)} {escape(cure)}")
            time.sleep(ASK_EVERY_S)
    found = [one for one in client.get("/api/v1/pairing/centers") if one["gateway"] == now["center"]]
    if found:
        _paired(found[0])


def _paired(center: dict[str, Any]) -> None:
    console().print(
        t("Paired with {0}: it may act here as {1}.", "已与 {0} 配对：其在本站权限为 {1}。").format(
            escape(center["name"] or center["gateway"]), center["role"]
        )
    )
