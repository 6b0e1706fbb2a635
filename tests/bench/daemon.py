"""The real daemon as a process of its own, with free ports and a state directory that goes away."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from tests.bench.common import ROOT

SERVER_ID = "34020000002000000001"

_CONFIG = """
[gateway]
id = "kit1"
state_dir = "{state}"
[media]
rtp_host = "127.0.0.1"
[devices]
allow = ["3402*"]
[api]
listen = "127.0.0.1"
port = {api}
[adapter.gb28181]
type = "gb28181"
listen = "127.0.0.1:{sip}"
id = "{id}"
media_ladder = ["udp"]
first_media = "30s"
[adapter.webrtc]
type = "webrtc"
port = {webrtc}
max_sessions_per_user = 256
[adapter.rtsp]
listen = "127.0.0.1:{rtsp}"
[adapter.rtmp]
listen = "127.0.0.1:{rtmp}"
[adapter.srt]
listen = "127.0.0.1:{srt}"
[adapter.jt808]
listen = "127.0.0.1:{jt808}"
media = "127.0.0.1:{jt1078}"
[adapter.sip]
listen = ["udp:127.0.0.1:{phones}", "tcp:127.0.0.1:{phones}"]
{extra}
"""


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Daemon:
    """`with Daemon() as daemon:` waits until it is ready."""

    def __init__(self, extra: str = "") -> None:
        self.sip, self.api, self.webrtc = free_port(), free_port(), free_port(socket.SOCK_DGRAM)
        # Of their own: another daemon on this machine may have the usual ones.
        self._others = {name: free_port() for name in ("rtsp", "rtmp", "srt", "jt808", "jt1078", "phones")}
        self._extra = extra
        self.url = f"https://127.0.0.1:{self.api}"
        self.token = ""

    def __enter__(self) -> Daemon:
        self.folder = Path(tempfile.mkdtemp(prefix="bench-fieldgate-"))
        self.state = self.folder / "state"
        config = self.folder / "fieldgate.toml"
        given = {"state": self.state, "api": self.api, "sip": self.sip, "webrtc": self.webrtc, "id": SERVER_ID}
        config.write_text(_CONFIG.format(**given, **self._others, extra=self._extra))
        self._log = (self.folder / "log").open("wb")
        command = [sys.executable, "-m", "gateway", "run", "--config", str(config)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=self._log, stderr=subprocess.STDOUT)
        for _ in range(600):
            if self.process.poll() is not None:
                break
            try:
                if httpx.get(self.url + "/healthz", verify=False, timeout=2).status_code == 200:  # noqa: S501
                    self.token = self._make_token()
                    return self
            except httpx.TransportError:
                time.sleep(0.05)
        raise SystemExit(f"the daemon did not start:\n{self.log()[-3000:]}")

    def _make_token(self) -> str:
        command = [sys.executable, "-m", "gateway", "token", "add", "bench", "--state-dir", str(self.state)]
        command += ["--role", "technician"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    @property
    def pid(self) -> int:
        return self.process.pid

    def kit_password(self) -> str:
        return (self.state / "kit-password").read_text().strip()

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def get(self, path: str) -> object:
        reply = httpx.get(self.url + path, headers={"authorization": f"Bearer {self.token}"}, verify=False)  # noqa: S501
        reply.raise_for_status()
        return reply.json()

    def open_fds(self) -> int:
        return sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())

    def __exit__(self, *_exc: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
