"""`fieldgate capture`: pcapng of the ports in use in a ring on the disk, secrets masked; then what is seen in it.

The packets are taken by this command, as root; the daemon needs no right for it. Which ports: those the running gateway
has open now, its media ports, those of its sources, and `--port`. `--read` draws a capture that is there.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
from rich.markup import escape

from gateway.base.errors import ConfigError, GatewayError
from gateway.cli.client import DEFAULT_STATE_DIR, AsJson, Client, StateDir
from gateway.cli.output import console, show_json
from gateway.cli.words import cause_and_cure, t
from gateway.config.units import parse_ports, parse_size
from gateway.net.capture.filter import Ranges, ranges_of
from gateway.wire.pcapng import Packet

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

PORTS = {"rtsp": 554, "rtsps": 322, "rtmp": 1935, "rtmps": 443, "http": 80, "https": 443, "srt": 0, "onvif": 80}
MEDIA = (30000, 30499)
SIP = (5060, 5061)


@app.command(
    help=t(
        "Write what passes the ports in use to a ring of pcapng files, secrets masked; draw ladders, loss and jitter.",
        "将在用端口的流量写入 pcapng 环形文件（密钥已屏蔽），并绘制信令梯形图、丢包与抖动。",
    )
)
def capture(
    seconds: Annotated[
        float, typer.Option("--seconds", "-s", min=0, help=t("How long; 0: until Ctrl-C.", "时长；0 表示直到 Ctrl-C。"))
    ] = 0.0,
    folder: Annotated[Path, typer.Option("--write", "-w", help=t("Folder of the ring.", "环形文件所在目录。"))] = Path(
        "fieldgate-capture"
    ),
    file_size: Annotated[str, typer.Option("--file-size", help=t("Size of one file.", "单个文件大小。"))] = "50MB",
    files: Annotated[
        int,
        typer.Option("--files", min=1, max=10_000, help=t("Files kept; the oldest goes.", "保留文件数，最旧的先删。")),
    ] = 10,
    keep_free: Annotated[
        str, typer.Option("--keep-free", help=t("Leave this much of the disk.", "磁盘至少保留的空间。"))
    ] = "500MB",
    interface: Annotated[
        list[str] | None,
        typer.Option("--interface", "-i", help=t("This network; may be given again.", "网口，可多次给出。")),
    ] = None,
    port: Annotated[
        list[str] | None,
        typer.Option(
            "--port", "-p", help=t("A port or range besides: 5004, 6000-6100.", "另加端口或范围：5004、6000-6100。")
        ),
    ] = None,
    only: Annotated[
        bool, typer.Option("--only", help=t("The ports of --port alone.", "只抓 --port 给出的端口。"))
    ] = False,
    read: Annotated[
        Path | None,
        typer.Option("--read", "-r", help=t("Draw this capture (file or folder).", "读取已有抓包（文件或目录）。")),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help=t("Write the drawing to a page as well.", "同时输出为网页。"))
    ] = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    if read is None:
        limits = (_size("--file-size", file_size), files, _size("--keep-free", keep_free))
        found = _capture(seconds, folder, limits, interface or [], _asked(port or []), only, state_dir, quiet=as_json)
    else:
        from gateway.net.capture.ring import files_of

        found = {"files": files_of(read), "dropped": 0, "code": "", "detail": ""}
    _report(found, html, as_json)
    if found["code"]:
        raise typer.Exit(1)


def _capture(
    seconds: float,
    folder: Path,
    limits: tuple[int, int, int],
    interfaces: Sequence[str],
    asked: Ranges,
    only: bool,
    state_dir: Path | None,
    *,
    quiet: bool,
) -> dict[str, Any]:
    """Until the time is over, Ctrl-C, or the disk is full (which is told, and what was written stays)."""
    from gateway.net.capture.live import capture as run
    from gateway.net.capture.ring import Ring

    names = list(interfaces) or _interfaces()
    ends = time.monotonic() + seconds if seconds else float("inf")
    stopped = False
    rings: list[Ring] = []

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True

    def tell(tally: Any, ring: Ring) -> bool:
        rings[:] = [ring]
        left.update(packets=tally.packets, octets=tally.octets, dropped=tally.dropped)
        if not quiet and console().is_terminal:
            line = t(
                "{0} packets, {1:.1f} MB, {2} lost by the kernel · Ctrl-C ends",
                "{0} 包，{1:.1f} MB，内核丢 {2} · Ctrl-C 结束",
            )
            console().print(line.format(tally.packets, tally.octets / 1e6, tally.dropped) + "  ", end="\r")
        return not stopped and time.monotonic() < ends

    left: dict[str, Any] = {"packets": 0, "octets": 0, "dropped": 0, "code": "", "detail": ""}
    ports = _watcher(state_dir, asked, only)
    if not quiet:
        told = ", ".join(f"{a}-{b}" if a != b else str(a) for a, b in ports())
        console().print(t(f"Ports {told} on {', '.join(names)}", f"端口 {told}，网口 {', '.join(names)}"))
    before = {name: signal.signal(name, stop) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        _, ring = run(
            folder, names, ports, file_bytes=limits[0], files=limits[1], keep_free=limits[2], tell=tell, tell_s=0.5
        )
        rings[:] = [ring]
    except GatewayError as exc:
        if exc.code != "disk-full":
            raise
        left.update(code=exc.code, detail=str(exc))
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
    left["files"] = list(rings[0].written) if rings else _written(folder)
    return left


def _written(folder: Path) -> list[Path]:
    """It ended before the first look at it."""
    from gateway.net.capture.ring import files_of

    try:
        return list(files_of(folder))
    except GatewayError:
        return []


def _report(found: dict[str, Any], html: Path | None, as_json: bool) -> None:
    from gateway.cli.capture_draw import as_dict, as_html, drawn
    from gateway.net.capture.analysis import analyse

    report = analyse(_packets(found["files"]))
    if html is not None:
        html.write_text(as_html(report), encoding="utf-8")
    if as_json:
        show_json(
            {
                **{k: v for k, v in found.items() if k != "files"},
                "files": [str(p) for p in found["files"]],
                **as_dict(report),
            }
        )
        return
    console().print(drawn(report))
    for path in found["files"]:
        console().print(f"[dim]{escape(str(path))}[/]")
    if found["code"]:
        cause, cure = cause_and_cure(found["code"])
        console().print(f"[red]{escape(cause)}[/] {escape(found['detail'])} [bold]→ {escape(cure)}[/]")


def _packets(files: Sequence[Path]) -> Iterator[Packet]:
    from gateway.wire import pcapng

    for path in files:
        with path.open("rb") as file:
            yield from pcapng.read(file)


def _watcher(state_dir: Path | None, asked: Ranges, only: bool) -> Callable[[], Ranges]:
    """The ports as they are when it is asked."""
    from gateway.net.capture.inuse import peer_of, ports_of

    folder = state_dir or DEFAULT_STATE_DIR
    pid = 0 if only else peer_of(folder / "api.sock")
    if only and not asked:
        raise GatewayError(t("--only needs --port", "--only 需要同时给出 --port"), code="bad-request")
    fixed = set() if only else _named(Client(state_dir))
    ranges = list(asked) if only else [*asked, _media(pid, state_dir), SIP]

    def now() -> Ranges:
        """Those that closed meanwhile stay: what is gone comes back there."""
        fixed.update(ports_of(pid) if pid else ())
        return ranges_of(fixed, ranges)

    return now


def _media(pid: int, state_dir: Path | None) -> tuple[int, int]:
    """`media.rtp_ports` of the running gateway; the default's where none runs."""
    if pid:
        try:
            told = parse_ports(Client(state_dir).get("/api/v1/system/ports")["rtp_ports"])
            return told.first, told.last
        except (GatewayError, KeyError, ValueError, TypeError):
            pass  # an older daemon
    return MEDIA


