"""`fieldgate run`: the daemon itself, in the foreground."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.words import t

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=t("Run the gateway in the foreground.", "在前台运行网关。"))
def run(
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help=t("Configuration file (TOML).", "配置文件（TOML）。")),
    ] = None,
    state_dir: Annotated[
        Path | None,
        typer.Option("--state-dir", envvar="FIELDGATE_STATE_DIR", help=t("State directory.", "状态目录。")),
    ] = None,
) -> None:
    # Nothing that starting makes is rubbish: looking for it would be a seventh of the time to ready. The daemon
    # collects from then on.
    gc.disable()
    from gateway.daemon import run as run_daemon

    raise typer.Exit(run_daemon(config, state_dir))
