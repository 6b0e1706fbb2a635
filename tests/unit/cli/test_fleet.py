"""`fieldgate mqtt` and `fieldgate outbox`: certificates and brokers' files from the state directory, what waits."""

from __future__ import annotations

import json
from pathlib import Path

from cryptography import x509

from gateway.base.authority import Authority, client_files, new_request
from gateway.core.services import Services
from tests.unit.cli.conftest import Run


def test_a_kits_certificate_from_the_center_to_the_kit(fieldgate: Run, tmp_path: Path) -> None:
    center, kit, box = tmp_path / "c", tmp_path / "k", tmp_path / "box"
    center.mkdir()
    kit.mkdir()
    where = ("--state-dir", str(center), "--center", "county")
    assert fieldgate("mqtt", "certificate", "kit7", "--out", str(box), *where).code == 0
    assert {path.name for path in box.iterdir()} == {"client.crt", "client.key", "ca.crt"}
    assert fieldgate("mqtt", "install", "county", str(box), "--state-dir", str(kit)).code == 0
    files = client_files(kit, "county")
    assert files.whole() and files.key.read_bytes() == (box / "client.key").read_bytes()

    _, request = new_request("whoever")
    (tmp_path / "kit8.csr").write_bytes(request)
    shown = fieldgate("mqtt", "certificate", "kit8", "--request", str(tmp_path / "kit8.csr"), *where)
    assert x509.load_pem_x509_certificate(shown.out.encode()).subject.rfc4514_string() == "CN=kit8"

    assert fieldgate("mqtt", "revoke", "kit7", *where).code == 0
    assert fieldgate("mqtt", "revoke", "kit9", *where).code == 1
    issued = json.loads(fieldgate("mqtt", "certificates", "--json", *where).out)
    assert [(one["name"], one["revoked_at"] is not None) for one in issued] == [("kit7", True), ("kit8", False)]
    assert "kit8" in fieldgate("mqtt", "certificates", *where).out


def test_what_is_missing_is_named(fieldgate: Run, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    ran = fieldgate("mqtt", "install", "county", str(empty), "--state-dir", str(tmp_path))
    assert ran.code == 1 and "client.key" in ran.err + ran.out
    ran = fieldgate("mqtt", "certificate", "kit7", "--state-dir", str(tmp_path / "nowhere"))
    assert ran.code == 1 and "nowhere" in ran.err + ran.out
    (tmp_path / "bad.csr").write_text("no request")
    ran = fieldgate("mqtt", "certificate", "k", "--request", str(tmp_path / "bad.csr"), "--state-dir", str(tmp_path))
    assert ran.code == 1


def test_mosquittos_files(fieldgate: Run, tmp_path: Path) -> None:
    state, out = tmp_path / "s", tmp_path / "out"
    state.mkdir()
    shown = fieldgate("mqtt", "broker-config", "mosquitto", "--center", "county", "--state-dir", str(state))
    assert shown.code == 0 and "use_identity_as_username true" in shown.out and "user county" in shown.out
    where = ("--state-dir", str(state), "--out", str(out), "--host", "mq.example")
    ran = fieldgate("mqtt", "broker-config", "mosquitto", "--center", "county", "--center", "city", *where)
    assert ran.code == 0
    names = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert names >= {
        "mosquitto.conf",
        "acl",
        "openssl.cnf",
        "ca.crt",
        "ca.crl",
        "broker.crt",
        "broker.key",
        "center/client.crt",
    }
    assert "user city" in (out / "acl").read_text()
    assert [one.name for one in Authority(state / "tls", "county").issued()] == ["county"]
    assert fieldgate("mqtt", "broker-config", "emqx", "--center", "county").code == 1


def test_what_waits_is_shown(fieldgate: Run, daemon: Services) -> None:
    shown = fieldgate("outbox", "list")
    assert shown.code == 0 and "mqtt/center1" in shown.out and "photo.jpg" in shown.out
    assert json.loads(fieldgate("outbox", "list", "--json").out)["uplinks"][0]["rows"] == 2
    assert fieldgate("outbox", "leave", "mqtt/center1", "--yes").code == 0
    assert daemon.forward.left == ["mqtt/center1"]  # type: ignore[attr-defined]


def test_a_recording_goes_out_and_comes_in(fieldgate: Run, daemon: Services, tmp_path: Path) -> None:
    clip = tmp_path / "gate.mp4"
    clip.write_bytes(bytes(range(256)) * 1000)
    shown = fieldgate("outbox", "send", str(clip), "--device", "ball-1")
    assert shown.code == 0 and "gate.mp4" in shown.out and "outbox list" in shown.out
    assert daemon.forward.sent == [("gate.mp4", "ball-1", clip.read_bytes())]  # type: ignore[attr-defined]
    assert json.loads(fieldgate("outbox", "send", str(clip), "--name", "x.mp4", "--json").out)["name"] == "x.mp4"
    missing = fieldgate("outbox", "send", str(tmp_path / "none.mp4"))
    assert missing.code == 1 and "none.mp4" in missing.err + missing.out

    listed = fieldgate("kits", "files", "kit7")
    assert listed.code == 0 and "photo.jpg" in listed.out and "01F" in listed.out and "whole" in listed.out
    out = tmp_path / "got.jpg"
    assert fieldgate("kits", "fetch", "kit7", "01F", "--out", str(out)).code == 0
    assert out.read_bytes() == daemon.forward.path.read_bytes()  # type: ignore[attr-defined]
    again = fieldgate("kits", "fetch", "kit7", "01F", "--out", str(out))
    assert again.code == 1 and "got.jpg" in again.err + again.out, "nothing is written over"


def test_a_clusters_files(fieldgate: Run, tmp_path: Path) -> None:
    state, out = tmp_path / "s", tmp_path / "out"
    state.mkdir()
    where = ("--state-dir", str(state), "--center", "county")
    for kit in ("kit7", "kit8"):
        assert fieldgate("mqtt", "certificate", kit, "--out", str(tmp_path / kit), *where).code == 0
    assert fieldgate("mqtt", "revoke", "kit8", *where).code == 0
    few = fieldgate("mqtt", "broker-config", "nats", "--node", "mq1=10.0.0.1", *where)
    assert few.code == 1 and "three nodes" in few.err + few.out
    nodes = [part for number in (1, 2, 3) for part in ("--node", f"mq{number}=10.0.0.{number}")]
    assert fieldgate("mqtt", "broker-config", "nats", *nodes, "--out", str(out), *where).code == 0
    names = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert names >= {"mq1.conf", "mq2.conf", "mq3.conf", "users.conf", "ca.crt", "broker.crt", "center/client.crt"}
    users = (out / "users.conf").read_text()
    assert '"CN=kit7"' in users and '"CN=county"' in users and "kit8" not in users, "revoked"
    assert 'listen: "10.0.0.2:8883"' in (out / "mq2.conf").read_text()
    assert fieldgate("mqtt", "broker-config", "emqx", *where).code == 1
