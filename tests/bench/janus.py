"""Janus as the peer of bench-fanout: Debian's package with its streaming plugin, as shipped and tuned."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import httpx

from tests.bench.common import ROOT

OPENSSL_SRTP = ROOT / ".make" / "libsrtp-openssl"
LIBRARY = Path("/usr/lib/x86_64-linux-gnu/janus")

_CORE = """
general: {{
    configs_folder = "{folder}"
    plugins_folder = "{library}/plugins"
    transports_folder = "{library}/transports"
    events_folder = "{library}/events"
    loggers_folder = "{library}/loggers"
    debug_level = 2
    session_timeout = 0
    {event_loops}
}}
certificates: {{ }}
media: {{ rtp_port_range = "40000-44999" }}
nat: {{ nice_debug = false
    ignore_mdns = true
    ice_enforce_list = "{address}" }}
plugins: {{ disable = "{disabled}" }}
transports: {{
    disable = "{transports}" }}
loggers: {{ disable = "libjanus_jsonlog.so" }}
events: {{ broadcast = false }}
"""
_HTTP = """
general: {{ json = "compact"
    base_path = "/janus"
    http = true
    port = {port}
    ip = "127.0.0.1"
    https = false }}
admin: {{ admin_http = false }}
"""
_STREAMING = """
general: { }
bench: {
    type = "rtp"
    id = 1
    description = "bench"
    video = true
    videoport = %(media_port)d
    videopt = 96
    videortpmap = "H264/90000"
    videofmtp = "profile-level-id=42e01f;packetization-mode=1"
    audio = false
    %(helpers)s
}
"""


class Janus:
    """One fresh server; viewers that left stay attached in Janus, so every point gets its own."""

    def __init__(self, *, tuned: bool, http_port: int, media_port: int, address: str) -> None:
        self.tuned, self._http_port, self.media_port, self._address = tuned, http_port, media_port, address
        self.url = f"http://127.0.0.1:{http_port}"

    @staticmethod
    def why_not_tuned() -> str:
        """Empty when a libsrtp on OpenSSL is there."""
        return "" if (OPENSSL_SRTP / "libsrtp2.so.1").exists() else "no OpenSSL-built libsrtp could be made"

    def __enter__(self) -> Janus:
        self._folder = Path(tempfile.mkdtemp(prefix="bench-janus-"))
        plugins = [p.name for p in (LIBRARY / "plugins").glob("*.so") if "streaming" not in p.name]
        core = _CORE.format(
            folder=self._folder,
            library=LIBRARY,
            event_loops="event_loops = 1" if self.tuned else "",
            address=self._address,
            disabled=",".join(plugins),
            transports=",".join(f"libjanus_{t}.so" for t in ("mqtt", "nanomsg", "pfunix", "rabbitmq", "websockets")),
        )
        (self._folder / "janus.jcfg").write_text(core)
        (self._folder / "janus.transport.http.jcfg").write_text(_HTTP.format(port=self._http_port))
        streaming = _STREAMING % {"media_port": self.media_port, "helpers": ""}
        (self._folder / "janus.plugin.streaming.jcfg").write_text(streaming)
        environment = dict(os.environ)
        if self.tuned:
            environment["LD_LIBRARY_PATH"] = str(OPENSSL_SRTP)
        self._log = (self._folder / "log").open("wb")
        command = ["janus", "-F", str(self._folder)]
        self._process = subprocess.Popen(command, env=environment, stdout=self._log, stderr=subprocess.STDOUT)
        self._wait()
        return self

    def _wait(self) -> None:
        for _ in range(200):
            if self._process.poll() is not None:
                break
            try:
                if httpx.get(self.url + "/janus/info", timeout=2).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        tail = (self._folder / "log").read_text(errors="replace")[-1500:]
        raise SystemExit(f"Janus did not start:\n{tail}")

    @property
    def pid(self) -> int:
        return self._process.pid

    def libraries(self) -> str:
        """Which libsrtp the running process really maps."""
        maps = Path(f"/proc/{self.pid}/maps").read_text().splitlines()
        return next((line.split()[-1] for line in maps if "libsrtp" in line), "?")

    def __exit__(self, *_exc: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def own_address() -> str:
    """The address other hosts would reach us at; no packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"
