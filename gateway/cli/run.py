"""`fieldgate run`: the daemon itself, in the foreground."""

from __future__ import annotations

import gc
import os
import warnings
from pathlib import Path
from typing import Annotated

import typer

from gateway.base.late_methods import compile_late
from gateway.cli.words import t

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def load_lightly() -> None:
    """How this process loads what it needs: whoever restores power waits for it. Before anything else is imported."""
    # Nothing that starting makes is rubbish, and looking for it takes a seventh of the time. The daemon collects from
    # ready on.
    gc.disable()
    compile_late()
    # No plugin of pydantic is ours, and looking for one reads the metadata of every package that is installed.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from pydantic import BaseModel
    from pydantic.warnings import UnsupportedFieldAttributeWarning

    # Validators are built when something is first validated by them: those of OpenAPI, of parts of others and of orders
    # that nobody has given yet are not.
    BaseModel.model_config["defer_build"] = True
    # FastAPI keeps this one to itself while it makes its validators; of those that are built later nobody does, and a
    # page of Python stood in the log at the first order.
    warnings.filterwarnings("ignore", category=UnsupportedFieldAttributeWarning)


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
    load_lightly()
    from gateway.daemon import run as run_daemon

    raise typer.Exit(run_daemon(config, state_dir, _in_words))


def _in_words(text: str) -> str:
    from gateway.cli.zh import local

    return local(text)
