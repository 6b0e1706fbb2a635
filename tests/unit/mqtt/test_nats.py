"""What NATS is told: subjects for topics, one user for each, nodes that know each other; a real one reads it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from adapters.mqtt import nats
from gateway.base import server_tls
from tests.bench.fleet.nats import program

NODES = [nats.Node(f"mq{number}", f"10.0.0.{number}") for number in (1, 2, 3)]


def test_topics_are_subjects() -> None:
    assert nats.subject("fc/v1/+/dev/+/state") == "fc.v1.*.dev.*.state" and nats.subject("fc/v1/#") == "fc.v1.>"


def test_each_has_its_own_and_nobody_else_is_let_in() -> None:
    text = nats.users(["county"], ["kit7", "kit8"])
    lines = {line.partition('"CN=')[2].partition('"')[0]: line for line in text.splitlines() if '"CN=' in line}
    assert set(lines) == {"county", "kit7", "kit8"}
    kit = lines["kit7"]
    assert '"fc.v1.kit7.state"' in kit and '"fc.v1.kit7.>"' in kit and "kit8" not in kit
    assert "cmd" not in kit.partition("subscribe")[0], "no orders to itself"
    assert '"fc.v1.*.cmd.*"' in lines["county"] and '"fc.v1.>"' in lines["county"]
    assert all('allowed_connection_types: ["MQTT"]' in line for line in lines.values())


def test_nodes_know_each_other_and_share_a_secret() -> None:
    made = nats.files(Path("/etc/nats"), ["county"], ["kit7"], NODES, Path("/var/lib/nats"))
    assert set(made) == {"mq1.conf", "mq2.conf", "mq3.conf", nats.USERS}
    one = made["mq1.conf"]
    assert "@10.0.0.2:6222" in one and "@10.0.0.3:6222" in one and "@10.0.0.1:6222" not in one
    secrets = {text.partition('password: "')[2].partition('"')[0] for name, text in made.items() if name != nats.USERS}
    assert len(secrets) == 1 and len(secrets.pop()) > 20
    assert "verify_and_map: true" in one and "stream_replicas: 3" in one


def test_a_real_server_takes_it(tmp_path: Path) -> None:
    if not program():
        pytest.skip("nats-server is not here: scripts/setup.sh bench builds it")
    shown = server_tls.ensure(tmp_path, "county", ["127.0.0.1"], stem="broker")
    for source, name in ((shown.certificate, "broker.crt"), (shown.key, "broker.key")):
        if source != tmp_path / name:
            (tmp_path / name).write_bytes(source.read_bytes())
    for name, text in nats.files(tmp_path, ["county"], ["kit7"], NODES, tmp_path / "js").items():
        (tmp_path / name).write_text(text)
    told = subprocess.run(
        [program(), "-t", "-c", str(tmp_path / "mq1.conf")], capture_output=True, text=True, timeout=60, check=False
    )
    assert told.returncode == 0, told.stderr
