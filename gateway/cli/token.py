"""`fieldgate token`: bearer tokens for programs, and one-time codes for links."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from gateway.cli.client import AsJson, Client, StateDir, ref
from gateway.cli.output import console, show_json, table
from gateway.cli.times import ago
from gateway.cli.words import t
from gateway.model.principal import Role

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help=t(
        "Tokens for programs and one-time codes: list, add, revoke, code.",
        "程序令牌与一次性登录码：列表、添加、吊销、登录码。",
    ),
)

RoleOption = Annotated[Role, typer.Option("--role", help=t("Role.", "角色。"))]
ScopeOption = Annotated[str, typer.Option("--scope", help=t("An id or its beginning.", "编号或其前缀。"))]


@app.command("list", help=t("Tokens in force; never the tokens themselves.", "有效令牌；不显示令牌本身。"))
def list_(state_dir: StateDir = None, as_json: AsJson = False) -> None:
    tokens = Client(state_dir).get("/api/v1/tokens")
    if as_json:
        show_json(tokens)
        return
    rows = [
        [one["id"], escape(one["name"]), one["role"], escape(one["scope"]), one["kind"], ago(one["created_at"])]
        for one in tokens
    ]
    columns = ("id", t("acts as", "身份"), t("role", "角色"), t("scope", "范围"), t("kind", "类型"), t("made", "创建"))
    console().print(table("", columns, rows))


@app.command(help=t("Make a token; it is shown this once.", "创建令牌；仅显示这一次。"))
def add(
    name: str,
    role: RoleOption = Role.VIEWER,
    scope: ScopeOption = "",
    days: Annotated[float, typer.Option("--days", help=t("Lifetime.", "有效天数。"))] = 90.0,
    note: Annotated[str, typer.Option("--note", help=t("What it is for.", "用途。"))] = "",
    state_dir: StateDir = None,
) -> None:
    body = {"name": name, "role": role.value, "scope": scope, "ttl_s": days * 86400, "note": note}
    typer.echo(Client(state_dir).post("/api/v1/tokens", body)["token"])


@app.command(help=t("Take a token back.", "吊销令牌。"))
def revoke(token_id: str, state_dir: StateDir = None) -> None:
    Client(state_dir).delete(f"/api/v1/tokens/{ref(token_id)}")
    console().print(t("Done.", "完成。"))


@app.command(help=t("A one-time code for a link: https://…/#code=…", "一次性登录码，用于链接：https://…/#code=…"))
def code(
    role: RoleOption = Role.VIEWER,
    scope: ScopeOption = "",
    minutes: Annotated[float, typer.Option("--minutes", help=t("Lifetime.", "有效分钟数。"))] = 10.0,
    state_dir: StateDir = None,
) -> None:
    body = {"role": role.value, "scope": scope, "ttl_s": minutes * 60}
    typer.echo(Client(state_dir).post("/api/v1/auth/codes", body)["code"])
