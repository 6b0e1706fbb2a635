"""`fieldgate accounts`: named people, their roles and scopes."""

from __future__ import annotations

from pathlib import Path
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
    help=t("Accounts of people: list, add, change, remove.", "人员账户：列表、添加、修改、删除。"),
)

PasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--password-file",
        help=t("Read the password from a file; else it is asked for.", "从文件读密码；缺省交互输入。"),
    ),
]


def _password(file: Path | None) -> str:
    if file is not None:
        return file.read_text().strip()
    return str(typer.prompt(t("Password", "密码"), hide_input=True, confirmation_prompt=True))


@app.command("list", help=t("All accounts.", "全部账户。"))
def list_(state_dir: StateDir = None, as_json: AsJson = False) -> None:
    accounts = Client(state_dir).get("/api/v1/accounts")
    if as_json:
        show_json(accounts)
        return
    rows = [
        [
            f"[bold]{escape(one['name'])}[/]",
            one["role"],
            escape(one["scope"]) or t("everything", "全部"),
            t("disabled", "停用") if one["disabled"] else "",
            ago(one["last_login_at"]),
        ]
        for one in accounts
    ]
    columns = (t("name", "名称"), t("role", "角色"), t("scope", "范围"), "", t("signed in", "最近登录"))
    console().print(table("", columns, rows))


@app.command(help=t("Add an account.", "添加账户。"))
def add(
    name: str,
    role: Annotated[Role, typer.Option("--role", help=t("Role.", "角色。"))] = Role.VIEWER,
    scope: Annotated[str, typer.Option("--scope", help=t("An id or its beginning.", "编号或其前缀。"))] = "",
    password_file: PasswordFile = None,
    state_dir: StateDir = None,
) -> None:
    body = {"name": name, "role": role.value, "scope": scope, "password": _password(password_file)}
    Client(state_dir).post("/api/v1/accounts", body)
    console().print(t("Done.", "完成。"))


@app.command(help=t("Change an account; what is not named stays.", "修改账户；未指定的保持不变。"))
def change(
    name: str,
    role: Annotated[Role | None, typer.Option("--role", help=t("Role.", "角色。"))] = None,
    scope: Annotated[str | None, typer.Option("--scope", help=t("An id or its beginning.", "编号或其前缀。"))] = None,
    password: Annotated[bool, typer.Option("--password", help=t("Ask for a new password.", "设置新密码。"))] = False,
    password_file: PasswordFile = None,
    disable: Annotated[
        bool | None, typer.Option("--disable/--enable", help=t("Lock out or let in.", "停用或启用。"))
    ] = None,
    state_dir: StateDir = None,
) -> None:
    body: dict[str, str | bool] = {}
    if role is not None:
        body["role"] = role.value
    if scope is not None:
        body["scope"] = scope
    if password or password_file is not None:
        body["password"] = _password(password_file)
    if disable is not None:
        body["disabled"] = disable
    Client(state_dir).patch(f"/api/v1/accounts/{ref(name)}", body)
    console().print(t("Done.", "完成。"))


@app.command(help=t("Remove an account; its acts stay in the audit record.", "删除账户；其操作仍保留在审计记录中。"))
def remove(name: str, state_dir: StateDir = None) -> None:
    Client(state_dir).delete(f"/api/v1/accounts/{ref(name)}")
    console().print(t("Done.", "完成。"))
