"""`fieldgate calls`: calls that stand and the last ones that ended."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from rich.markup import escape

from gateway.cli.client import AsJson, Client, StateDir
from gateway.cli.output import console, show_json, state, table
from gateway.cli.words import cause_and_cure, t

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=t("Calls that stand, and the last that ended.", "当前通话与最近结束的通话。"))
def calls(
    last: Annotated[int, typer.Option("--last", min=0, help=t("Ended ones shown.", "显示的已结束通话数。"))] = 10,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    listed = Client(state_dir).get("/api/v1/calls")
    ended = [call for call in listed if call["state"] == "ended"]
    shown = [call for call in listed if call["state"] != "ended"] + ended[:last]
    if as_json:
        show_json(shown)
        return
    columns = ("id", t("state", "状态"), t("way", "方向"), t("peer", "对方"), t("with", "接入"), t("trunk", "中继"))
    heads = (*columns, t("since", "开始"), t("media", "媒体"), t("why", "原因"))
    console().print(table("", heads, [_row(call) for call in shown]))


def _row(call: dict[str, Any]) -> list[str]:
    peer = f"{call['peer_name']} <{call['peer']}>" if call["peer_name"] else str(call["peer"])
    media = " ".join(word for word in (call["audio"], call["video"], call["secure"]) if word)
    why = cause_and_cure(call["code"])[0] if call["code"] else ""
    return [
        escape(call["id"]),
        state(call["state"]),
        t("in", "呼入") if call["incoming"] else t("out", "呼出"),
        escape(peer),
        escape(call["target"]),
        escape(call["trunk"]),
        time.strftime("%H:%M:%S", time.localtime(call["started"])),
        escape(media),
        escape(f"{why} {call['detail']}".strip()),
    ]
