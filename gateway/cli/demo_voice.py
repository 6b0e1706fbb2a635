"""What a demo has for voice: a talk group with the ball and a radio channel, and a softphone's account."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from gateway.cli.demo_ports import USUAL, DemoPorts
from gateway.cli.demo_stage import Stage
from gateway.cli.output import console

GROUP_NUMBER = "600"
BALL_NUMBER = "8001"
PHONE = "8100"
RADIO = "radio-1"
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is read as another


@dataclass(frozen=True, slots=True)
class Phone:
    """The account that a person types into a softphone."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Phone({self.user})"


def write_config(state_dir: Path, ports: DemoPorts = USUAL) -> tuple[Path, Phone]:
    """A configuration for the demo, made anew each time; the phone's password is kept with the state."""
    secret = state_dir / "demo-phone-password"
    if not secret.exists():
        _write(secret, "".join(secrets.choice(LETTERS) for _ in range(12)) + "\n")
    file = state_dir / "demo.toml"
    file.unlink(missing_ok=True)
    _write(
        file,
        f"""\
# Made by `fieldgate demo`: a talk group with a ball's loudspeaker, a radio channel and a softphone.
# No center is missed here: the field team's word is that of the links.
[team]
center = false

{ports.config()}\
[talk.group.ops]
name = "现场指挥 Site command"
number = "{GROUP_NUMBER}"
mode = "half"
members = ["{RADIO}/ch1", "ball-1/ch1"]

[adapter.roip.channels.{RADIO}]
kind = "usrp"
title = "模拟电台 Simulated radio"
listen = "127.0.0.1:{ports.usrp}"
peer = "127.0.0.1:{ports.radio}"

[adapter.sip.numbers]
{BALL_NUMBER} = "ball-1/ch1"

[adapter.sip.users.{PHONE}]
name = "软电话 Softphone"
password_file = {json.dumps(str(secret))}
""",
    )
    return file, Phone(PHONE, secret.read_text(encoding="utf-8").strip())


def start_radio(stage: Stage, ports: DemoPorts = USUAL) -> int:
    """A radio that calls now and then, as somebody on site would."""
    return stage.children.start(
        "radio", "sim", "radio", "--listen", f"127.0.0.1:{ports.radio}", "--peer", f"127.0.0.1:{ports.usrp}",
        "--every", "30s", "--call", "3s",
    )  # fmt: skip


def tell_voice(host: str, phone: Phone, ports: DemoPorts = USUAL) -> None:
    """In both languages: how to talk, and what a softphone needs."""
    to = console()
    for line in (
        f"  [bold]对讲组[/] 现场指挥（号码 {GROUP_NUMBER}）：布控球喇叭、模拟电台、浏览器与软电话。",
        "  在控制台加入后按住空格键讲话；模拟电台每 30 秒呼叫一次。",
        f"  [bold]Talk group[/] Site command (number {GROUP_NUMBER}): the ball's loudspeaker, a simulated radio,",
        "  browsers and softphones. Join it in the console, hold the space bar to talk; the radio calls every 30 s.\n",
        "  [bold]软电话 Softphone[/] (Linphone, MicroSIP, baresip …)",
        f"  服务器 server [bold]{host}:{ports.phones}[/] (UDP/TCP; TLS {ports.phones_tls})",
        f"  用户 user [bold]{phone.user}[/]",
        f"  密码 password [bold]{phone.password}[/]",
        f"  拨 {GROUP_NUMBER} 进入对讲组（直接讲话即可）；拨 {BALL_NUMBER} 看布控球的画面、听现场声音。",
        f"  Dial {GROUP_NUMBER} for the talk group (just speak), {BALL_NUMBER} for the ball's picture and sound.\n",
    ):
        to.print(line, soft_wrap=True, highlight=False)


def _write(file: Path, text: str) -> None:
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(text)
