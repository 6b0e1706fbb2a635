"""The command `fieldgate`: one file per command, loaded only when it is asked for.

Every command module has `app`, a `typer.Typer`: with one `@app.command()` it is that command, with a callback or
several commands it is a group. Exit codes: 0 done, 1 failed or refused, 2 wrong usage, 3 no daemon to talk to.
"""

from __future__ import annotations

import importlib
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from gateway.base.errors import GatewayError
from gateway.cli import words
from gateway.cli.words import t

# name → module; shown by `fieldgate --help` in this order
COMMANDS: dict[str, str] = {
    "run": "gateway.cli.run",
    "demo": "gateway.cli.demo",
    "status": "gateway.cli.status",
    "doctor": "gateway.cli.doctor",
    "devices": "gateway.cli.devices",
    "streams": "gateway.cli.streams",
    "snapshot": "gateway.cli.snapshot",
    "sources": "gateway.cli.sources",
    "programs": "gateway.cli.programs",
    "discover": "gateway.cli.discover",
    "capture": "gateway.cli.capture",
    "sip": "gateway.cli.sip",
    "call": "gateway.cli.call",
    "talk": "gateway.cli.talk",
    "calls": "gateway.cli.calls",
    "accounts": "gateway.cli.accounts",
    "token": "gateway.cli.token",
    "invite": "gateway.cli.invite",
    "pair": "gateway.cli.pair",
    "kits": "gateway.cli.kits",
    "links": "gateway.cli.links",
    "outbox": "gateway.cli.outbox",
    "sms": "gateway.cli.sms",
    "mqtt": "gateway.cli.mqtt",
    "config": "gateway.cli.config",
    "sim": "gateway.cli.sim",
}


class LazyGroup(TyperGroup):
    """Imports a command's module when the command is named, so that `fieldgate run` loads nothing of `demo`."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        command = typer.main.get_command(importlib.import_module(module).app)
        command.name = cmd_name
        return command

    def invoke(self, ctx: Any) -> Any:
        """Run the command; an error the gateway can name is shown with cause and cure, never as a trace."""
        try:
            return super().invoke(ctx)
        except GatewayError as error:
            from gateway.cli.output import show_error  # rich is slow to load, and `run` has no use for it

            show_error(error)
            raise typer.Exit(3 if error.code == "no-daemon" else 1) from error


app = typer.Typer(
    cls=LazyGroup,
    name="fieldgate",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help=t(
        "Field communications gateway: devices on site, live in the center's browser.",
        "现场通信网关：现场设备，秒级呈现于指挥中心浏览器。",
    ),
)


@app.callback()
def root(
    lang: Annotated[str, typer.Option("--lang", help=t("Language: zh or en.", "语言：zh 或 en。"))] = "",
) -> None:
    if lang:
        words.choose(lang)


def main() -> None:
    """Entry of the command; `gateway.__main__` calls it."""
    app()
