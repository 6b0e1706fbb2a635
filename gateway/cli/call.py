"""`fieldgate call NUMBER`: a test call by an independent SIP stack, through a trunk of the configuration.

It says how far it came: registration, ringing, answer, sound there and back, and with what quality. Exit code 0: the
call went through and sound came back; 1: it did not, and the table says where and why.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from gateway.base.errors import ConfigError, NotFound
from gateway.cli.client import AsJson
from gateway.cli.output import console, show_json, table
from gateway.cli.words import cause_and_cure, t

if TYPE_CHECKING:
    from adapters.sip.pjsua2.probe import Line, Report

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(
    help=t(
        "Call a number by an independent phone (PJSIP), play a tone, and say what came of it.",
        "用独立的话机（PJSIP）拨打号码、播放测试音，并报告结果。",
    )
)
def call(
    number: Annotated[str, typer.Argument(help=t("Number or SIP URI.", "号码或 SIP URI。"))],
    trunk: Annotated[
        str,
        typer.Option("--trunk", help=t("Trunk of the configuration; else its first.", "使用的中继；缺省为第一个。")),
    ] = "",
    account: Annotated[
        str, typer.Option("--account", help=t("Account of the trunk; else its first.", "中继账号；缺省为第一个。"))
    ] = "",
    server: Annotated[
        str,
        typer.Option(
            "--server", help=t("udp:host:port or tcp:host:port instead of a trunk.", "不用中继而直接指定服务器。")
        ),
    ] = "",
    user: Annotated[str, typer.Option("--user", help=t("User at --server.", "在该服务器上的用户。"))] = "",
    password_file: Annotated[
        Path | None, typer.Option("--password-file", help=t("File with its password.", "密码文件。"))
    ] = None,
    domain: Annotated[
        str, typer.Option("--domain", help=t("Domain; else the server's host.", "域；缺省为服务器地址。"))
    ] = "",
    seconds: Annotated[
        float, typer.Option("--seconds", min=1, max=600, help=t("Length of the measurement.", "测量时长（秒）。"))
    ] = 6.0,
    config: Annotated[Path | None, typer.Option("--config", "-c", help=t("Configuration file.", "配置文件。"))] = None,
    as_json: AsJson = False,
) -> None:
    from adapters.sip.pjsua2.probe import place_test_call

    line = _by_hand(server, user, password_file, domain) if server else _by_trunk(config, trunk, account)
    to = console()

    def say(stage: str, detail: str) -> None:
        if not as_json:
            to.print(f"  {_STAGES[stage]} {detail}".rstrip(), markup=False, highlight=False)

    report = asyncio.run(place_test_call(line, number, seconds=seconds, say=say))
    if as_json:
        show_json(asdict(report))
    else:
        _show(report)
    raise typer.Exit(1 if report.failed_at else 0)


_STAGES = {
    "register": t("registering at", "正在注册到"),
    "ringing": t("ringing", "振铃"),
    "up": t("answered; playing a tone of 1 kHz", "已接通，正在播放 1 kHz 测试音"),
    "measuring": t("measuring:", "测量中："),
    "end": t("hanging up", "挂机"),
}


def _by_hand(server: str, user: str, password_file: Path | None, domain: str) -> Line:
    from adapters.sip.config_trunk import parse_server
    from adapters.sip.pjsua2.probe import Line

    try:
        at = parse_server(server)
    except ValueError as exc:
        raise ConfigError("--server", str(exc)) from None
    password = _first_line(password_file) if password_file is not None else ""
    return Line(_uri(at), domain or _host(at.host), user or "test", password=password, register=bool(password))


def _by_trunk(config_file: Path | None, name: str, user: str) -> Line:
    """Raises NotFound (`no-route`) where the configuration has no such trunk or account."""
    from adapters.sip.pjsua2.probe import Line
    from gateway.config.load import load_config
    from gateway.registry import Installed

    trunks: dict[str, Any] = {}
    for section in load_config(config_file, Installed()).adapters.values():
        if section.type == "sip":
            trunks |= getattr(section.values, "trunks", {})
    if not trunks:
        raise NotFound("the configuration has no trunk: name a server by --server udp:host:port", code="no-route")
    if name and name not in trunks:
        raise NotFound(f"there is no trunk {name!r}; there are: {', '.join(trunks)}", code="no-route")
    trunk = trunks[name or next(iter(trunks))]
    # TLS of the configuration is tested by the daemon itself (`fieldgate sip status`): this phone has none.
    server = next((one for one in trunk.servers if one.transport != "tls"), trunk.servers[0])
    if not trunk.accounts:
        return Line(_uri(server), trunk.own_domain, user or trunk.caller_id or "test", register=False)
    found = [one for one in trunk.accounts if not user or one.user == user]
    if not found:
        raise NotFound(f"the trunk has no account {user!r}", code="no-route")
    chosen = found[0]
    secret = chosen.password.get_secret_value() if chosen.password else _first_line(chosen.password_file)
    return Line(_uri(server), trunk.own_domain, chosen.user, chosen.auth_user, secret)


def _uri(server: Any) -> str:
    """Raises ConfigError for TLS: the library that PJSIP brings is too old for it."""
    if server.transport == "tls":
        raise ConfigError("--server", "the test phone has no TLS: name the server's UDP or TCP port by --server")
    return f"sip:{_host(server.host)}:{server.port};transport={server.transport}"


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _first_line(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        return file.read_text(encoding="utf-8").split("\n", 1)[0].strip()
    except OSError as exc:
        raise ConfigError("password_file", f"{file}: {exc.strerror}") from None


def _show(report: Report) -> None:
    rows = [
        (t("registered in", "注册用时"), _ms(report.registered_ms)),
        (t("rang after", "振铃用时"), _ms(report.ring_ms)),
        (t("answered after", "接通用时"), _ms(report.answered_ms)),
        (t("codec", "编码"), report.codec),
        (t("peer", "对端"), report.remote),
        (t("packets there / back", "发送 / 接收包数"), f"{report.sent} / {report.received}" if report.codec else ""),
        (t("loss there / back", "去程 / 回程丢包"), f"{_part(report.peer_loss_ratio)} / {_part(report.loss_ratio)}"),
        (t("jitter", "抖动"), _ms(report.jitter_ms)),
        (t("round trip", "往返时延"), _ms(report.rtt_ms)),
        (t("quality (MOS)", "质量（MOS）"), f"{report.mos:.1f}" if report.mos is not None else ""),
        (t("sound heard", "听到声音"), t("yes", "是") if report.heard else t("no", "否")),
    ]
    shown = [(what, escape(measured)) for what, measured in rows if measured and measured != "– / –"]
    to = console()
    to.print(table("", (t("what", "项目"), t("measured", "测得")), shown))
    if report.failed_at:
        cause, cure = cause_and_cure(report.code)
        where = {"register": t("registration", "注册"), "call": t("call", "呼叫"), "media": t("sound", "话音")}
        to.print(f"[bold red]{t('Failed at', '失败于')} {where[report.failed_at]}[/]: {cause}\n  {cure}")
        to.print(f"  {report.detail}", markup=False, highlight=False)


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.0f} ms"


def _part(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
