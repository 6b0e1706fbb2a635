"""`fieldgate snapshot`: one picture of a stream as JPEG."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from gateway.cli.client import AsJson, Client, StateDir, ref
from gateway.cli.output import console, show_json
from gateway.cli.words import t

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=t("One picture of a stream as JPEG.", "将码流当前画面保存为 JPEG。"))
def snapshot(
    stream: str,
    to: Annotated[Path | None, typer.Option("--to", "-o", help=t("File; else named after it.", "文件名。"))] = None,
    height: Annotated[int, typer.Option(min=0, max=2160, help=t("Lines at most; 0: all.", "最大行数；0 为原始。"))] = 0,
    quality: Annotated[int, typer.Option(min=1, max=100, help=t("Of the JPEG.", "JPEG 质量。"))] = 75,
    last: Annotated[
        bool, typer.Option("--last", help=t("Else the last one made.", "无法获取时返回最近一张。"))
    ] = False,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    path = f"/api/v1/streams/{ref(stream)}/snapshot.jpg"
    jpeg, headers = Client(state_dir).fetch(path, height=height, quality=quality, last=str(last).lower())
    file = to or Path(stream.strip("/").replace("/", "-") + ".jpg")
    file.write_bytes(jpeg)
    size, age = headers["fieldgate-picture-size"], headers["fieldgate-picture-age"]
    if as_json:
        show_json({"file": str(file), "bytes": len(jpeg), "size": size, "age_s": float(age)})
    else:
        aged = t("seconds old", "秒前")
        console().print(f"{escape(str(file))}: {size}, {len(jpeg) // 1024} KB, {age} {aged}")
