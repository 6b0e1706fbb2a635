"""`fieldgate discover`: what is on the network, live as it is found, each with a number to take it in.

The running gateway searches, so that what is found can be adopted; with `--local`, or where none runs, this command
searches by itself. Exit code: 0 something was found, 1 nothing was.
"""

from __future__ import annotations

import asyncio
import getpass
import os
import select
import sys
import termios
import time
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group as Lines
from rich.console import RenderableType
from rich.live import Live
from rich.markup import escape
from rich.text import Text

from gateway.base.errors import GatewayError
from gateway.cli.client import AsJson, Client, StateDir
from gateway.cli.output import console, show_error, show_json, table
from gateway.cli.words import cause_and_cure, t

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

LOOK_S = 0.5
KINDS = {
    "camera": ("camera", "摄像头"),
    "source": ("source", "视频源"),
    "stream": ("stream", "码流"),
    "other": ("other", "其他"),
}
WAYS = {
    "ws-discovery": "WSD",
    "mdns": "mDNS",
    "ssdp": "SSDP",
    "wire": t("wire", "监听"),
    "plug": t("plugged in", "本机接入"),
}


@app.command(
    help=t(
        "Find cameras, sources and streams on the network, and take them in.",
        "发现网络上的摄像头、视频源与码流并接入。",
    )
)
def discover(
    seconds: Annotated[
        float, typer.Option("--seconds", "-s", min=1, max=600, help=t("How long to search.", "搜索时长。"))
    ] = 8.0,
    listen: Annotated[
        bool,
        typer.Option(
            "--listen",
            "-l",
            help=t(
                "Listen to the wire too (needs CAP_NET_RAW and scapy).", "同时监听网线（需 CAP_NET_RAW 与 scapy）。"
            ),
        ),
    ] = False,
    interface: Annotated[
        str, typer.Option("--interface", "-i", help=t("This network alone: eth0.", "只搜索该网络：eth0。"))
    ] = "",
    adopt: Annotated[
        str,
        typer.Option(
            "--adopt", help=t("Take one in without asking: its key or address.", "直接接入：填写其标识或地址。")
        ),
    ] = "",
    name: Annotated[str, typer.Option("--name", help=t("Its name, with --adopt.", "名称（配合 --adopt）。"))] = "",
    user: Annotated[str, typer.Option("--user", help=t("Its user, with --adopt.", "用户名（配合 --adopt）。"))] = "",
    password_file: Annotated[
        Path | None,
        typer.Option("--password-file", help=t("Its password; else the kit's.", "密码文件；缺省用套件密码。")),
    ] = None,
    local: Annotated[
        bool, typer.Option("--local", help=t("Search without the gateway.", "不经网关，由本命令自行搜索。"))
    ] = False,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    client = Client(state_dir)
    by_daemon = not local and client.running()
    if not by_daemon and adopt:
        raise GatewayError(t("adopting needs the running gateway", "接入需要网关正在运行"), code="no-daemon")
    ways = "all" if listen else ""
    order = {"seconds": seconds, "ways": ways, "interface": interface}
    source: Searching = _Daemon(client, order) if by_daemon else _Local(seconds, ways, interface)
    told = _watch(source, quiet=as_json or bool(adopt) or not console().is_terminal, keys=by_daemon)
    if as_json and not adopt:
        show_json(told)
    elif adopt:
        password = password_file.read_text().strip() if password_file is not None else ""
        _adopt_by_name(client, told["finds"], adopt, name, user, password, as_json)
        return
    elif not console().is_terminal:
        console().print(_shown(told, False))
    raise typer.Exit(0 if told["finds"] else 1)


class Searching:
    """A search under way: begun when it is made, looked at now and then, ended by `close`."""

    def look(self) -> dict[str, Any]:
        """As GET /api/v1/discover."""
        raise NotImplementedError

    def close(self) -> None:
        pass


class _Daemon(Searching):
    def __init__(self, client: Client, order: dict[str, Any]) -> None:
        self._client = client
        try:
            client.post("/api/v1/discover", order)
        except GatewayError as exc:
            if exc.code != "discovery-running":
                raise  # somebody else searches: what they find is ours too

    def look(self) -> dict[str, Any]:
        return dict(self._client.get("/api/v1/discover"))


class _Local(Searching):
    """In this process; nothing can be adopted by it."""

    def __init__(self, seconds: float, ways: str, interface: str) -> None:
        from threading import Thread

        from gateway.model.discovery import FindWay
        from gateway.net.discovery.search import ACTIVE, Search
        from gateway.net.discovery.table import Finds

        wanted = (*ACTIVE, FindWay.WIRE) if ways == "all" else ACTIVE
        self._finds = Finds()
        self._search = Search(self._finds, time.time)
        self._thread = Thread(
            target=lambda: asyncio.run(self._search.run(wanted, seconds, interface=interface)), daemon=True
        )
        self._thread.start()

    def look(self) -> dict[str, Any]:
        return {
            "search": {"running": self._thread.is_alive(), "notes": list(self._search.notes)},
            "finds": [asdict(find) for find in self._finds.all()],
        }

    def close(self) -> None:
        self._thread.join(timeout=5.0)


def _watch(source: Searching, *, quiet: bool, keys: bool) -> dict[str, Any]:
    """Look until the search has ended; on a terminal, show it live and take numbers."""
    told = source.look()
    try:
        if quiet:
            while told["search"]["running"]:
                time.sleep(LOOK_S)
                told = source.look()
            return told
        return _live(source, told, keys)
    except KeyboardInterrupt:
        return told
    finally:
        source.close()


def _live(source: Searching, told: dict[str, Any], keys: bool) -> dict[str, Any]:
    typed = ""
    while True:
        with Live(_shown(told, keys, typed), console=console(), refresh_per_second=8, transient=True) as live, _raw():
            wish = ""
            while not wish:
                for key in _keys(LOOK_S):
                    if key in ("\r", "\n") and typed:
                        wish, typed = typed, ""
                    elif key.isdecimal() and keys and len(typed) < 3:
                        typed += key
                    elif key in ("\x7f", "\b"):
                        typed = typed[:-1]
                    elif key in ("q", "\x03", "\x04", "\x1b"):
                        wish = "q"
                if told["search"]["running"]:
                    told = source.look()
                elif not keys or not told["finds"]:
                    wish = wish or "q"
                live.update(_shown(told, keys, typed))
        if wish == "q":
            console().print(_shown(told, False))
            return told
        number = int(wish)
        if 1 <= number <= len(told["finds"]) and isinstance(source, _Daemon):
            _ask_and_adopt(source, told["finds"][number - 1])
            told = source.look()


def _ask_and_adopt(source: _Daemon, find: dict[str, Any]) -> None:
    console().print(f"[bold]{escape(find['name'] or find['address'])}[/] {escape(' '.join(find['urls'][:1]))}")
    body: dict[str, str] = {"key": find["key"], "name": ""}
    try:
        body["name"] = typer.prompt(t("Name", "名称"), default=find["name"] or "", show_default=True)
        if find["kind"] in ("camera", "source"):
            body["user"] = typer.prompt(
                t("User (empty: as configured)", "用户名（空：按配置）"), default="", show_default=False
            )
            body["password"] = getpass.getpass(t("Password (empty: the kit's): ", "密码（空：套件密码）："))
        _adopted(source._client.post("/api/v1/discover/adopt", body))
    except GatewayError as error:
        show_error(error)
    except (typer.Abort, EOFError):
        console().print(t("Not adopted.", "未接入。"))


def _adopt_by_name(
    client: Client, finds: Sequence[dict[str, Any]], wish: str, name: str, user: str, password: str, as_json: bool
) -> None:
    """By key, or by the address where that is only one's."""
    found = [f for f in finds if f["key"] == wish] or [
        f for f in finds if f["adopt"] and wish in (f["address"], f["external_id"], f["destination"], *f["urls"])
    ]
    if len(found) != 1:
        text = (
            t("found not at all", "未发现")
            if not found
            else t("found more than once: use its key", "存在多个，请用标识")
        )
        raise GatewayError(f"{wish[:80]}: {text}", code="not-found")
    body = {"key": found[0]["key"], "name": name, "user": user, "password": password}
    result = client.post("/api/v1/discover/adopt", body)
    if as_json:
        show_json(result)
    else:
        _adopted(result)


def _adopted(result: dict[str, Any]) -> None:
    device = escape(str(result["data"].get("device", "")))
    console().print(t(f"Taken in as [bold]{device}[/].", f"已接入，编号 [bold]{device}[/]。"))


def _shown(told: dict[str, Any], keys: bool, typed: str = "") -> RenderableType:
    rows = [
        [
            str(number),
            t(*KINDS.get(find["kind"], (find["kind"],) * 2)),
            escape(find["destination"] or find["address"]),
            escape(" ".join(w for w in (find["name"], find["manufacturer"], find["model"]) if w)[:48]),
            escape(_content(find)),
            " ".join(WAYS.get(way, way) for way in find["ways"]),
            f"[green]{escape(find['adopted'])}[/]" if find["adopted"] else ("" if find["adopt"] else "[dim]—[/]"),
            f"[dim]{find['key']}[/]",
        ]
        for number, find in enumerate(told["finds"], 1)
    ]
    columns = ("#", t("kind", "类型"), t("address", "地址"), t("name", "名称"), t("content", "内容"), t("by", "方式"))
    parts: list[RenderableType] = [table("", (*columns, t("is", "已接入"), t("key", "标识")), rows)]
    for code, detail in told["search"].get("notes", ()):
        cause, cure = cause_and_cure(code)
        parts.append(Text.from_markup(f"[yellow]{escape(cause)}[/] {escape(detail)} [bold]→ {escape(cure)}[/]"))
    running = told["search"]["running"]
    if not rows and not running:
        words = t(
            "Nothing was found. Have they power, are they on this network? --listen hears those of other networks too.",
            "未发现任何设备。请确认设备已通电并接入本网络；加 --listen 还可听到其他网段的设备。",
        )
        parts.append(Text(words))
    if running or keys:
        words = t("searching…", "搜索中…") if running else t("done.", "完成。")
        if keys:
            words += " " + t("Number and Enter takes one in, q ends:", "输入序号并回车接入，q 结束：") + f" {typed}"
        parts.append(Text(words, style="bold"))
    return Lines(*parts)


def _content(find: dict[str, Any]) -> str:
    rate = find["bitrate_bps"]
    said = "+".join(find["codecs"])
    if rate:
        said += f" {rate / 1e6:.2f} Mb/s" if rate >= 1e5 else f" {rate / 1e3:.0f} kb/s"
    return said.strip() or (find["urls"][0] if find["urls"] else "")


@contextmanager
def _raw() -> Iterator[None]:
    """Keys come as they are pressed."""
    if not sys.stdin.isatty():
        yield
        return
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    try:
        tty.setcbreak(fd)
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def _keys(wait_s: float) -> str:
    """What was typed within so long."""
    if not sys.stdin.isatty():
        time.sleep(wait_s)
        return ""
    if not select.select([sys.stdin], [], [], wait_s)[0]:
        return ""
    return os.read(sys.stdin.fileno(), 64).decode("utf-8", "ignore")
