"""`fieldgate sim vehicle`: a vehicle terminal without a vehicle."""

from __future__ import annotations

from typing import Annotated

import typer
import uvloop

from gateway.sim.command import _t, address
from gateway.sim.encoder import VideoSettings
from gateway.sim.report import json_line, plain
from gateway.sim.vehicle import FAULTS, Vehicle, VehicleProfile


def vehicle(
    server: Annotated[
        str, typer.Option("--server", help=_t("the gateway's JT/T 808 address", "网关的 JT/T 808 地址"))
    ] = "127.0.0.1:8808",
    phone: Annotated[str, typer.Option("--phone", help=_t("terminal number", "终端手机号"))] = "13800138000",
    plate: Annotated[str, typer.Option("--plate", help=_t("number plate", "车牌号"))] = "川A12345",
    generation: Annotated[int, typer.Option("--generation", help="2011 | 2013 | 2019")] = 2013,
    channels: Annotated[int, typer.Option("--channels", min=1, max=16, help=_t("cameras", "摄像头数量"))] = 2,
    codec: Annotated[str, typer.Option("--codec", help="h264 | h265")] = "h264",
    emergency: Annotated[
        bool, typer.Option("--emergency", help=_t("its emergency alarm stands", "紧急报警触发"))
    ] = False,
    fault: Annotated[
        list[str] | None,
        typer.Option("--fault", help=_t("wrong on purpose: ", "故意出错：") + ", ".join(FAULTS)),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help=_t("one JSON line an event", "每个事件一行 JSON"))] = False,
) -> None:
    """A simulated vehicle terminal (JT/T 808 and 1078) · 模拟车载终端（JT/T 808、1078）"""
    for one in fault or []:
        if one not in FAULTS:
            raise typer.BadParameter(f"{one!r}: one of {', '.join(FAULTS)}")
    if generation not in (2011, 2013, 2019) or codec not in ("h264", "h265") or not phone.isdecimal():
        raise typer.BadParameter("generation 2011, 2013 or 2019; codec h264 or h265; phone in digits")
    profile = VehicleProfile(
        address(server),
        phone,
        plate,
        generation,
        channels,
        VideoSettings(codec=codec, width=640, height=360, bitrate=800_000),
        alarms=int(emergency),
        faults=frozenset(fault or ()),
    )
    uvloop.run(Vehicle(profile, json_line if json else plain).run())
