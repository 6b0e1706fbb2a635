"""The daemon as a process: it says that it is ready, hears signals, and ends orderly."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.unit.daemon.test_daemon import free_port

ROOT = Path(__file__).parents[3]


class Started:
    """`python -m gateway run` under a systemd of our own. GB/T 28181 listens on port `sip`; 0: no adapter runs."""

    def __init__(self, folder: Path, sip: int = 0) -> None:
        self.port = free_port()
        self.sip = sip
        self.config = folder / "fieldgate.toml"
        self.write("")
        (folder / "notify").unlink(missing_ok=True)
        self.systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.systemd.bind(str(folder / "notify"))
        self.systemd.settimeout(30)
        env = os.environ | {"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "300000"}
        env.pop("WATCHDOG_PID", None)
        self.log = (folder / "log").open("w+b")
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "gateway",
                "run",
                "--config",
                str(self.config),
                "--state-dir",
                str(folder / "state"),
            ],
            cwd=ROOT,
            env=env,
            stderr=self.log,
        )

    def write(self, text: str) -> None:
        off = "".join(f"[adapter.{name}]\nenabled = false\n" for name in ("gb28181", "webrtc")[bool(self.sip) :])
        if self.sip:
            off += f'[adapter.gb28181]\nlisten = "127.0.0.1:{self.sip}"\n'
        self.config.write_text(f'[api]\nlisten = "127.0.0.1"\nport = {self.port}\n{off}{text}')

    def hears(self, word: str) -> dict[str, str]:
        """The next message of systemd's that holds `word`."""
        while True:
            message = dict(line.split("=", 1) for line in self.systemd.recv(4096).decode().splitlines())
            if word in message:
                return message

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.systemd.close()
        self.log.close()

    def said(self) -> str:
        self.log.seek(0)
        return self.log.read().decode()


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    one = Started(tmp_path)
    yield one
    one.close()


def test_ready_reload_watchdog_and_an_orderly_end(started: Started) -> None:
    assert started.hears("READY")["STATUS"].startswith("ready in ")
    started.hears("WATCHDOG")
    started.write("[streams]\nidle_close = '33s'\n")
    started.process.send_signal(signal.SIGHUP)
    assert int(started.hears("RELOADING")["MONOTONIC_USEC"]) > 0
    assert started.hears("READY")["STATUS"] == "configuration reloaded"
    started.write("[streams]\nidle_close = 5\n")
    started.process.send_signal(signal.SIGHUP)
    assert "streams.idle_close" in started.hears("READY")["STATUS"]
    started.process.send_signal(signal.SIGTERM)
    started.hears("STOPPING")
    assert started.process.wait(20) == 0
    log = started.said()
    assert "ready in" in log and "the old one stays: streams.idle_close" in log and log.rstrip().endswith("stopped")
    assert "Traceback" not in log
    secrets = [p.read_text().strip() for p in (started.config.parent / "state").glob("*-password")]
    assert len(secrets) == 3 and not any(secret in log for secret in secrets), "no secret is printed"


def test_what_was_not_built_for_the_start_is_built_when_it_is_asked_for(started: Started, tmp_path: Path) -> None:
    started.hears("READY")
    transport = httpx.HTTPTransport(uds=str(tmp_path / "state" / "api.sock"))
    with httpx.Client(transport=transport, base_url="http://fieldgate", timeout=30) as client:
        wrong = client.post("/api/v1/devices", json={"externalid": "34020000001320000001"})
        assert wrong.status_code == 422 and wrong.json()["code"] == "bad-request", wrong.text
        known = client.post("/api/v1/devices", json={"external_id": "34020000001320000001", "id": "gate"})
        assert known.status_code == 200, known.text
        assert [one["id"] for one in client.get("/api/v1/devices").json()] == ["kit1/gate"]
        told = client.get("/api/v1/openapi.json").json()
        assert {"Device", "Naming", "Problem"} <= set(told["components"]["schemas"])


def test_a_wrong_configuration_ends_with_words(tmp_path: Path) -> None:
    config = tmp_path / "f.toml"
    config.write_text("[api]\nprot = 5\n")
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "run", "--config", config, "--state-dir", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (78, "api.prot: no such key; did you mean port?\n")
