"""The command line of the simulated ball: options to profiles, signals to buttons, one event loop for all balls."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated, Literal

import typer
import uvloop

from gateway.sim.ball import Ball
from gateway.sim.ear import WavFile
from gateway.sim.encoder import VideoSettings
from gateway.sim.faults import FAULTS, Faults
from gateway.sim.messages import Fix
from gateway.sim.profile import Profile
from gateway.sim.report import json_line, plain

MANY = 20  # live encoders that one machine may bear


def _t(english: str, chinese: str) -> str:
    return chinese if os.environ.get("LC_ALL", os.environ.get("LANG", "")).startswith("zh") else english


def seconds(text: str) -> float:
    """ "5s", "200ms", "2m", or bare seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|)", text.strip())
    if found is None:
        raise typer.BadParameter(f"{text!r}: a duration such as 5s, 200ms, 2m")
    return float(found.group(1)) * {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}[found.group(2)]


def bits(text: str) -> int:
    """ "2M", "800k", or bare bit/s."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kKmM]?)", text.strip())
    if found is None:
        raise typer.BadParameter(f"{text!r}: a bit rate such as 2M or 800k")
    return round(float(found.group(1)) * {"": 1, "k": 1_000, "m": 1_000_000}[found.group(2).lower()])


def size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)x(\d+)", text.strip())
    if found is None:
        raise typer.BadParameter(f"{text!r}: a size such as 1280x720")
    return int(found.group(1)), int(found.group(2))


def address(text: str) -> tuple[str, int]:
    host, _, port = text.strip().rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise typer.BadParameter(f"{text!r}: an address such as 192.168.1.10:5060")
    return host.strip("[]"), int(port)


def place(text: str) -> Fix:
    """ "104.41,30.86" → a fix that stands still. Raises ValueError."""
    longitude, _, latitude = text.partition(",")
    fix = Fix(float(longitude), float(latitude), 0.0, 0.0, 50.0)
    if not (abs(fix.longitude) <= 180 and abs(fix.latitude) < 90):
        raise ValueError(f"{text!r} is no place: longitude,latitude")
    return fix


def _later_id(first: str, steps: int) -> str:
    """The id `steps` serials after `first`."""
    return f"{first[:14]}{(int(first[14:]) + steps) % 1_000_000:06d}"


Id = Annotated[
    str, typer.Option("--id", "--device", help=_t("Id of the (first) ball, 20 digits", "(首个)布控球的20位编码"))
]
Fault = Annotated[
    list[str] | None, typer.Option("--fault", help=_t("Fault, NAME or NAME=VALUE; again for more", "故障,可重复"))
]


def ball(
    server: Annotated[str, typer.Option(help=_t("Platform, ip:port", "平台地址"))] = "127.0.0.1:5060",
    server_id: Annotated[str, typer.Option(help=_t("Platform id", "平台编码"))] = "34020000002000000001",
    domain: Annotated[str, typer.Option(help=_t("SIP domain", "SIP 域"))] = "3402000000",
    device_id: Id = "34020000001380000001",
    count: Annotated[int, typer.Option(min=1, max=10_000, help=_t("How many balls", "数量"))] = 1,
    channels: Annotated[int, typer.Option(min=1, max=90, help=_t("Video channels of each", "每台通道数"))] = 1,
    password: Annotated[str, typer.Option(help=_t("Password (seen by others in ps: prefer a file)", "密码"))] = "",
    password_file: Annotated[Path | None, typer.Option(help=_t("File with the password", "密码文件"))] = None,
    transport: Annotated[str, typer.Option(help="SIP: udp | tcp")] = "udp",
    version: Annotated[str, typer.Option(help="GB/T 28181: 2011 | 2016 | 2022")] = "2016",
    codec: Annotated[str, typer.Option(help="h264 | h265")] = "h264",
    size_text: Annotated[str, typer.Option("--size", help=_t("Picture", "画面"))] = "1280x720",
    fps: Annotated[int, typer.Option(min=1, max=60)] = 25,
    bitrate: Annotated[str, typer.Option(help=_t("At most", "最高码率"))] = "2M",
    gop: Annotated[str, typer.Option(help=_t("Between key frames", "关键帧间隔"))] = "2s",
    audio: Annotated[str, typer.Option(help="pcma | none")] = "pcma",
    keepalive: Annotated[str, typer.Option(help=_t("Between keepalives", "心跳间隔"))] = "5s",
    alarm_every: Annotated[str, typer.Option(help=_t("Raise an alarm so often; 0s: on SIGUSR1", "报警周期"))] = "0s",
    media: Annotated[str, typer.Option(help=_t("live: own encoder each | replay: one for all", "媒体"))] = "live",
    talk: Annotated[str, typer.Option(help=_t("Loudspeaker: udp | tcp | tcp-listen | none", "喊话"))] = "udp",
    hear_to: Annotated[
        Path | None, typer.Option(help=_t("Directory for what it played, <id>.wav", "喇叭录音目录"))
    ] = None,
    at: Annotated[str, typer.Option(help=_t("Where it is: longitude,latitude (WGS-84)", "位置:经度,纬度"))] = "",
    fault: Fault = None,
    faults: Annotated[bool, typer.Option("--list-faults", help=_t("List the faults and exit", "列出故障"))] = False,
    json_lines: Annotated[bool, typer.Option("--json", help=_t("JSON lines", "JSON 行输出"))] = False,
) -> None:
    """Simulate GB/T 28181 control balls (布控球).

    SIGUSR1 raises an alarm, SIGUSR2 asks to be watched, SIGTERM logs out.
    """
    if faults:
        for name, (value, words) in FAULTS.items():
            typer.echo(f"{name + ('' if value is None else f'={value:g}'):22} {words}")
        return
    width, height = size(size_text)
    for what, given, known in (("codec", codec, ("h264", "h265")), ("audio", audio, ("pcma", "none")),
                               ("media", media, ("live", "replay"))):  # fmt: skip
        if given not in known:
            raise typer.BadParameter(f"{given!r}: one of {', '.join(known)}", param_hint=f"--{what}")
    try:
        secret = password_file.read_text().strip() if password_file is not None else password
        video = VideoSettings(codec, width, height, fps, bits(bitrate), seconds(gop), audio=audio == "pcma")
        home = place(at) if at else Profile().home
        profiles = [
            Profile(
                server=address(server),
                server_id=server_id,
                domain=domain,
                device_id=_later_id(device_id, n) if len(device_id) == 20 else device_id,
                password=secret,
                transport=transport,
                version=version,
                video=(chosen := Faults.read(fault or ())).settings(video),
                replay=media == "replay",
                talk=talk,
                keepalive_s=seconds(keepalive),
                channels=channels,
                name=f"布控球{n + 1}",
                alarm_every_s=seconds(alarm_every),
                home=home,
                faults=chosen,
            )
            for n in range(count)
        ]
    except (ValueError, OSError) as exc:
        raise typer.BadParameter(str(exc)) from exc
    if count > MANY and media == "live":
        typer.echo(
            _t(f"{count} live encoders are much for one machine; --media replay takes one", "建议 --media replay"),
            err=True,
        )
    report = json_line if json_lines else plain
    balls = [Ball(profile, report) for profile in profiles]
    with ExitStack() as stack:
        for one in balls if hear_to is not None else ():
            assert hear_to is not None  # noqa: S101 - for the type checker
            kept = stack.enter_context(closing(WavFile(hear_to / f"{one.profile.device_id}.wav")))
            one.ear.listeners.append(kept)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run_balls(balls))


async def run_balls(balls: Sequence[Ball]) -> None:
    """Run until SIGTERM or SIGINT; each ball then says goodbye."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, _each, balls, "alarm")
    loop.add_signal_handler(signal.SIGUSR2, _each, balls, "upload")
    tasks = [asyncio.create_task(one.run(), name=one.profile.device_id) for one in balls]
    stopped = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait({stopped, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stopped}:
            task.result()  # a ball ends only by a bug: show it
    finally:
        for task in (*tasks, stopped):
            task.cancel()
        await asyncio.gather(*tasks, stopped, return_exceptions=True)


def _each(balls: Sequence[Ball], button: Literal["alarm", "upload"]) -> None:
    for one in balls:
        if button == "alarm":
            one.press_alarm()
        else:
            one.press_upload()


def main() -> None:
    """`python -m gateway.sim.ball`."""
    typer.run(ball)
