"""`fieldgate demo`: the gateway, a simulated 布控球 and a simulated radio on this machine, and a link that shows them.

Three child processes: the daemon, the ball (`fieldgate sim ball`) and the radio channel (`fieldgate sim radio`), which
know nothing of the daemon but its address and password. `demo.json` (0600) in the state directory names them, the link
and the softphone's account, for programs. Ctrl-C, or the end of the gateway, ends all. The ball may end and come back
as a real one does: by its process number, by a key here, or by the command that is printed.
"""

from __future__ import annotations

import json
import os
import select
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.base.errors import LinkDown
from gateway.cli.client import Client
from gateway.cli.demo_ports import BLOCK, USUAL, DemoPorts, block, taken_by
from gateway.cli.demo_stage import Processes, Stage
from gateway.cli.demo_voice import Phone, start_radio, tell_voice, write_config
from gateway.cli.output import console
from gateway.cli.words import t
from gateway.model.field_words import WORDS
from gateway.model.kit_state import FieldWord

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

BALL = "34020000001110000001"
BALL_ID = "ball-1"
READY_S = 30.0
ONLINE_S = 30.0
CODE_S = 86400.0  # long enough to walk to another machine with the link


@app.command(
    help=t(
        "Start the gateway, a simulated camera ball and a radio; print a link and a softphone's account.",
        "启动网关、模拟布控球与模拟电台，并给出观看链接和软电话账号。",
    )
)
def demo(
    state_dir: Annotated[
        Path | None,
        typer.Option(
            "--state-dir", help=t("Kept over runs; else a throwaway one.", "可保留的状态目录；缺省为临时目录。")
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", help=t("Configuration; else one made for the demo.", "配置文件；缺省为演示配置。")
        ),
    ] = None,
    ports: Annotated[
        int | None,
        typer.Option(
            "--ports",
            min=1024,
            max=65535 - BLOCK,
            help=t(
                "Take a hundred ports from this one on; else the usual ones.",
                "使用从此端口起的一百个端口；缺省为常用端口。",
            ),
        ),
    ] = None,
    qr: Annotated[bool, typer.Option("--qr", help=t("Show the link as a QR code too.", "同时显示二维码。"))] = False,
) -> None:
    if ports is not None and config is not None:
        raise typer.BadParameter(
            t("the ports stand in the configuration that is named", "端口由所给的配置文件决定"), param_hint="--ports"
        )
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, _stop)
    with _state(state_dir) as place, Processes(place) as children:
        try:
            _play(Stage(place, config, children), qr, USUAL if ports is None else block(ports))
        except KeyboardInterrupt:
            console().print(t("\nStopping.", "\n正在停止。"))


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


