"""`fieldgate sim`: simulated devices, for technicians and for trying things out."""

from __future__ import annotations

import typer

from gateway.cli.words import t
from gateway.sim.command import ball
from gateway.sim.radio_command import radio
from gateway.sim.vehicle_command import vehicle

HELP = t("Simulated devices.", "模拟设备。")

app = typer.Typer(no_args_is_help=True, help=HELP)


@app.callback(help=HELP)
def sim() -> None:
    """Simulated devices."""


app.command("ball")(ball)
app.command("radio", help=t("A simulated narrowband radio channel (USRP).", "模拟窄带电台信道（USRP）。"))(radio)
app.command("vehicle", help=t("A simulated vehicle terminal (JT/T 808 and 1078).", "模拟车载终端（JT/T 808、1078）。"))(
    vehicle
)
