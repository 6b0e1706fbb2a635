"""`fieldgate devices`: who is in the directory, who knocks, and letting them in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from gateway.cli.client import AsJson, Client, StateDir, ref
from gateway.cli.output import console, show_json, state, table
from gateway.cli.times import ago
from gateway.cli.words import cause_and_cure, t
from gateway.model.picture import DayNight

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help=t("Devices: list, admit, rename, forget, picture.", "设备：列表、准入、改名、删除、图像参数。"),
)


@app.command("list", help=t("Devices and their channels.", "设备及其通道。"))
def list_(
    text: Annotated[str, typer.Argument(help=t("Part of a name or id.", "名称或编号的一部分。"))] = "",
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    devices = Client(state_dir).get("/api/v1/devices", q=text)
    if as_json:
        show_json(devices)
        return
    rows = [
        [
            f"[bold]{escape(one['id'])}[/]",
            state(one["state"]),
            escape(one["name"]),
            escape(one["external_id"]),
            escape(" ".join(filter(None, (one["manufacturer"], one["model"])))),
            str(len(one["channels"])),
            ago(one["last_seen"]),
            escape(_why(one)),
        ]
        for one in devices
    ]
    columns = ("id", t("state", "状态"), t("name", "名称"), t("number", "设备编号"), t("make", "厂商型号"))
    console().print(table("", (*columns, t("channels", "通道"), t("seen", "最近"), t("why", "原因")), rows))
    if not rows:
        console().print(
            t(
                "No device yet. `fieldgate devices pending` shows who knocks.",
                "尚无设备。`fieldgate devices pending` 查看待准入设备。",
            )
        )


def _why(device: dict[str, Any]) -> str:
    return cause_and_cure(device["code"])[0] if device["code"] else ""


@app.command(help=t("Devices that knocked and wait to be admitted.", "等待准入的设备。"))
def pending(state_dir: StateDir = None, as_json: AsJson = False) -> None:
    knocks = Client(state_dir).get("/api/v1/devices/pending")
    if as_json:
        show_json(knocks)
        return
    rows = [
        [
            f"[bold]{escape(one['external_id'])}[/]",
            escape(one["scheme"]),
            escape(one["address"]),
            str(one["attempts"]),
            ago(one["last_seen"]),
            escape(cause_and_cure(one["code"])[0]),
        ]
        for one in knocks
    ]
    columns = (t("number", "设备编号"), t("protocol", "协议"), t("from", "来自"), t("times", "次数"), t("last", "最近"))
    console().print(table("", (*columns, t("why", "原因")), rows))
    if rows:
        console().print(t("Admit one: fieldgate devices admit NUMBER", "准入：fieldgate devices admit 设备编号"))


@app.command(help=t("Let a device in.", "准入设备。"))
def admit(
    external_id: Annotated[
        str, typer.Argument(help=t("Its number (20 digits for GB/T 28181).", "设备编号（国标 20 位）。"))
    ],
    name: Annotated[str, typer.Option("--name", help=t("Shown to people.", "显示名称。"))] = "",
    id_: Annotated[
        str, typer.Option("--id", help=t("Its part of the id: gate-camera.", "编号中的设备段：gate-camera。"))
    ] = "",
    scheme: Annotated[str, typer.Option("--scheme", help=t("Protocol.", "协议。"))] = "gb28181",
    user: Annotated[
        str, typer.Option("--user", help=t("User name on the device (ONVIF).", "设备上的用户名（ONVIF）。"))
    ] = "",
    password_file: Annotated[
        Path | None,
        typer.Option(
            "--password-file", help=t("A password of its own; else the kit's.", "设备独立密码文件；缺省用套件密码。")
        ),
    ] = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    body = {"external_id": external_id, "name": name, "id": id_, "scheme": scheme, "user": user}
    if password_file is not None:
        body["password"] = password_file.read_text().strip()
    result = Client(state_dir).post("/api/v1/devices", body)
    if as_json:
        show_json(result)
        return
    given = result["data"].get("device", "")
    console().print(t(f"Admitted {external_id} as [bold]{given}[/].", f"已准入 {external_id}，编号 [bold]{given}[/]。"))


@app.command(help=t("Give a device another name.", "修改设备名称。"))
def rename(device: str, name: str, state_dir: StateDir = None) -> None:
    Client(state_dir).patch(f"/api/v1/devices/{ref(device)}", {"name": name})
    console().print(t("Done.", "完成。"))


@app.command(help=t("Take a device's admission back.", "撤销设备准入。"))
def forget(
    device: str,
    yes: Annotated[bool, typer.Option("--yes", "-y", help=t("Do not ask.", "不询问。"))] = False,
    state_dir: StateDir = None,
) -> None:
    if not yes and not typer.confirm(t(f"Forget {device}?", f"确定撤销 {device}？")):
        raise typer.Exit(1)
    Client(state_dir).delete(f"/api/v1/devices/{ref(device)}")
    console().print(t("Done.", "完成。"))


_SETTINGS = {
    "brightness": ("brightness", "亮度"),
    "contrast": ("contrast", "对比度"),
    "saturation": ("saturation", "饱和度"),
    "sharpness": ("sharpness", "锐度"),
    "day_night": ("day and night", "日夜模式"),
}
_MODES = {"auto": ("auto", "自动"), "day": ("day", "白天"), "night": ("night", "夜间")}
_LEVEL = typer.Option(min=0.0, max=1.0, help=t("0 to 1 of the camera's range.", "0～1，占摄像机自身范围的比例。"))


@app.command(
    help=t(
        "A camera's image settings: as they are, or set; what it keeps over its restarts.",
        "摄像机图像参数：查看或设置；由摄像机保存，重启后不变。",
    )
)
def picture(
    stream: Annotated[str, typer.Argument(help=t("device/channel", "设备/通道"))],
    brightness: Annotated[float | None, _LEVEL] = None,
    contrast: Annotated[float | None, _LEVEL] = None,
    saturation: Annotated[float | None, _LEVEL] = None,
    sharpness: Annotated[float | None, _LEVEL] = None,
    day_night: Annotated[
        DayNight | None, typer.Option("--day-night", help=t("Infrared filter.", "红外滤光片（日夜切换）。"))
    ] = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    client = Client(state_dir)
    levels = {"brightness": brightness, "contrast": contrast, "saturation": saturation, "sharpness": sharpness}
    args: dict[str, Any] = {name: value for name, value in levels.items() if value is not None}
    if day_night is not None:
        args["day_night"] = day_night.value
    if args:
        client.post("/api/v1/commands", {"action": "picture.set", "target": stream, "args": args})
    told = client.get(f"/api/v1/streams/{ref(stream)}/picture")
    if as_json:
        show_json(told)
        return
    rows = [[t(*_SETTINGS.get(one["name"], (one["name"],) * 2)), *_level(one)] for one in told["levels"]]
    if told["modes"]:
        modes = " / ".join(t(*_MODES[one]) for one in told["modes"])
        now = t(*_MODES[told["day_night"]]) if told["day_night"] else "–"
        rows.append([t(*_SETTINGS["day_night"]), now, "", modes])
    columns = (t("setting", "参数"), t("now", "当前"), t("camera says", "摄像机数值"), t("range", "范围"))
    console().print(table("", columns, rows))


def _level(one: dict[str, Any]) -> tuple[str, str, str]:
    """0 to 1, in the camera's own numbers, and those from where to where."""
    low, high, now = one["low"], one["high"], one["now"]
    own = "–" if now is None else f"{low + now * (high - low):g}"
    return "–" if now is None else f"{now:.2f}", own, f"{low:g} … {high:g}"
