"""`fieldgate status`: how this kit stands, on one screen: the team's word, links, power, heat, disk, clock, place."""

from __future__ import annotations

from typing import Any

import typer
from rich.markup import escape

from gateway.cli.client import AsJson, Client, StateDir
from gateway.cli.output import console, show_json, table
from gateway.cli.times import ago
from gateway.cli.words import cause_and_cure, language, t

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_COLOUR = {"ready": "green", "connecting": "blue", "degraded": "yellow", "technician": "red"}


@app.command(
    help=t(
        "How this kit stands: word, links, power, heat, disk, clock, place. Exit code 1: call the technician.",
        "终端站状态：现场状态词、链路、供电、温度、磁盘、时钟、位置。退出码 1：需呼叫技术员。",
    )
)
def status(state_dir: StateDir = None, as_json: AsJson = False) -> None:
    told = Client(state_dir).get("/api/v1/kit")
    if as_json:
        show_json(told)
    else:
        _show(told)
    raise typer.Exit(1 if told["field"]["word"] == "technician" else 0)


def _show(told: dict[str, Any]) -> None:
    from gateway.api.field.words import link_row
    from gateway.model.field_words import WORDS
    from gateway.model.kit_state import FieldLink, FieldWord

    field, condition, spoken = told["field"], told["condition"], language()
    word = WORDS[FieldWord(field["word"])][spoken]
    to = console()
    to.print(f"[bold {_COLOUR[field['word']]}]{escape(word)}[/]  {ago(field['since'])}")
    if field["code"]:
        to.print(f"  {escape(told['cause'][spoken])}\n  [bold]→ {escape(told['cure'][spoken])}[/]")
    for code in field["more"]:
        to.print(f"  · {escape(cause_and_cure(code)[0])}")
    rows = []
    for link in field["links"]:
        row = link_row(FieldLink(**link))
        bars = "" if link["bars"] is None else "▮" * link["bars"] + "▯" * (5 - link["bars"])
        mark = "[green]✔[/]" if link["carries"] else "[red]✖[/]"
        why = cause_and_cure(link["code"])[0] if link["code"] else ""
        rows.append([mark, escape(row["name"][spoken]), bars, escape(row["phase"][spoken]), escape(why)])
    if rows:
        to.print(table("", ("", t("link", "链路"), "", t("state", "状态"), t("why", "原因")), rows))
    facts = [
        (t("centers", "中心"), str(field["centers"]), ""),
        (t("power", "供电"), power_text(condition["power"]), condition["power"]["code"]),
        (
            t("heat", "温度"),
            heat_text(condition["heat"]),
            next((h["code"] for h in condition["heat"] if h["code"]), ""),
        ),
        (t("disk", "磁盘"), space_text(condition["space"]), condition["space"]["code"]),
        (t("clock", "时钟"), clock_text(condition["clock"]), condition["clock"]["code"]),
        (t("place", "位置"), place_text(condition["place"]), condition["place_code"]),
    ]
    lines = [[name, escape(text), escape(cause_and_cure(code)[0]) if code else ""] for name, text, code in facts]
    to.print(table("", ("", t("now", "当前"), t("why", "原因")), lines))


def power_text(power: dict[str, Any]) -> str:
    source = {"mains": t("mains", "外接电源"), "battery": t("battery", "电池"), "unknown": "–"}[power["source"]]
    level = "" if power["level"] is None else f"{power['level'] * 100:.0f} %"
    left = (
        "" if power["minutes_left"] is None else t("{0} min left", "剩余 {0} 分钟").format(round(power["minutes_left"]))
    )
    charging = t("charging", "充电中") if power["charging"] else ""
    return ", ".join(filter(None, (source, level, charging, left)))


def heat_text(sensors: list[dict[str, Any]]) -> str:
    return ", ".join(f"{one['name']} {one['celsius']:.0f} °C" for one in sensors[:3]) or "–"


def space_text(space: dict[str, Any]) -> str:
    free = t("{0} of {1} GB free", "可用 {0} / {1} GB").format(
        f"{space['free_bytes'] / 1e9:.1f}", f"{space['total_bytes'] / 1e9:.1f}"
    )
    worn = "" if space["worn"] is None else t("worn {0} %", "磨损 {0} %").format(round(space["worn"] * 100))
    return ", ".join(filter(None, (free, t("read-only", "只读") if space["read_only"] else "", worn)))


def clock_text(clock: dict[str, Any]) -> str:
    quality = {
        "unsynced": t("not synchronised", "未同步"),
        "nitz": t("by the mobile network", "移动网络授时"),
        "ntp": "NTP",
        "gnss": t("by satellite", "卫星授时"),
    }[clock["quality"]]
    off = "" if clock["off_s"] is None else f"{clock['off_s']:+.1f} s"
    return ", ".join(filter(None, (quality, clock["source"], off)))


def place_text(place: dict[str, Any] | None) -> str:
    if place is None:
        return "–"
    accuracy = "" if place["accuracy_m"] is None else f" ±{place['accuracy_m']:.0f} m"
    where = f"{place['latitude']:.5f}, {place['longitude']:.5f}{accuracy} ({place['datum']})"
    return f"{where}, {place['by']}, {ago(place['taken_at'])}"
