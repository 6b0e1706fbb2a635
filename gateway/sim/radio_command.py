"""`fieldgate sim radio`: a radio channel without a radio."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
import uvloop

from gateway.sim.command import _t, address, seconds
from gateway.sim.radio import FAULTS, Radio, RadioProfile
from gateway.sim.report import json_line, plain


def radio(
    peer: Annotated[
        str, typer.Option("--peer", help=_t("the gateway's USRP address", "网关的 USRP 地址"))
    ] = "127.0.0.1:34001",
    listen: Annotated[str, typer.Option("--listen", help=_t("our own address", "本机地址"))] = "127.0.0.1:32001",
    name: Annotated[str, typer.Option("--name", help=_t("name in what is printed", "输出中的名称"))] = "radio",
    tone: Annotated[float, typer.Option("--tone", help=_t("what it sends, Hz", "发送的音调（Hz）"))] = 700.0,
    every: Annotated[str, typer.Option("--every", help=_t("calls this often; 0: never", "呼叫间隔；0 为从不"))] = "20s",
    call: Annotated[str, typer.Option("--call", help=_t("length of a call", "每次呼叫时长"))] = "3s",
    fault: Annotated[
        list[str] | None,
        typer.Option("--fault", help=_t("wrong on purpose: ", "故意出错：") + ", ".join(FAULTS)),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help=_t("one JSON line an event", "每个事件一行 JSON"))] = False,
) -> None:
    """A simulated narrowband radio channel (USRP) · 模拟窄带电台信道（USRP）"""
    for one in fault or []:
        if one not in FAULTS:
            raise typer.BadParameter(f"{one!r}: one of {', '.join(FAULTS)}")
    profile = RadioProfile(
        address(listen),
        address(peer),
        name,
        tone_hz=tone,
        every_s=seconds(every),
        call_s=seconds(call),
        faults=frozenset(fault or ()),
    )
    uvloop.run(_on_air(profile, json))


async def _on_air(profile: RadioProfile, json: bool) -> None:
    """Until it is ended."""
    report = json_line if json else plain
    async with Radio(profile, report):
        report("on-air", profile.name, f"on the air, USRP {profile.listen} → {profile.peer}")
        await asyncio.get_running_loop().create_future()
