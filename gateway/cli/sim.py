"""`fieldgate sim`: simulated devices, for technicians and for trying things out."""

from __future__ import annotations

import typer

from gateway.sim.command import ball
from gateway.sim.radio_command import radio
from gateway.sim.vehicle_command import vehicle

app = typer.Typer(no_args_is_help=True, help="Simulated devices · 模拟设备")


@app.callback()
def sim() -> None:
    """Simulated devices · 模拟设备"""


app.command("ball")(ball)
app.command("radio")(radio)
app.command("vehicle")(vehicle)
