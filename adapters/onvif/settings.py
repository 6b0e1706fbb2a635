"""What holds for one camera, from the configuration or from its admission."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from adapters.onvif.config import CameraConfig, OnvifConfig, read_address
from gateway.base.errors import ConfigError
from gateway.contract.device import Admitted


@dataclass(frozen=True, slots=True)
class Setting:
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    title: str = ""
    tls: bool = False
    rtsp_port: int = 0
    events: bool = True
    set_clock: bool = True


def of_config(name: str, camera: CameraConfig, config: OnvifConfig, kit_password: str) -> Setting:
    """Raises ConfigError when its password file can not be read."""
    host, port = read_address(camera.address)
    try:
        password = camera.secret() or kit_password
    except (OSError, IndexError, UnicodeDecodeError) as exc:
        raise ConfigError(f"devices.{name}.password_file", f"can not be read: {exc}") from exc
    return Setting(
        host,
        port,
        camera.user or config.user,
        password,
        camera.title,
        camera.tls,
        camera.rtsp_port,
        camera.events and config.events,
        config.set_clock if camera.set_clock is None else camera.set_clock,
    )


def of_admission(admitted: Admitted, config: OnvifConfig) -> Setting:
    """Its own number is its address, "192.168.1.64:80". Raises ValueError when it is none."""
    host, port = read_address(admitted.external_id)
    return Setting(
        host,
        port,
        admitted.user or config.user,
        admitted.password,
        events=config.events,
        set_clock=config.set_clock,
    )


def is_near(host: str, known: str) -> bool:
    """Whether two addresses are of one subnet: /24 of IPv4, /64 of IPv6. A name is near itself only."""
    if host == known:
        return True
    try:
        here, there = (ip_address(text.partition("%")[0]) for text in (host, known))
    except ValueError:
        return False
    return here in ip_network(f"{there}/{24 if there.version == 4 else 64}", strict=False)
