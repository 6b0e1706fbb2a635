"""`fieldgate links`: the ways northward: a table, the same live, and how they were over a day."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.markup import escape
from rich.table import Table

from gateway.cli.client import AsJson, Client, StateDir
from gateway.cli.output import console, show_json, table, why
from gateway.cli.times import ago
from gateway.cli.words import t

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

PHASES = {
    "absent": ("absent", "无设备", "dim"),
    "locked": ("locked", "已锁", "red"),
    "searching": ("searching", "搜网中", "yellow"),
    "registered": ("registered", "已注册", "yellow"),
    "connecting": ("connecting", "连接中", "yellow"),
    "up": ("up", "正常", "green"),
    "degraded": ("degraded", "降级", "yellow"),
    "recovering": ("recovering", "恢复中", "yellow"),
    "down": ("down", "中断", "red"),
    "off": ("off", "停用", "dim"),
}
CLASSES = {"voice": "语音", "control": "控制", "video": "视频", "data": "数据", "bulk": "大文件"}
KINDS = {"lte": ("4G", "4G"), "nr": ("5G", "5G"), "satellite": ("satellite", "卫星"), "mesh": ("mesh", "自组网")}
KINDS |= {"wire": ("wire", "有线"), "wifi": ("Wi-Fi", "Wi-Fi"), "satphone": ("sat phone", "卫星电话"), "": ("", "")}
STEPS = {"retry": "重拨", "reopen": "重新打开", "radio": "射频关开", "reset": "复位", "power": "USB 断电"}
_BLOCKS = " ▁▂▃▄▅▆▇█"


@app.command(
    help=t(
        "Ways northward: state, quality, cost, what each carries. --live: goes on; --day: the last 24 hours.",
        "北向链路：状态、质量、费用、承载内容。--live：持续刷新；--day：最近 24 小时曲线。",
    )
)
def links(
    live: Annotated[bool, typer.Option("--live", help=t("Goes on until Ctrl-C.", "持续刷新，Ctrl-C 结束。"))] = False,
    day: Annotated[bool, typer.Option("--day", help=t("The last 24 hours.", "最近 24 小时。"))] = False,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    client = Client(state_dir)
    if as_json:
        show_json(client.get("/api/v1/links/trails") if day else client.get("/api/v1/links"))
    elif live:
        _live(client)
    elif day:
        width = max(24, min(96, console().width - 26))
        console().print(plots(client.get("/api/v1/links/trails", points=8640), width, time.time()))
    else:
        console().print(_whole(client.get("/api/v1/links")))


def _live(client: Client) -> None:
    from rich.live import Live

    with Live(_whole(client.get("/api/v1/links")), console=console(), refresh_per_second=2) as shown:
        try:
            while True:
                time.sleep(1.0)
                shown.update(_whole(client.get("/api/v1/links")))
        except KeyboardInterrupt:
            return


def _whole(found: Sequence[dict[str, Any]]) -> Group | str:
    if not found:
        return t("No link: no interface has a default route.", "无链路：没有带缺省路由的网卡。")
    columns = (t("link", "链路"), t("state", "状态"), t("carries", "承载"), t("quality", "质量"), t("cost", "费用"))
    shown = table("", columns, [row(one) for one in found])
    reasons = why([(one["name"], one["code"], one["detail"]) for one in found])
    return Group(shown) if reasons is None else Group(shown, "", reasons)


def row(one: dict[str, Any]) -> list[str]:
    """Two lines each: in one a terminal of 80 characters has no room for whole words."""
    en, zh, colour = PHASES.get(one["phase"], (one["phase"], one["phase"], "dim"))
    step = f" {escape(t(one['step'], STEPS.get(one['step'], one['step'])))}" if one["step"] else ""
    interface = f" [dim]{escape(one['interface'])}[/]" if one["interface"] != one["name"] else ""
    kind = escape(t(*KINDS.get(one["kind"], (one["kind"], one["kind"]))))
    met = [
        f"{one['rtt_ms']:.0f} ms" if one["rtt_ms"] is not None else "",
        t(f"loss {100 * one['loss']:.1f} %", f"丢包 {100 * one['loss']:.1f} %") if one["loss"] is not None else "",
    ]
    return [
        _lines(f"[bold]{escape(one['name'])}[/]{interface} {kind}", f"[dim]{signal(one['signal'], one['roaming'])}[/]"),
        f"[{colour}]{t(en, zh)}{step}[/]\n{ago(one['since'])}",
        " ".join(t(word, CLASSES.get(word, word)) for word in one["carries"]),
        _lines(" · ".join(filter(None, met)), f"↑ {rate(one['out_bps'])} ↓ {rate(one['in_bps'])}"),
        cost(one),
    ]


def _lines(*lines: str) -> str:
    return "\n".join(line for line in lines if line not in ("", "[dim][/]"))


def rate(bps: float) -> str:
    return f"{bps / 1e6:.1f} Mb/s" if bps >= 1e6 else f"{bps / 1e3:.0f} kb/s"


def signal(found: dict[str, Any], roaming: bool | None) -> str:
    parts = [found["operator"], found["technology"], found["band"]]
    units = (("rsrp_dbm", "dBm"), ("sinr_db", "dB"))
    parts += [f"{found[key]:.0f} {unit}" for key, unit in units if found[key] is not None]
    if found["rsrp_dbm"] is None and found["rssi_dbm"] is not None:
        parts.append(f"{found['rssi_dbm']:.0f} dBm")
    if found["bars"] is not None:
        parts.append("▮" * found["bars"] + "▯" * (5 - found["bars"]))
    if roaming:
        parts.append(t("roaming", "漫游"))
    return escape(" ".join(part for part in parts if part))


def cost(one: dict[str, Any]) -> str:
    said = str(one["cost"]) + (f" {t('metered', '计费')}" if one["metered"] else "")
    if one["quota_bytes"]:
        said += f"\n{one['used_bytes'] / 1e9:.2f}/{one['quota_bytes'] / 1e9:.2f} GB"
    return said


def plots(trails: Sequence[dict[str, Any]], width: int, now: float) -> Group:
    """A line of blocks each for rate, round trip and loss; a column is a mean, a gap is nothing."""
    parts: list[Any] = []
    for trail in trails:
        lines = Table(box=None, pad_edge=False, show_header=False, title=escape(trail["name"]), title_justify="left")
        rates = [out + in_ for out, in_ in zip(trail["out_bps"], trail["in_bps"], strict=True)]
        for label, values, text in (
            (t("rate", "速率"), rates, rate),
            (t("round trip", "时延"), trail["rtt_ms"], lambda ms: f"{ms:.0f} ms"),
            (t("loss", "丢包"), trail["loss"], lambda loss: f"{100 * loss:.1f} %"),
        ):
            drawn, most = blocks(trail["at"], values, width, now)
            lines.add_row(label, drawn, t(f"most {text(most)}", f"最高 {text(most)}"))
        lines.add_row("", f"−24 h{'−12 h':^{width - 9}}{t('now', '现在')}", "")
        parts.append(lines)
    return Group(*(parts or [t("Nothing has been measured yet.", "尚无测量数据。")]))


def blocks(at: Sequence[float], values: Sequence[float | None], width: int, now: float) -> tuple[str, float]:
    """`width` characters for the day before `now`, and the value that a full block stands for."""
    found: list[list[float]] = [[] for _ in range(width)]
    for when, value in zip(at, values, strict=True):
        place = math.floor((when - (now - 86_400)) / 86_400 * width)
        if value is not None and 0 <= place < width:
            found[place].append(value)
    means = [sum(part) / len(part) if part else None for part in found]
    most = max((mean for mean in means if mean is not None), default=0.0)
    steps = len(_BLOCKS) - 1
    drawn = (
        " " if mean is None else _BLOCKS[1 + round(mean / most * (steps - 1))] if most > 0 else _BLOCKS[1]
        for mean in means
    )
    return "".join(drawn), most
