"""`fieldgate mqtt`: what other brokers need, and certificates of kits. Works on the state directory, daemon or not."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from gateway.base.authority import Authority, client_files, new_request, write_secret
from gateway.base.errors import ConfigError, NotFound
from gateway.cli.client import DEFAULT_STATE_DIR, AsJson, StateDir
from gateway.cli.output import console, show_json, table
from gateway.cli.times import ago
from gateway.cli.words import t

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help=t("MQTT: other brokers, certificates of kits.", "MQTT：其他服务器的配置、终端站证书。"),
)

Center = Annotated[str, typer.Option("--center", help=t("Gateway id of this center.", "本中心的网关编号。"))]
Out = Annotated[Path | None, typer.Option("--out", help=t("Write files into this folder.", "将文件写入此目录。"))]


@app.command(
    "broker-config", help=t("Configuration and access list for another broker.", "生成其他服务器的配置与访问控制列表。")
)
def broker_config(
    kind: Annotated[str, typer.Argument(help="mosquitto, nats")],
    center: Annotated[
        list[str], typer.Option("--center", help=t("Gateway id of a center; may be repeated.", "中心编号，可重复。"))
    ],
    host: Annotated[
        list[str] | None, typer.Option("--host", help=t("Name or address of the broker.", "服务器的名称或地址。"))
    ] = None,
    port: int = 8883,
    node: Annotated[
        list[str] | None,
        typer.Option("--node", help=t("nats: NAME=HOST of each node.", "nats：各节点的 名称=地址。")),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--folder", help=t("Where the files will lie there.", "文件在服务器上的目录。"))
    ] = None,
    out: Out = None,
    state_dir: StateDir = None,
) -> None:
    hosts = host or [socket.gethostname()]
    if kind == "nats":
        hosts = [one.partition("=")[2] for one in node or ()]
        made = _nats(node or [], center, folder or Path("/etc/nats/fieldgate"), port, state_dir)
        folder = folder or Path("/etc/nats/fieldgate")
    elif kind == "mosquitto":
        from adapters.mqtt import mosquitto

        folder = folder or Path("/etc/mosquitto/fieldgate")
        made = mosquitto.files(folder, center, port=port)
    else:
        text = "only those of mosquitto and nats are written here; for EMQX and VerneMQ see docs/scale.md"
        raise NotFound(f"{kind[:40]}: {text}")
    if out is None:
        for name, text in made.items():
            console().print(f"[bold]# ── {folder / name}[/]")
            console().print(escape(text), highlight=False, soft_wrap=True)
        return
    out.mkdir(parents=True, exist_ok=True)
    for name, text in made.items():
        (out / name).write_text(text)
    _certificates(out, center[0], hosts, _state(state_dir))
    console().print(t(f"Written into {out}.", f"已写入 {out}。"))


@app.command(help=t("Issue a client certificate for a gateway.", "为网关签发客户端证书。"))
def certificate(
    gateway: Annotated[str, typer.Argument(help=t("Its gateway id.", "网关编号。"))],
    request: Annotated[
        Path | None,
        typer.Option(
            "--request",
            help=t("Its request (PEM); none: a key is made.", "证书请求文件；缺省则生成密钥。"),
        ),
    ] = None,
    center: Center = "",
    out: Out = None,
    state_dir: StateDir = None,
) -> None:
    authority = _authority(state_dir, center)
    key = b""
    if request is None:
        key, asked = new_request(gateway)
    else:
        asked = request.read_bytes()
    made = authority.issue_client(gateway, asked)
    if out is None and not key:
        typer.echo(made.decode())
        return
    folder = out or Path(gateway)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_secret(folder / "client.crt", made)
    write_secret(folder / "ca.crt", authority.certificate.read_bytes())
    if key:
        write_secret(folder / "client.key", key)
    console().print(t(f"Written into {folder}.", f"已写入 {folder}。"))


@app.command(help=t("Take back every certificate of a gateway.", "吊销某网关的全部证书。"))
def revoke(gateway: str, center: Center = "", state_dir: StateDir = None) -> None:
    number = _authority(state_dir, center).revoke(gateway)
    if not number:
        raise NotFound(f"{gateway[:80]} has no certificate of this center")
    console().print(t(f"Revoked: {number}.", f"已吊销 {number} 份。"))


@app.command(help=t("Certificates that were issued here.", "本中心签发的证书。"))
def certificates(center: Center = "", state_dir: StateDir = None, as_json: AsJson = False) -> None:
    from dataclasses import asdict

    issued = _authority(state_dir, center).issued()
    if as_json:
        show_json([asdict(one) for one in issued])
        return
    rows = [
        [
            escape(one.name),
            ago(one.issued_at),
            time.strftime("%Y-%m-%d", time.localtime(one.expires_at)),
            t("revoked", "已吊销") if one.revoked_at is not None else "",
        ]
        for one in issued
    ]
    columns = (t("gateway", "网关"), t("issued", "签发"), t("ends", "到期"), "")
    console().print(table("", columns, rows))


@app.command(help=t("At a kit: keep what a center issued for it.", "在终端站：安装中心签发的证书。"))
def install(
    center: Annotated[str, typer.Argument(help=t("The center's gateway id.", "中心的网关编号。"))],
    folder: Annotated[
        Path,
        typer.Argument(help=t("ca.crt, client.crt, client.key in it.", "含这三个文件的目录。")),
    ],
    state_dir: StateDir = None,
) -> None:
    files = client_files(_state(state_dir), center)
    given = [folder / name for name in ("ca.crt", "client.crt", "client.key")]
    missing = [path.name for path in given if not path.exists()]
    if missing:
        raise NotFound(f"{folder} has no {', '.join(missing)}")
    ca, shown, key = (path.read_bytes() for path in given)
    files.keep(ca=ca, certificate=shown, key=key)
    _as_the_folder(files.folder)
    console().print(t("Kept; it is used from the next connection on.", "已安装，下次连接时生效。"))


def _nats(nodes: list[str], centers: list[str], folder: Path, port: int, state_dir: Path | None) -> dict[str, str]:
    """Users are the kits whose certificates are good."""
    from adapters.mqtt import nats

    named = [one.partition("=") for one in nodes]
    if len(named) < 3 or not all(name and host for name, _, host in named):
        raise ConfigError("--node", "a cluster has three nodes or more: --node mq1=10.0.0.1 --node mq2=10.0.0.2 …")
    issued = _authority(state_dir, centers[0]).issued()
    kits = dict.fromkeys(one.name for one in issued if one.revoked_at is None and one.name not in centers)
    made = [nats.Node(name, host, port) for name, _, host in named]
    return nats.files(folder, centers, kits, made, Path("/var/lib/nats/jetstream"))


def _state(state_dir: Path | None) -> Path:
    return state_dir or DEFAULT_STATE_DIR


def _authority(state_dir: Path | None, center: str) -> Authority:
    root = _state(state_dir)
    if not root.is_dir():
        raise ConfigError("gateway.state_dir", f"{root} is not there: run this at the center, or give --state-dir")
    made = Authority(root / "tls", center or root.name)
    _as_the_folder(root / "tls")
    return made


def _certificates(out: Path, center: str, hosts: list[str], state_dir: Path) -> None:
    """What the broker shows, and what the center shows to it."""
    from gateway.base import server_tls

    folder = state_dir / "tls"
    shown = server_tls.ensure(folder, center, hosts, stem="mosquitto")
    authority = Authority(folder, center)
    write_secret(out / "ca.crt", authority.certificate.read_bytes())
    write_secret(out / "ca.crl", authority.revocations.read_bytes())
    write_secret(out / "broker.crt", shown.certificate.read_bytes())
    write_secret(out / "broker.key", shown.key.read_bytes())
    own = out / "center"
    own.mkdir(mode=0o700, exist_ok=True)
    key, request = new_request(center)
    write_secret(own / "client.crt", authority.issue_client(center, request))
    write_secret(own / "client.key", key)
    write_secret(own / "ca.crt", authority.certificate.read_bytes())
    _as_the_folder(folder)


def _as_the_folder(folder: Path) -> None:
    """Root may run this; the files are the daemon's."""
    if os.geteuid() == 0:
        owner = folder.parent.stat()
        for path in (folder, *folder.iterdir()):
            os.chown(path, owner.st_uid, owner.st_gid)
