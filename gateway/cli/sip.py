"""`fieldgate sip`: softphone users, and how trunks and phones stand.

With a running gateway the daemon does it, and it takes effect at once. Without one, users are written into its state
directory: a kit can be prepared before it is first switched on.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from gateway.base.errors import ConfigError, LinkDown
from gateway.cli.client import DEFAULT_STATE_DIR, AsJson, Client, StateDir, ref
from gateway.cli.output import console, show_json, state, table
from gateway.cli.words import cause_and_cure, t
from gateway.cli.zh import local

if TYPE_CHECKING:
    from adapters.sip.users import Users

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help=t("SIP: softphone users, trunks, phones.", "SIP：软电话用户、中继与话机。"),
)
users = typer.Typer(
    no_args_is_help=True, help=t("Softphone users: add, list, remove.", "软电话用户：添加、列表、删除。")
)
app.add_typer(users, name="users")

# Read aloud and typed into a phone: no letters and digits that look alike.
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", help=t("Configuration file, without a running gateway.", "配置文件（网关未运行时）。")
    ),
]


@app.command(help=t("Trunks, registered phones, bans.", "中继、在线话机与封禁。"))
def status(state_dir: StateDir = None, as_json: AsJson = False) -> None:
    told = Client(state_dir).get("/sip/status")
    if as_json:
        show_json(told)
        return
    to = console()
    to.print(_trunks(told["trunks"]) if told["trunks"] else t("No trunk is configured.", "未配置中继。"))
    rows = [[escape(p["user"]), escape(p["address"]), p["transport"], escape(p["agent"])] for p in told["phones"]]
    if rows:
        to.print(table("", (t("phone", "话机"), t("address", "地址"), t("by", "传输"), t("make", "型号")), rows))
    else:
        to.print(t("No phone is registered.", "没有话机在线。"))
    for one in told["banned"]:
        code = one.get("code", "")  # a daemon of before told none
        minutes, why = round(one["seconds"] / 60, 1), cause_and_cure(code)[0] if code else ""
        source = escape(one["source"])
        en, zh = f"banned: {source}, {minutes} minutes more.", f"已封禁：{source}，剩余 {minutes} 分钟。"
        to.print(f"{t(en, zh)} {why}".rstrip())
    for name in told["misfits"]:
        to.print(f"[yellow]{escape(name)}[/]: {cause_and_cure('sip-realm')[0]}")
    if told["problem"]:
        to.print(f"[red]{escape(told['problem'])}[/]")
    to.print(t(f"{told['calls']} calls, {told['users']} users.", f"通话 {told['calls']} 路，用户 {told['users']} 个。"))


def _trunks(trunks: list[dict[str, Any]]) -> Any:
    rows = []
    for trunk in trunks:
        why = _why(trunk["code"], trunk["detail"])
        word = "online" if trunk["state"] == "up" else trunk["state"]
        rtt = "" if trunk["rtt_ms"] is None else f"{trunk['rtt_ms']} ms"
        rows.append([escape(trunk["name"]), state(word), escape(trunk["server"]), rtt, str(trunk["calls"]), why])
        for one in trunk["accounts"]:
            word = "online" if one["state"] == "registered" else one["state"]
            why = _why(one["code"], one["detail"])
            rows.append([f"  {escape(one['user'])}", state(word), "", "", "", why])
    columns = (t("trunk", "中继"), t("state", "状态"), t("server", "服务器"), "RTT", t("calls", "通话"))
    return table("", (*columns, t("why", "原因")), rows)


def _why(code: str, detail: str) -> str:
    if not code:
        return ""
    cause, cure = cause_and_cure(code)
    return f"{escape(cause)} {escape(local(detail))}\n[bold]→ {escape(cure)}[/]"


@users.command("list", help=t("Users and their phones; never a password.", "用户及其话机；不显示密码。"))
def list_(state_dir: StateDir = None, as_json: AsJson = False) -> None:
    told = Client(state_dir).get("/sip/users")
    if as_json:
        show_json(told)
        return
    rows = [
        [
            f"[bold]{escape(one['name'])}[/]",
            escape(one["number"]),
            escape(one["display"]),
            str(one["phones"]),
            t("configuration", "配置文件") if one["configured"] else "",
            cause_and_cure(one["code"])[0] if one["code"] else "",
        ]
        for one in told
    ]
    columns = (t("user", "用户"), t("number", "号码"), t("name", "名称"), t("phones", "在线话机"))
    console().print(table("", (*columns, t("from", "来源"), t("why", "原因")), rows))
    if not rows:
        console().print(t("No user yet: fieldgate sip users add NAME", "尚无用户：fieldgate sip users add 用户名"))


@users.command(help=t("Add a user, or give one a new password.", "添加用户，或重设其密码。"))
def add(
    name: Annotated[str, typer.Argument(help=t("SIP user name, often the number.", "SIP 用户名，通常即号码。"))],
    number: Annotated[str, typer.Option("--number", help=t("Own number; else the name.", "号码；缺省同用户名。"))] = "",
    display: Annotated[str, typer.Option("--name", help=t("Shown to people.", "显示名称。"))] = "",
    password_file: Annotated[
        Path | None,
        typer.Option(
            "--password-file",
            help=t(
                "Its first line is the password; else one is made and shown once.",
                "首行为密码；缺省自动生成并仅显示一次。",
            ),
        ),
    ] = None,
    config: ConfigFile = None,
    state_dir: StateDir = None,
) -> None:
    if password_file is not None:
        password, made = password_file.read_text(encoding="utf-8").partition("\n")[0].strip(), False
    else:
        password, made = "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4)), True
    body = {"name": name, "password": password, "number": number, "display": display}
    try:
        told = Client(state_dir).post("/sip/users", body)
    except LinkDown as error:
        if error.code != "no-daemon":
            raise
        user = _without_daemon(config, state_dir).add(name, password, number=number, display=display)
        told = {"name": user.name, "number": user.number}
    console().print(
        t(
            f"User [bold]{escape(told['name'])}[/] has the number {escape(told['number'])}.",
            f"用户 [bold]{escape(told['name'])}[/]，号码 {escape(told['number'])}。",
        )
    )
    if made:
        console().print(
            t(f"Password, shown this once: [bold]{password}[/]", f"密码（仅显示这一次）：[bold]{password}[/]")
        )


@users.command(help=t("Remove a user; its phones are signed off.", "删除用户；其话机随即下线。"))
def remove(name: str, config: ConfigFile = None, state_dir: StateDir = None) -> None:
    try:
        Client(state_dir).delete(f"/sip/users/{ref(name)}")
    except LinkDown as error:
        if error.code != "no-daemon":
            raise
        _without_daemon(config, state_dir).remove(name)
    console().print(t("Done.", "完成。"))


@app.command(help=t("Lift the ban of an address.", "解除对某地址的封禁。"))
def pardon(address: str, state_dir: StateDir = None) -> None:
    Client(state_dir).delete(f"/sip/bans/{ref(address)}")
    console().print(t("Done.", "完成。"))


def _without_daemon(config_file: Path | None, state_dir: Path | None) -> Users:
    """The users in the adapter's state directory."""
    from adapters.sip.config import SipConfig
    from adapters.sip.users import Users
    from gateway.config.load import load_config
    from gateway.registry import Installed

    config = load_config(config_file, Installed())
    section = next((one for one in config.adapters.values() if isinstance(one.values, SipConfig)), None)
    if section is None or not isinstance(section.values, SipConfig):
        raise ConfigError("adapter.sip", "is switched off: set enabled = true")
    home = state_dir or (config.gateway.state_dir if config_file else DEFAULT_STATE_DIR)
    folder = home / "adapters" / section.name
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as exc:
        raise ConfigError("gateway.state_dir", f"{folder} can not be made: {exc}", code="state-dir") from exc
    return Users(section.values, folder)