@contextmanager
def _state(given: Path | None) -> Iterator[Path]:
    """The given state directory, or one that is gone afterwards."""
    if given is not None:
        given.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield given.absolute()
        return
    made = Path(tempfile.mkdtemp(prefix="fieldgate-demo-"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _play(stage: Stage, qr: bool, ports: DemoPorts) -> None:
    to = console()
    client = Client(stage.state_dir)
    if client.running():
        raise LinkDown(f"{stage.state_dir} is in use by a running gateway", code="port-in-use")
    phone: Phone | None = None
    if stage.config is None:
        made, phone = write_config(stage.state_dir, ports)
        stage = replace(stage, config=made)
    to.print(t("Starting the gateway …", "正在启动网关 …"))
    config = ["--config", str(stage.config)] if stage.config else []
    daemon = stage.children.start("gateway", "run", "--state-dir", str(stage.state_dir), *config)
    system = stage.await_(t("the gateway's start", "网关启动"), lambda: _ready(client), READY_S)
    if missing := taken_by(client.get("/api/v1/system/health")["adapters"]):
        raise missing

    to.print(t("Admitting and starting the simulated ball …", "正在准入并启动模拟布控球 …"))
    if not any(one["external_id"] == BALL for one in client.get("/api/v1/devices")):
        name = t("Simulated ball", "模拟布控球")
        client.post("/api/v1/devices", {"external_id": BALL, "id": BALL_ID, "name": name})
    ball = _start_ball(stage)
    if phone is not None:
        start_radio(stage, ports)
    stream = stage.await_(t("the ball's registration", "布控球注册"), lambda: _online_stream(client), ONLINE_S)

    base = _base_url(stage.config)
    link = _link(client, base, stream)
    facts: dict[str, str | int] = {"link": link, "url": base, "stream": stream, "gateway_pid": daemon}
    facts["field_page"] = f"{base}/field"
    facts["ball_command"] = shlex.join(_ball_command(stage))
    if phone is not None:
        facts |= {"phone_user": phone.user, "phone_password": phone.password}
    _write_facts(stage, facts | {"ball_pid": ball})
    _tell(stage, link, system["version"], qr)
    if phone is not None:
        console().print(f"  [bold]控制台 Console[/] {_console_link(client, base)}\n", soft_wrap=True, highlight=False)
    _tell_field(client, base)
    if phone is not None:
        tell_voice(base.partition("://")[2].rpartition(":")[0], phone, ports)
    _tell_ball(stage, ball)
    _attend(stage, lambda: _link(client, base, stream), lambda pid: _write_facts(stage, facts | {"ball_pid": pid}))


def _ready(client: Client) -> Any:
    system = client.get("/api/v1/system")
    return system if system["ready"] else None


def _start_ball(stage: Stage) -> int:
    return stage.children.start("ball", *_ball_arguments(stage))


def _ball_arguments(stage: Stage) -> list[str]:
    """The ball speaks to the gateway as any ball on the network would."""
    return [
        "sim", "ball", "--server", f"127.0.0.1:{_sip_port(stage.config)}", "--id", BALL,
        "--password-file", str(stage.state_dir / "kit-password"),
    ]  # fmt: skip


def _ball_command(stage: Stage) -> list[str]:
    """What a person types to start it, from any folder."""
    installed = Path(sys.executable).with_name("fieldgate")
    program = [str(installed)] if installed.exists() else [sys.executable, "-m", "gateway"]
    return [*program, *_ball_arguments(stage)]


def _online_stream(client: Client) -> str | None:
    """The first stream of the ball once it is online and its catalogue is known."""
    for device in client.get("/api/v1/devices"):
        if device["external_id"] == BALL and device["state"] == "online":
            return next((channel["stream"] for channel in device["channels"] if channel["stream"]), None)
    return None


def _base_url(config_file: Path | None) -> str:
    from gateway.core.addresses import own_addresses

    api = _config(config_file).api
    host = api.listen if api.listen not in ("0.0.0.0", "::", "") else own_addresses()[0]  # noqa: S104
    host = f"[{host}]" if ":" in host else host
    return f"{'https' if api.tls else 'http'}://{host}:{api.port}"


def _sip_port(config_file: Path | None) -> int:
    """Where the GB/T 28181 adapter of this configuration listens."""
    for section in _config(config_file).adapters.values():
        if section.type == "gb28181":
            listen = getattr(section.values, "listen", None)
            return int(getattr(listen, "port", None) or str(listen).rpartition(":")[2])
    return 5060


def _config(config_file: Path | None) -> Any:
    from gateway.config.load import load_config
    from gateway.registry import Installed

    return load_config(config_file, Installed())


def _link(client: Client, base: str, stream: str) -> str:
    return f"{base}/play/{stream}#code={_code(client)}"


def _console_link(client: Client, base: str) -> str:
    """The whole console: talk groups, calls, all pictures."""
    return f"{base}/#code={_code(client)}"


def _code(client: Client) -> str:
    return str(client.post("/api/v1/auth/codes", {"role": "operator", "ttl_s": CODE_S, "name": "demo"})["code"])


def _write_facts(stage: Stage, facts: dict[str, str | int]) -> None:
    file = stage.state_dir / "demo.json"
    file.unlink(missing_ok=True)
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as out:
        json.dump({**facts, "state_dir": str(stage.state_dir)}, out)


def _tell(stage: Stage, link: str, version: str, qr: bool) -> None:
    """In both languages, whatever the locale: who runs a demo shows it to others."""
    authority = stage.state_dir / "tls" / "ca.crt"
    lines = [
        f"\n[bold green]Fieldgate {version}[/]\n\n  [bold]{link}[/]\n",
        "  在浏览器中打开上面的链接（一次有效）。浏览器会提示证书由本套件自行签发：",
        f"  请继续访问，或先信任 {authority}。按住箭头即可转动摄像机。\n",
        "  Open the link above in a browser; it works once. The browser warns that the certificate",
        f"  is this kit's own: go on, or trust {authority} first. Hold an arrow to move the ball.\n",
    ]
    if sys.stdin.isatty():
        lines.append("  回车 = 新链接　b 回车 = 停止或启动布控球　Ctrl-C = 结束")
        lines.append("  Enter = a new link   b Enter = stop or start the ball   Ctrl-C = end")
    else:
        lines.append("  Ctrl-C 结束 / Ctrl-C ends")
    to = console()
    for line in lines:
        to.print(line, soft_wrap=True)
    if qr:
        import segno

        segno.make(link).terminal(compact=True)


def _tell_field(client: Client, base: str) -> None:
    """In both languages: the page without sign-in for whoever stands beside the kit, and the word on it now."""
    word = FieldWord(client.get("/api/v1/kit")["field"]["word"])
    to = console()
    to.print(f"  [bold]现场状态页 Field team's page[/] {base}/field", soft_wrap=True, highlight=False)
    to.print(
        f"  四个词之一，无需登录；现在：{WORDS[word]['zh']}。手机接入同一网络即可打开。",
        soft_wrap=True,
        highlight=False,
    )
    to.print(
        f"  One of four words, without sign-in; now: {WORDS[word]['en']}. Any phone on the same network opens it.\n",
        soft_wrap=True, highlight=False,
    )  # fmt: skip


def _tell_ball(stage: Stage, pid: int) -> None:
    """In both languages: how the ball is stopped, and how it comes back."""
    to = console()
    to.print(f"\n  布控球是进程 {pid}；停止：kill {pid}；再次启动：", soft_wrap=True)
    to.print(f"  The ball is process {pid}; to stop it: kill {pid}; to start it again:", soft_wrap=True)
    to.print(f"    {shlex.join(_ball_command(stage))}\n", soft_wrap=True, markup=False, highlight=False)


def _tell_stopped(stage: Stage) -> None:
    to = console()
    if sys.stdin.isatty():
        to.print("  布控球已停止。按回车重新启动，或在别处运行：")
        to.print("  The ball has stopped. Enter starts it again, or elsewhere:")
    else:
        to.print("  布控球已停止。重新启动：")
        to.print("  The ball has stopped. To start it again:")
    to.print(f"    {shlex.join(_ball_command(stage))}\n", soft_wrap=True, markup=False, highlight=False)


def _attend(stage: Stage, new_link: Callable[[], str], ball_is: Callable[[int], None]) -> None:
    """Until Ctrl-C or the gateway's end: watch the children, and do what is typed."""
    typing = sys.stdin.isatty()
    while True:
        if stage.children.ended("ball"):
            _tell_stopped(stage)
        stage.children.check()
        if not typing:
            time.sleep(0.5)
            continue
        if not select.select([sys.stdin], [], [], 0.5)[0]:
            continue
        typed = sys.stdin.readline()
        if typed == "":
            typing = False
        elif not stage.children.running("ball"):
            pid = _start_ball(stage)
            ball_is(pid)
            _tell_ball(stage, pid)
        elif typed.strip() == "b":
            stage.children.stop("ball")
            _tell_stopped(stage)
        else:
            console().print(f"  [bold]{new_link()}[/]", soft_wrap=True)
