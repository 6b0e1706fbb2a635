"""`fieldgate sources`: URLs that are pulled; list, try, add, remove. And what is sent on: the outputs."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from rich.markup import escape

from gateway.base.url import shown_url
from gateway.cli.client import AsJson, Client, StateDir, ref
from gateway.cli.output import console, show_json, state, table, why
from gateway.cli.streams import describe_tracks
from gateway.cli.words import cause_and_cure, t
from gateway.cli.zh import local as in_words

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help=t("Sources by URL: list, test, add, remove; outputs.", "URL 源：列表、测试、添加、删除；输出状态。"),
)

Url = Annotated[
    str,
    typer.Argument(help=t('As rtsp://user:password@host/path; "-" reads it from standard input.', "如 rtsp://用户:密码@主机/路径；“-”表示从标准输入读取。")),
]  # fmt: skip


def _given(url: str) -> str:
    """An argument is seen by everybody on the machine; standard input is not."""
    return sys.stdin.readline().strip() if url == "-" else url


@app.command("list", help=t("Sources, where each stands and why.", "源及其状态与原因。"))
def list_(state_dir: StateDir = None, as_json: AsJson = False) -> None:
    told = Client(state_dir).get("/api/v1/sources")
    if as_json:
        show_json(told)
        return
    rows, told_why = [], list[tuple[str, str, str]]()
    for source in told["sources"]:
        origin = t("configuration", "配置文件") if source["origin"] == "config" else escape(source["added_by"])
        if source["code"]:
            rows.append([f"[bold]{escape(source['name'])}[/]", state("fail"), "", "", origin])
            told_why.append((source["name"], source["code"], source["detail"]))
        rows += [
            [
                f"[bold]{escape(one['stream'])}[/]",
                state(one["state"]),
                escape(one["url"]),
                str(one["viewers"]),
                origin,
            ]
            for one in source["channels"]
        ]
        told_why += [(one["stream"], _reason(one), one.get("detail", "")) for one in source["channels"]]
    columns = (t("stream", "码流"), t("state", "状态"), "URL", t("viewers", "观看"), t("from", "来自"))
    if not rows:
        console().print(t("No source yet: fieldgate sources add URL", "尚无源：fieldgate sources add URL"))
        return
    console().print(table("", columns, rows))
    if (reasons := why(told_why)) is not None:
        console().print("", reasons)


@app.command(help=t("Open a URL once: its tracks, or why there is no picture.", "试开 URL：给出轨道或无画面原因。"))
def test(url: Url, state_dir: StateDir = None, as_json: AsJson = False) -> None:
    result = Client(state_dir).post("/api/v1/sources/test", {"url": _given(url)})
    if as_json:
        show_json(result)
    elif result["ok"]:
        took = t(f"picture after {result['took_s']:.1f} s", f"{result['took_s']:.1f} 秒出画")
        console().print(f"[green]{escape(result['url'])}[/]: {escape(describe_tracks(result['tracks']))}, {took}")
    else:
        cause, cure = cause_and_cure(result["code"])
        console().print(f"[red]{escape(result['url'])}[/]: {escape(result['code'])}: {escape(cause)}")
        if result["detail"]:
            console().print(escape(in_words(result["detail"])))
        console().print(f"[bold]→ {escape(cure)}[/]")
    raise typer.Exit(0 if result["ok"] else 1)


@app.command(help=t("Add a source; it is kept over restarts.", "添加源（重启后保留）。"))
def add(
    url: Url,
    id_: Annotated[str, typer.Option("--id", help=t("Its part of the id: gate.", "编号中的设备段：gate。"))] = "",
    name: Annotated[str, typer.Option("--name", help=t("Shown to people.", "显示名称。"))] = "",
    sub: Annotated[str, typer.Option("--sub", help=t("URL of its smaller picture.", "子码流 URL。"))] = "",
    always: Annotated[
        bool, typer.Option("--always", help=t("Keep it open, also when nobody watches.", "无人观看也保持打开。"))
    ] = False,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    body = {"url": _given(url), "sub_url": sub, "id": id_, "name": name, "on_demand": not always}
    result = Client(state_dir).post("/api/v1/sources", body)
    if as_json:
        show_json(result)
        return
    stream = result["data"].get("stream", "")
    shown = shown_url(body["url"]) if isinstance(body["url"], str) else ""
    console().print(
        t(f"Added {escape(shown)} as [bold]{stream}[/].", f"已添加 {escape(shown)}，码流 [bold]{stream}[/]。")
    )


@app.command(help=t("Remove a source that was added here.", "删除此处添加的源。"))
def remove(
    name: str,
    yes: Annotated[bool, typer.Option("--yes", "-y", help=t("Do not ask.", "不询问。"))] = False,
    state_dir: StateDir = None,
) -> None:
    if not yes and not typer.confirm(t(f"Remove {name}?", f"确定删除 {name}？")):
        raise typer.Exit(1)
    Client(state_dir).delete(f"/api/v1/sources/{ref(name.rpartition('/')[2])}")
    console().print(t("Done.", "完成。"))


@app.command(help=t("Outputs of the configuration, and how each stands.", "配置的输出及其状态。"))
def pushes(state_dir: StateDir = None, as_json: AsJson = False) -> None:
    told = Client(state_dir).get("/api/v1/pushes")
    if as_json:
        show_json(told)
        return
    rows = [
        [
            f"[bold]{escape(one['name'])}[/]",
            state("live" if one["state"] == "running" else one["state"]),
            escape(one["stream"]),
            escape(one["url"]),
            str(one["failures"]),
        ]
        for one in told
    ]
    if not rows:
        console().print(escape(t("No output is configured: [push.<name>].", "未配置输出：[push.<name>]。")))
        return
    columns = (t("name", "名称"), t("state", "状态"), t("stream", "码流"), t("to", "去向"), t("failures", "失败"))
    console().print(table("", columns, rows))
    if (reasons := why([(one["name"], one["code"], one.get("detail", "")) for one in told])) is not None:
        console().print("", reasons)


def _reason(one: dict[str, Any]) -> str:
    """Of a source that nobody watches there is nothing to say."""
    return "" if one["code"] == "idle" else str(one["code"])


@app.command(help=t("Cameras and microphones of this machine, as sources.", "本机摄像头与麦克风，可作为源添加。"))
def local(as_json: AsJson = False) -> None:
    from dataclasses import asdict

    from gateway.net.plugged import listed

    found = listed()
    if as_json:
        show_json([asdict(one) for one in found])
        return
    rows = [[one.kind, escape(one.name), escape(one.url), escape(", ".join(one.formats))] for one in found]
    console().print(table("", (t("kind", "类型"), t("name", "名称"), "URL", t("formats", "格式")), rows))
    if not rows:
        console().print(t("Nothing is plugged in.", "未接入任何设备。"))
