"""`fieldgate doctor`: what could keep this kit from working, each with its cause and cure.

Without a running gateway the adapters are asked whether their ports are free and their parts installed; with one,
the daemon says how each of them runs. Exit code 0: nothing failed (warnings may stand), 1: something did.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import BaseModel
from rich.markup import escape

from gateway.base.errors import ConfigError, GatewayError
from gateway.cli.client import AsJson, Client
from gateway.cli.output import console, show_json, state, table, todo
from gateway.cli.words import cause_and_cure, t
from gateway.cli.zh import local
from gateway.model.doctor import Finding, Grade

if TYPE_CHECKING:
    from gateway.config.root import Config

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

ADAPTER_PATIENCE_S = 10.0


@app.callback(
    invoke_without_command=True,
    help=t(
        "Check this machine and the gateway; every finding with cause and cure. ports: what to open in firewalls.",
        "自检本机与网关；每项给出原因与处理办法。ports：防火墙需放行的端口。",
    ),
)
def doctor(
    ctx: typer.Context,
    config: Annotated[Path | None, typer.Option("--config", "-c", help=t("Configuration file.", "配置文件。"))] = None,
    state_dir: Annotated[
        Path | None,
        typer.Option("--state-dir", envvar="FIELDGATE_STATE_DIR", help=t("State directory.", "状态目录。")),
    ] = None,
    as_json: AsJson = False,
) -> None:
    if ctx.invoked_subcommand is not None:
        return
    findings = examine(config, state_dir)
    if as_json:
        show_json([as_dict(one) for one in findings])
    else:
        _show(findings)
    raise typer.Exit(1 if any(one.grade is Grade.FAIL for one in findings) else 0)


@app.command(
    help=t(
        "What a firewall form asks for: every port that the gateway listens on, and where a kit calls its centers.",
        "填写防火墙申请所需：网关监听的全部端口，以及终端站呼叫中心的去向。",
    )
)
def ports(
    config: Annotated[Path | None, typer.Option("--config", "-c", help=t("Configuration file.", "配置文件。"))] = None,
    state_dir: Annotated[
        Path | None,
        typer.Option("--state-dir", envvar="FIELDGATE_STATE_DIR", help=t("State directory.", "状态目录。")),
    ] = None,
    as_json: AsJson = False,
) -> None:
    uses = _ports(config, state_dir)
    if as_json:
        show_json(uses)
        return
    from gateway.config.ports import WHO

    rows = [
        [
            one["protocol"].upper(),
            f"[bold]{one['ports']}[/]",
            t(one["who"], WHO[one["who"]]),
            escape(t(one["purpose"], one["purpose_zh"])),
            escape(one["part"]),
            _direction(one),
        ]
        for one in uses
    ]
    columns = (t("protocol", "协议"), t("ports", "端口"), t("who comes", "来访方"), t("for", "用途"))
    console().print(table("", (*columns, t("part", "模块"), t("direction", "方向")), rows))
    console().print(
        t(
            "Answers within a connection must pass both ways. Of what the gateway calls by itself (sources, cameras, "
            "trunks, time, names) only its centers stand here.",
            "已建立连接的应答报文须双向放行。网关主动发起的连接（源、摄像机、中继、授时、域名）中，此处仅列出中心。",
        )
    )


@app.command(
    help=t(
        "Why a link is bad, by layers: power, modem, bearer, data path, NAT, DNS, TLS, clock, SIP, ICE.",
        "逐层检查链路：供电、模块、承载、数据通路、NAT、DNS、TLS、时钟、SIP、ICE，一分钟内完成。",
    )
)
def links(
    config: Annotated[Path | None, typer.Option("--config", "-c", help=t("Configuration file.", "配置文件。"))] = None,
    state_dir: Annotated[
        Path | None,
        typer.Option("--state-dir", envvar="FIELDGATE_STATE_DIR", help=t("State directory.", "状态目录。")),
    ] = None,
    as_json: AsJson = False,
) -> None:
    from gateway.cli import doctor_links
    from gateway.config.load import load_config
    from gateway.registry import Installed

    client = Client(state_dir)
    told: list[dict[str, Any]] = client.get("/api/v1/links") if client.running() else []
    asked = doctor_links.whom(load_config(config, Installed()), _ports(config, state_dir))
    findings = asyncio.run(doctor_links.examine(told, asked))
    if as_json:
        show_json([as_dict(one) for one in findings])
    else:
        _show(findings)
    raise typer.Exit(1 if any(one.grade is Grade.FAIL for one in findings) else 0)


def _direction(one: dict[str, Any]) -> str:
    if one["outward"]:
        return escape(f"{t('out', '出站')} → {one['far'] or t('the center', '中心')}")
    return t("this machine only", "仅本机") if one["local"] else t("in", "入站")


def _ports(config_file: Path | None, state_dir: Path | None) -> list[dict[str, Any]]:
    """As the running gateway has them; without one, as the configuration says."""
    from dataclasses import asdict

    from gateway.config.load import load_config
    from gateway.config.ports import ports_of
    from gateway.registry import Installed

    client = Client(state_dir)
    if config_file is None and client.running():
        found: list[dict[str, Any]] = client.get("/api/v1/system/ports")["open"]
        return found
    return [asdict(one) for one in ports_of(load_config(config_file, Installed()))]


def examine(config_file: Path | None, state_dir: Path | None) -> list[Finding]:
    """Everything, in the order a technician reads it."""
    from gateway.api import machine
    from gateway.config.load import load_config
    from gateway.core import convert_check
    from gateway.registry import Installed

    adapters = Installed()
    try:
        config = load_config(config_file, adapters)
    except ConfigError as error:
        return [*machine.checks(state_dir or Path.cwd()), Finding("config", Grade.FAIL, str(error), "", error.code)]
    place = state_dir or config.gateway.state_dir
    client = Client(place)
    if client.running():
        return [Finding("daemon", Grade.OK, t("running", "运行中")), *_from_daemon(client)]
    found = machine.checks(place)
    found.append(Finding("config", Grade.OK, str(config_file or t("embedded defaults", "内置缺省值"))))
    if client.socket.exists():
        found.append(Finding("daemon", Grade.WARN, t("does not answer", "无应答"), t("running", "运行中"), "no-daemon"))
    else:
        found.append(Finding("daemon", Grade.OFF, t("not running", "未运行")))
    found.append(_api_port(config.api.listen, config.api.port))
    found.extend(asyncio.run(_urls(config)))
    found.append(convert_check.check(config.convert))
    for section in config.adapters.values():
        found.extend(_ask_adapter(adapters, section.name, section.type, section.values))
    return found


def _from_daemon(client: Client) -> list[Finding]:
    return [
        Finding(one["check"], Grade(one["grade"]), one["measured"], one["expected"], one["code"])
        for one in client.await_("/api/v1/system/doctor?ask=true")
    ]


def _api_port(host: str, port: int) -> Finding:
    from gateway.api.server import bind_tcp

    try:
        bind_tcp(host, port).close()
    except ConfigError as error:
        return Finding("api port", Grade.FAIL, str(error), t("free", "空闲"), error.code)
    return Finding("api port", Grade.OK, f"{host}:{port}")


async def _urls(config: Config) -> list[Finding]:
    """Of each source and push that is connected to: does its name lead to an address, and one that may be reached?"""
    from gateway.base.url import parse_url
    from gateway.core.reach import Reach

    reach = Reach(lambda: config.security.pull_allow)
    named = [(f"source {n}/{c}", url) for n, one in config.source.items() for c, url in one.urls.items()]
    named += [(f"push {name}", push.url.get_secret_value()) for name, push in config.push.items()]

    async def ask(check: str, text: str) -> Finding:
        url = parse_url(text, trusted=True)
        listens = url.scheme in ("udp", "rtp") or "mode=listener" in url.path
        if not url.host or listens or "renew" in url.options or _is_group(url.host):
            return Finding(check, Grade.OK, str(url))
        try:
            found = await reach.addresses(url.host, url.port, trusted=True)
        except GatewayError as error:
            return Finding(check, Grade.FAIL, f"{url}: {error}", "", error.code)
        return Finding(check, Grade.OK, f"{url} ({', '.join(address for _, address in found)})")

    return list(await asyncio.gather(*(ask(check, text) for check, text in named)))


def _is_group(host: str) -> bool:
    """A multicast address: joined, not connected to."""
    try:
        return ipaddress.ip_address(host).is_multicast
    except ValueError:
        return False


def _ask_adapter(adapters: Any, name: str, type_: str, values: BaseModel) -> Sequence[Finding]:
    """An adapter's own checks; one that fails to answer is itself a finding."""

    async def ask() -> Sequence[Finding]:
        async with asyncio.timeout(ADAPTER_PATIENCE_S):
            answer: Sequence[Finding] = await adapters.adapter(type_).checks(values)
            return answer

    try:
        return asyncio.run(ask())
    except GatewayError as error:
        return [Finding(f"adapter {name}", Grade.FAIL, str(error), "", error.code)]
    except ImportError as error:
        return [Finding(f"adapter {name}", Grade.FAIL, str(error), "all its parts are installed", "not-installed")]
    except Exception as error:
        return [Finding(f"adapter {name}", Grade.FAIL, f"{type(error).__name__}: {error}", "", "internal")]


def as_dict(finding: Finding) -> dict[str, str]:
    """A finding with its words, for programs."""
    cause, cure = cause_and_cure(finding.code) if finding.code else ("", "")
    return {
        "check": finding.check,
        "grade": finding.grade.value,
        "measured": finding.measured,
        "expected": finding.expected,
        "code": finding.code,
        "cause": cause,
        "cure": cure,
    }


def _show(findings: Sequence[Finding]) -> None:
    rows = []
    for one in findings:
        told = escape(local(one.measured))
        if one.grade in (Grade.WARN, Grade.FAIL):
            words = as_dict(one)
            if one.expected:
                told += f"\n{t('expected', '应为')}: {escape(local(one.expected))}"
            if one.code:
                told += f"\n{escape(words['cause'])}\n{todo(words['cure'])}"
        rows.append([state(one.grade.value), escape(local(one.check)), told])
    console().print(table("", (t("grade", "结果"), t("check", "检查项"), t("found", "实测")), rows))
    failed = sum(one.grade is Grade.FAIL for one in findings)
    warned = sum(one.grade is Grade.WARN for one in findings)
    console().print(t(f"{failed} failed, {warned} warnings.", f"{failed} 项失败，{warned} 项警告。"))
