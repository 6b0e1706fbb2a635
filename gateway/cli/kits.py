"""`fieldgate kits`: at a center, its kits: list, admit by code, revoke, forget; the files that they sent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from gateway.cli.client import AsJson, Client, StateDir, ref
from gateway.cli.output import console, show_json, state, table
from gateway.cli.times import ago
from gateway.cli.words import cause_and_cure, t

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help=t(
        "Kits of this center: list, admit, revoke, forget; files.", "本中心的终端站：列表、准入、撤销、删除、文件。"
    ),
)


@app.command("list", help=t("Kits, their links and why one is missing.", "终端站及其链路；离线原因。"))
def list_(state_dir: StateDir = None, as_json: AsJson = False) -> None:
    kits = Client(state_dir).get("/api/v1/kits")
    if as_json:
        show_json(kits)
        return
    rows = [
        [
            f"[bold]{escape(one['gateway'])}[/]",
            escape(one["name"]),
            state(one["state"]),
            " ".join(_link(link) for link in one["links"]),
            f"{one['devices_online']} / {one['devices']}",
            ago(one["last_seen"]),
            escape(cause_and_cure(one["code"])[0]) if one["code"] else "",
        ]
        for one in kits
    ]
    columns = ("id", t("name", "名称"), t("state", "状态"), t("links", "链路"), t("devices", "设备"), t("seen", "最近"))
    console().print(table("", (*columns, t("why", "原因")), rows))
    if not rows:
        console().print(
            t(
                "No kit yet. Run `fieldgate pair` on one, and admit its code here.",
                "尚无终端站。请在终端站运行 `fieldgate pair`，并在此准入其配对码。",
            )
        )


@app.command(help=t("Admit a kit by the code that it shows.", "以终端站显示的配对码准入。"))
def admit(
    code: str,
    name: Annotated[str, typer.Option("--name", help=t("What people call it.", "显示名称。"))] = "",
    host: Annotated[
        list[str] | None,
        typer.Option("--host", help=t("Where the kit reaches us; repeatable.", "终端站访问本中心的地址，可重复。")),
    ] = None,
    qr: Annotated[bool, typer.Option("--qr/--no-qr", help=t("Print a QR code.", "打印二维码。"))] = False,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    made = Client(state_dir).post("/api/v1/pairing/admit", {"code": code, "name": name, "hosts": host or []})
    if as_json:
        show_json({"kit": made["kit"], "answer": made["answer"]})
        return
    console().print(
        t(
            "Admitted {0}. A kit that was given our address has the answer by itself; any other needs it typed in:",
            "已准入 {0}。已填写本中心地址的终端站会自动取得应答；其他终端站需录入下列应答码：",
        ).format(f"[bold]{escape(made['kit']['gateway'])}[/]")
    )
    typer.echo(made["answer"])
    if qr:
        import segno

        segno.make(made["answer"], error="l").terminal(compact=True)


@app.command(help=t("Take an admission back: the kit is out at once.", "撤销准入：立即断开该终端站。"))
def revoke(
    kit: str,
    reason: Annotated[
        str, typer.Option("--reason", help=t("Why: shown on the kit, if it is here.", "原因；终端站在线时会显示给它。"))
    ] = "",
    state_dir: StateDir = None,
) -> None:
    Client(state_dir).post(f"/api/v1/kits/{ref(kit)}/revoke", {"reason": reason})
    console().print(t("Done.", "完成。"))


@app.command(help=t("Forget a kit, and that it was revoked.", "删除终端站记录（含撤销记录）。"))
def forget(kit: str, state_dir: StateDir = None) -> None:
    Client(state_dir).delete(f"/api/v1/kits/{ref(kit)}")
    console().print(t("Done.", "完成。"))


@app.command(help=t("Files that kits sent: recordings, photos, voice notes.", "终端站上报的文件：录像、照片、录音。"))
def files(
    kit: Annotated[str, typer.Argument(help=t("Of this kit only.", "仅此终端站。"))] = "",
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    found = Client(state_dir).get("/api/v1/kit-files", gateway=kit)
    if as_json:
        show_json(found)
        return
    rows = [
        [
            escape(one["gateway"]),
            f"[bold]{escape(one['file']['id'])}[/]",
            escape(one["file"]["name"]),
            escape(one["file"]["device"]),
            f"{one['file']['size'] / 1_000_000:.1f} MB",
            t("whole", "完整") if one["complete_at"] else f"{100 * one['received'] / one['file']['size']:.0f} %",
            ago(one["received_at"]),
        ]
        for one in found
    ]
    columns = (t("kit", "终端站"), "id", t("name", "名称"), t("device", "设备"), t("size", "大小"), t("here", "已收"))
    console().print(table("", (*columns, t("since", "时间")), rows))


@app.command(help=t("Save a file that a kit sent.", "保存终端站上报的文件。"))
def fetch(
    kit: str,
    file: Annotated[
        str, typer.Argument(help=t("Its id, of `fieldgate kits files`.", "`fieldgate kits files` 中的 id。"))
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help=t("Where to; else its name, here.", "保存位置；缺省为当前目录。"))
    ] = None,
    state_dir: StateDir = None,
) -> None:
    client = Client(state_dir)
    known = [one["file"]["name"] for one in client.get("/api/v1/kit-files", gateway=kit) if one["file"]["id"] == file]
    to = out or Path(Path(known[0]).name if known else file)
    size = client.save(f"/api/v1/kit-files/{ref(kit)}/{ref(file)}/file", to)
    console().print(t("{0}: {1} bytes.", "{0}：{1} 字节。").format(escape(str(to)), size))


def _link(link: dict[str, Any]) -> str:
    colour = {"in": "green", "out": "red", "trying": "yellow"}.get(link["state"], "dim")
    rtt = f" {link['rtt_ms']:.0f} ms" if link["rtt_ms"] is not None else ""
    return f"[{colour}]{escape(link['name'])}{rtt}[/]"
