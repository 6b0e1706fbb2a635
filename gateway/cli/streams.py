"""`fieldgate streams`: what can be watched and how it runs, once or as a live table."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from gateway.cli.client import AsJson, Client, StateDir, ref
from gateway.cli.output import console, show_json, state, table
from gateway.cli.times import ago
from gateway.cli.words import cause_and_cure, t
from gateway.cli.zh import local

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help=t("Streams: list, show, live table.", "码流：列表、详情、实时表。"),
)


def _rows(streams: list[dict[str, Any]]) -> Table:
    rows = []
    for one in streams:
        figures = one["figures"]
        rows.append(
            [
                f"[bold]{escape(one['id'])}[/]",
                state(one["state"]),
                escape(one["title"]),
                escape(describe_tracks(one["tracks"])),
                _number(figures["fps"], "{:.0f}"),
                _number(figures["bitrate_bps"], "{:.2f}", 1e-6),
                _number(figures["loss_ratio"], "{:.2f}", 100),
                _number(figures["frame_age_s"], "{:.1f}"),
                str(one["viewers"]),
                escape(cause_and_cure(one["code"])[0]) if one["code"] else "",
            ]
        )
    columns = ("id", t("state", "状态"), t("title", "名称"), t("media", "媒体"), "fps", "Mb/s", t("loss %", "丢包 %"))
    return table("", (*columns, t("age s", "帧龄 秒"), t("viewers", "观看"), t("why", "原因")), rows)


def describe_tracks(tracks: list[dict[str, Any]]) -> str:
    """ "h264 1280×720, pcma"."""
    return ", ".join(
        f"{one['codec']} {one['width']}×{one['height']}" if one["width"] else str(one["codec"]) for one in tracks
    )


def _number(value: float | None, form: str, factor: float = 1.0) -> str:
    return "–" if value is None else form.format(value * factor)


@app.command("list", help=t("All streams.", "全部码流。"))
def list_(text: str = "", state_dir: StateDir = None, as_json: AsJson = False) -> None:
    streams = Client(state_dir).get("/api/v1/streams", q=text)
    if as_json:
        show_json(streams)
    else:
        console().print(_rows(streams))


@app.command(help=t("One stream with its figures.", "单路码流及其数据。"))
def show(stream: str, state_dir: StateDir = None, as_json: AsJson = False) -> None:
    one = Client(state_dir).get(f"/api/v1/streams/{ref(stream)}")
    if as_json:
        show_json(one)
        return
    to = console()
    to.print(f"[bold]{escape(one['id'])}[/]  {escape(one['title'])}  {state(one['state'])}  {ago(one['since'])}")
    if one["code"]:
        cause, cure = cause_and_cure(one["code"])
        to.print(f"  {escape(cause)} {escape(local(one['detail']))}\n  {escape(cure)}")
    to.print(f"  {t('media', '媒体')}: {escape(describe_tracks(one['tracks'])) or '–'}")
    for key, value in one["figures"].items():
        to.print(f"  {key}: {'–' if value is None else round(value, 3)}")
    for made in one["renditions"]:
        to.print("  " + escape(describe_rendition(made)))


def describe_rendition(made: dict[str, Any]) -> str:
    """ "converted: h265 1280x720 → h264 1280x720, sound as it is (running, libx264, 0.3 cores, 2 viewers): …"."""
    parts = [made["video"], f"{t('sound', '音频')} {made['audio']}" if made["audio"] == "as it is" else made["audio"]]
    words = ", ".join(part for part in parts if part) or made["name"]
    about = [made["state"], made["encoder"]]
    if made["cores"] is not None:
        about.append(f"{made['cores']:.2f} {t('cores', '核')}")
    about.append(f"{made['viewers']} {t('viewers', '观看')}")
    why = " ".join(cause_and_cure(code)[0] for code in ([made["code"]] if made["code"] else made["why"]))
    return f"{t('converted', '转码')}: {words} ({', '.join(filter(None, about))}): {why}"


@app.command(help=t("A table that renews itself every second; Ctrl-C ends it.", "每秒刷新的实时表；Ctrl-C 结束。"))
def watch(
    text: str = "",
    every: Annotated[float, typer.Option("--every", min=0.2, help=t("Seconds.", "秒。"))] = 1.0,
    state_dir: StateDir = None,
) -> None:
    client = Client(state_dir)
    with Live(_rows(client.get("/api/v1/streams", q=text)), console=console(), auto_refresh=False) as live:
        try:
            while True:
                time.sleep(every)
                live.update(_rows(client.get("/api/v1/streams", q=text)), refresh=True)
        except KeyboardInterrupt:
            return


@app.command(
    help=t(
        "An HLS link of a stream for players that know no sign-in; it ends by itself.",
        "生成码流的 HLS 链接，供无法登录的播放器使用；到期自动失效。",
    )
)
def link(
    stream: str,
    qr: Annotated[bool, typer.Option("--qr", help=t("Print a QR code as well.", "同时打印二维码。"))] = False,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    made = Client(state_dir).post(f"/hls/{ref(stream)}/link")
    if as_json:
        show_json(made)
        return
    typer.echo(made["url"])
    if qr:
        import segno

        segno.make(made["url"]).terminal(compact=True)
