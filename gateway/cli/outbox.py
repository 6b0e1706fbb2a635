"""`fieldgate outbox`: what waits for the centers, and how it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from gateway.cli.client import AsJson, Client, StateDir, ref
from gateway.cli.output import console, show_json, table
from gateway.cli.times import ago
from gateway.cli.words import t

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help=t("What waits for the centers.", "等待上报中心的数据。"),
)


@app.command("list", help=t("Far sides, and what waits for each.", "各上报对象及其等待数据。"))
def list_(state_dir: StateDir = None, as_json: AsJson = False) -> None:
    client = Client(state_dir)
    told, files = client.get("/api/v1/outbox"), client.get("/api/v1/outbox/files")
    if as_json:
        show_json({"uplinks": told, "files": files})
        return
    rows = [
        [
            f"[bold]{escape(one['name'])}[/]",
            str(one["rows"]),
            f"{one['bytes'] / 1000:.0f} kB",
            ago(one["oldest_at"]),
            f"{one['files']} ({one['file_bytes'] / 1_000_000:.1f} MB)",
            str(one["dropped"]),
            str(one["expired"]),
            "[red]" + t("full", "已满") + "[/]" if one["full"] else "",
        ]
        for one in told
    ]
    columns = (
        t("to", "去向"),
        t("events", "事件"),
        t("size", "大小"),
        t("oldest", "最早"),
        t("files", "文件"),
        t("gave way", "已放弃"),
        t("too old", "已过期"),
        "",
    )
    console().print(table("", columns, rows))
    if not rows:
        console().print(t("Nothing is sent anywhere: no center is joined.", "未接入任何中心。"))
    for one in files:
        file = one["file"]
        share = 100 * one["sent"] / max(1, file["size"])
        console().print(f"{escape(file['name'])} → {escape(one['uplink'])}: {share:.0f} %")


@app.command(
    help=t(
        "Send a recording, or any file, to the centers: it waits until each has it.",
        "将录像或任意文件发送至各中心：各中心收妥前一直保留。",
    )
)
def send(
    file: Annotated[Path, typer.Argument(help=t("The file.", "文件。"))],
    device: Annotated[
        str, typer.Option("--device", help=t("Whose recording it is, as ball-1.", "所属设备，例如 ball-1。"))
    ] = "",
    name: Annotated[
        str, typer.Option("--name", help=t("What it is called at the centers.", "在中心显示的文件名。"))
    ] = "",
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    made = Client(state_dir).send_file("/api/v1/outbox/files", file, name=name or file.name, device=device)
    if as_json:
        show_json(made)
        return
    console().print(
        t(
            "{0} ({1} MB) waits for the centers; `fieldgate outbox list` shows how far it is.",
            "{0}（{1} MB）已加入待发队列；可用 `fieldgate outbox list` 查看进度。",
        ).format(escape(made["name"]), f"{made['size'] / 1_000_000:.1f}")
    )


@app.command(help=t("Keep nothing for a far side any more, drop what waits.", "不再为该对象保留数据，并丢弃。"))
def leave(
    name: str,
    yes: bool = typer.Option(False, "--yes", "-y", help=t("Do not ask.", "不询问。")),
    state_dir: StateDir = None,
) -> None:
    if not yes and not typer.confirm(t(f"Drop what waits for {name}?", f"确定丢弃等待发往 {name} 的数据？")):
        raise typer.Exit(1)
    Client(state_dir).delete(f"/api/v1/outbox/{ref(name)}")
    console().print(t("Done.", "完成。"))