def _named(client: Client) -> set[int]:
    """Ports of what the gateway pulls from: sources' URLs, cameras' services."""
    found: set[int] = set()
    try:
        for source in client.get("/api/v1/sources")["sources"]:
            for channel in source["channels"]:
                parts = urlsplit(channel["url"])
                found.add(parts.port or PORTS.get(parts.scheme, 0))
        for device in client.get("/api/v1/devices", scheme="onvif"):
            found |= {int(device["external_id"].rpartition(":")[2] or 80), 554, 8554}
    except (GatewayError, KeyError, ValueError, TypeError):
        pass  # no daemon, or one that does not say: what it has open is seen anyway
    return found


def _interfaces() -> list[str]:
    import socket

    from gateway.net.multicast import interfaces

    up = {one.name for one in interfaces(loopback=True)}
    return [name for _, name in socket.if_nameindex() if name in up]


def _asked(words: Sequence[str]) -> Ranges:
    out = []
    for word in words:
        try:
            first, last = (int(word), int(word)) if word.isdecimal() else parse_ports(word)
            if not 0 < first <= last < 65536:
                raise ValueError
        except ValueError:
            raise ConfigError("--port", t(f"{word!r} is no port", f"{word!r} 不是端口"), code="bad-request") from None
        out.append((first, last))
    return out


def _size(name: str, text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as exc:
        raise ConfigError(name, str(exc), code="bad-request") from None
