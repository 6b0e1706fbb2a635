"""What nodes of a NATS cluster need to serve kits and centers by MQTT: a configuration each, and one list of users.

NATS knows a client by the subject of its certificate (`verify_and_map`) and has no pattern for "its own name", so every
kit is a user by name: the list is written anew, and the servers told to reload, when one comes or is revoked. Topics'
`/` is `.` there, `+` is `*`, `#` is `>`. Since 2.14; nothing older has been tried with it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters.mqtt.protocol.acl import reads, writes

USERS = "users.conf"


@dataclass(frozen=True, slots=True)
class Node:
    """One server of the cluster. `host` is where kits and the other nodes reach it."""

    name: str
    host: str
    mqtt_port: int = 8883
    cluster_port: int = 6222
    client_port: int = 4222


def node(
    one: Node,
    all_: Sequence[Node],
    folder: Path,
    store: Path,
    secret: str,
    *,
    replicas: int = 3,
    max_message: int = 600_000,
) -> str:
    """`folder` is where ca.crt, broker.crt, broker.key and the users lie on that node; `store` where JetStream writes;
    `secret` lets nodes into the cluster."""
    tls = f'ca_file: "{folder / "ca.crt"}", cert_file: "{folder / "broker.crt"}", key_file: "{folder / "broker.key"}"'
    routes = ", ".join(
        f'"nats-route://node:{secret}@{other.host}:{other.cluster_port}"' for other in all_ if other != one
    )
    return f"""\
# NATS with JetStream for kits and centers of Fieldgate.
server_name: "{one.name}"
# For nobody but people of the cluster: kits come by MQTT.
listen: "127.0.0.1:{one.client_port}"
tls {{ {tls}, verify_and_map: true }}
max_payload: {max_message}
cluster {{
  name: fieldgate
  listen: "{one.host}:{one.cluster_port}"
  routes: [{routes}]
  # A network of their own is better: what goes between nodes is not enciphered.
  authorization {{ user: "node", password: "{secret}", timeout: 5 }}
}}
jetstream {{
  store_dir: "{store}"
  # A center that begins to listen has every retained message asked for at once: more than this many wait for nobody.
  request_queue_limit: 200000
}}
mqtt {{
  listen: "{one.host}:{one.mqtt_port}"
  tls {{ {tls}, verify_and_map: true, timeout: 10 }}
  stream_replicas: {replicas}
  js_api_timeout: "5s"
  max_ack_pending: 8000
}}
authorization {{ include "{USERS}" }}
"""


def users(centers: Iterable[str], kits: Iterable[str]) -> str:
    """Whoever is not in it is not let in: revoked kits are left out."""
    lines = ["# Written by fieldgate: who may publish and hear what.", "users: ["]
    lines += [_user(name, center=True) for name in centers]
    lines += [_user(name, center=False) for name in kits]
    return "\n".join([*lines, "]"]) + "\n"


def files(
    folder: Path, centers: Sequence[str], kits: Iterable[str], nodes: Sequence[Node], store: Path
) -> dict[str, str]:
    """Name → text: a configuration for each node, and the list for all of them."""
    secret = secrets.token_urlsafe(24)
    made = {f"{one.name}.conf": node(one, nodes, folder, store, secret) for one in nodes}
    return {**made, USERS: users(centers, kits)}


def subject(topic_filter: str) -> str:
    """A filter of MQTT as NATS writes it."""
    levels = {"+": "*", "#": ">"}
    return ".".join(levels.get(level, level) for level in topic_filter.split("/"))


def _user(name: str, *, center: bool) -> str:
    may_publish = _list(subject(one) for one in writes(name, center))
    may_hear = _list(subject(one) for one in reads(name, center))
    return (
        f'  {{ user: "CN={name}", allowed_connection_types: ["MQTT"], '
        f"permissions: {{ publish: [{may_publish}], subscribe: [{may_hear}] }} }}"
    )


def _list(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
