"""`fieldgate capture` of real programs' talk: SIPp, GStreamer's RTSP server, FFmpeg; read again by tshark and by us."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gateway.net.capture.analysis import analyse
from gateway.net.capture.filter import ranges_of
from gateway.net.capture.inuse import peer_of, ports_of
from gateway.net.capture.live import Tally, capture
from gateway.net.capture.ring import Ring
from gateway.wire import pcapng
from gateway.wire.pcapng import Packet
from tests.peers.programs import need
from tests.peers.stage import ports

pytestmark = pytest.mark.peer

SERVER = """
import gi, sys
gi.require_version("Gst", "1.0"); gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer, GLib
Gst.init(None)
server = GstRtspServer.RTSPServer(service=sys.argv[1])
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch("( videotestsrc ! video/x-raw,width=320,height=240,framerate=15/1 !"
    " x264enc tune=zerolatency ! rtph264pay name=pay0 pt=96 )")
auth, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
token.set_string("media.factory.role", "user")
auth.add_basic(GstRtspServer.RTSPAuth.make_basic("li", "hunter2-secret"), token)
server.set_auth(auth)
permissions = GstRtspServer.RTSPPermissions()
permissions.add_permission_for_role("user", "media.factory.access", True)
permissions.add_permission_for_role("user", "media.factory.construct", True)
factory.set_permissions(permissions)
server.get_mount_points().add_factory("/live", factory)
server.attach(None)
print("ready", flush=True)
GLib.MainLoop().run()
"""


class Running:
    """A capture in a thread, of ports on loopback."""

    def __init__(self, folder: Path, taken: tuple[int, ...], **limits: int) -> None:
        self._stop, self._began = threading.Event(), threading.Event()
        self.result: tuple[Tally, Ring] | None = None
        wanted = {"file_bytes": 50_000_000, "files": 10, "keep_free": 0, **limits}

        def tell(tally: Tally, ring: Ring) -> bool:
            self._began.set()
            return not self._stop.is_set()

        def run() -> None:
            self.result = capture(folder, ["lo"], lambda: ranges_of(taken), tell=tell, tell_s=0.05, **wanted)  # type: ignore[arg-type]

        self._thread = threading.Thread(target=run)

    def __enter__(self) -> Running:
        self._thread.start()
        assert self._began.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        time.sleep(0.2)  # what is on its way yet
        self._stop.set()
        self._thread.join(10)

    def files(self) -> list[Path]:
        assert self.result is not None
        return self.result[1].written

    def packets(self) -> list[Packet]:
        out = []
        for path in self.files():
            with path.open("rb") as file:
                out += list(pcapng.read(file))
        return out


@pytest.fixture(autouse=True)
def _rights() -> None:
    need("tshark", "ffmpeg", "sipp")
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except PermissionError:
        pytest.skip("a packet socket needs CAP_NET_RAW")


def tshark(path: Path, *arguments: str) -> list[str]:
    told = subprocess.run(
        ["tshark", "-r", str(path), *arguments], capture_output=True, text=True, timeout=120, check=True
    )
    return told.stdout.splitlines()


async def test_rtsp_over_tcp_with_a_password(tmp_path: Path) -> None:
    with ports() as free:
        port = free.rtsp
    server = await asyncio.create_subprocess_exec(
        "/usr/bin/python3", "-c", SERVER, str(port), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        assert server.stdout is not None
        async with asyncio.timeout(30):
            assert await server.stdout.readline() == b"ready\n"
        with Running(tmp_path, (port,)) as made:
            url = f"rtsp://li:hunter2-secret@127.0.0.1:{port}/live"
            client = await asyncio.create_subprocess_exec(
                *(
                    "ffmpeg",
                    "-v",
                    "error",
                    "-rtsp_transport",
                    "tcp",
                    "-i",
                    url,
                    "-t",
                    "2",
                    "-c",
                    "copy",
                    "-f",
                    "null",
                    "-",
                )
            )
            async with asyncio.timeout(40):
                assert await client.wait() == 0
    finally:
        server.terminate()
        await server.wait()
    (path,) = made.files()
    raw = path.read_bytes()
    assert b"hunter2-secret" not in raw and b"bGk6aHVudGVyMi1zZWNyZXQ=" not in raw
    # tshark reads it whole, finds the checksums right, and the same messages as we do.
    packets = made.packets()
    assert len(tshark(path, "-T", "fields", "-e", "frame.number")) == len(packets)
    masked = ["-o", "tcp.check_checksum:TRUE", "-Y", 'tcp contains "****"', "-T", "fields", "-e", "tcp.checksum.status"]
    status = tshark(path, *masked)
    assert status and set(status) == {"1"}, "what was masked has its checksum put right (1: good)"
    asked = ["-d", f"tcp.port=={port},rtsp", "-T", "fields", "-e", "rtsp.method", "-Y", "rtsp.method"]
    theirs = [word for line in tshark(path, *asked) for word in line.split(",")]
    report = analyse(packets)
    (dialog,) = report.dialogs.values()
    ours = [step.text.split()[0] for step in dialog.steps if not step.text[0].isdigit()]
    assert ours == theirs and "PLAY" in ours and "DESCRIBE" in ours
    assert any(step.failed and step.text.startswith("401") for step in dialog.steps)
    (stream,) = report.rtp()
    assert stream.codec == "H264" and stream.lost == 0 and stream.packets > 20


async def test_sip_call_and_rtp_as_tshark_sees_them(tmp_path: Path) -> None:
    with ports() as free:
        uas, uac, media = free.sip, free.rtsp, free.rtmp
    with Running(tmp_path, (uas, uac, media)) as made:
        answering = await asyncio.create_subprocess_exec(
            *("sipp", "-sn", "uas", "-i", "127.0.0.1", "-p", str(uas), "-m", "1", "-nostdin"), stdout=subprocess.DEVNULL
        )
        async with asyncio.timeout(10):
            while not _bound(uas):  # noqa: ASYNC110 - a program of somebody else
                await asyncio.sleep(0.05)
        calling = await asyncio.create_subprocess_exec(
            *(
                "sipp",
                f"127.0.0.1:{uas}",
                "-sn",
                "uac",
                "-i",
                "127.0.0.1",
                "-p",
                str(uac),
                "-m",
                "1",
                "-d",
                "300",
                "-nostdin",
            ),
            stdout=subprocess.DEVNULL,
        )
        sender = await asyncio.create_subprocess_exec(
            *(
                "ffmpeg",
                "-v",
                "error",
                "-re",
                "-f",
                "lavfi",
                "-i",
                "sine=sample_rate=8000",
                "-t",
                "3",
                "-c:a",
                "pcm_alaw",
            ),
            *("-f", "rtp", f"rtp://127.0.0.1:{media}"),
            stdout=subprocess.DEVNULL,
        )
        async with asyncio.timeout(60):
            assert [await one.wait() for one in (calling, answering, sender)] == [0, 0, 0]
    (path,) = made.files()
    report = analyse(made.packets())
    (dialog,) = [d for d in report.dialogs.values() if d.protocol == "SIP"]
    words = [step.text.split()[0] for step in dialog.steps]
    assert words == ["INVITE", "180", "200", "ACK", "BYE", "200"]
    sip = tshark(
        path, "-d", f"udp.port=={uas},sip", "-T", "fields", "-e", "sip.Method", "-e", "sip.Status-Code", "-Y", "sip"
    )
    assert [line.replace("\t", "") for line in sip] == words
    (stream,) = report.rtp()
    told = tshark(path, "-d", f"udp.port=={media},rtp", "-q", "-z", "rtp,streams")
    row = next(line.split() for line in told if "0x" in line)
    packets, lost = (int(row[row.index("g711A") + n]) for n in (1, 2))
    assert (stream.packets, stream.lost) == (packets, lost)
    # Largest jitter, in milliseconds: the last figure, after packets, lost (of which per cent), and five others.
    assert abs(stream.most_jitter_ms - float(row[row.index("g711A") + 9])) < 2.0, (stream.most_jitter_ms, row)


def _bound(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def test_only_the_ports_that_were_asked_for(tmp_path: Path) -> None:
    with (
        ports() as free,
        Running(tmp_path, (free.rtsp, free.rtmp)) as made,
        socket.socket(type=socket.SOCK_DGRAM) as out,
    ):
        for number in range(100):
            for port in (free.rtsp, free.sip, free.rtmp):
                out.sendto(bytes([number]) * 50, ("127.0.0.1", port))
    packets = made.packets()
    told = tshark(made.files()[0], "-T", "fields", "-e", "udp.dstport", "-e", "icmp.type")
    assert len(packets) == len(told) >= 200
    assert {line.split("\t")[0].split(",")[0] for line in told} <= {str(free.rtsp), str(free.rtmp), ""}
    assert made.result is not None and made.result[0].dropped == 0


def test_ring_of_real_traffic(tmp_path: Path) -> None:
    with (
        ports() as free,
        Running(tmp_path, (free.rtmp,), file_bytes=100_000, files=3) as made,
        socket.socket(type=socket.SOCK_DGRAM) as out,
    ):
        for number in range(1000):
            out.sendto(number.to_bytes(4, "big") * 250, ("127.0.0.1", free.rtmp))
    files = made.files()
    assert len(files) == 3 and all(path.stat().st_size <= 100_000 for path in files)
    for path in files:
        assert tshark(path, "-T", "fields", "-e", "frame.number")


ACCEPTS = """
import socket, sys
made = socket.create_server(("127.0.0.1", 0))
print(made.getsockname()[1], flush=True)
sys.stdin.read()
"""


def test_the_ports_of_a_process(tmp_path: Path) -> None:
    with (
        socket.socket() as listening,
        socket.socket(type=socket.SOCK_DGRAM) as udp,
        subprocess.Popen(
            [sys.executable, "-c", ACCEPTS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as far,
    ):
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        udp.bind(("127.0.0.1", 0))
        assert far.stdout is not None
        port = int(far.stdout.readline())
        with socket.create_connection(("127.0.0.1", port)):
            assert port in ports_of(os.getpid()), "the far end of a connection that we made"
        far.communicate()
        assert {listening.getsockname()[1], udp.getsockname()[1]} <= ports_of(os.getpid())
    at = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(os.fspath(at))
        unix.listen()
        assert peer_of(at) == os.getpid()
    assert peer_of(tmp_path / "none") == 0 and ports_of(2**22 + 5) == set()


def test_the_command(tmp_path: Path) -> None:
    """As a technician runs it: no daemon, one port, a page, and the ladder of what was there."""
    with ports() as free:
        page = tmp_path / "page.html"
        command = [sys.executable, "-m", "gateway", "capture", "--only", "--port", str(free.sip), "--interface", "lo"]
        command += [
            "--seconds",
            "3",
            "--write",
            str(tmp_path / "ring"),
            "--keep-free",
            "1MB",
            "--html",
            str(page),
            "--json",
        ]
        running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        message = b"OPTIONS sip:x SIP/2.0\r\nCall-ID: c9\r\nCSeq: 1 OPTIONS\r\n"
        message += b"Authorization: Basic c2VjcmV0OnNlY3JldA==\r\n\r\n"
        with socket.socket(type=socket.SOCK_DGRAM) as out:
            while running.poll() is None:
                out.sendto(message, ("127.0.0.1", free.sip))
                time.sleep(0.1)
        told = json.loads(running.communicate()[0])
    assert running.returncode == 0 and told["code"] == ""
    (dialog,) = told["dialogs"]
    assert dialog["id"] == "c9" and dialog["steps"][0]["text"] == "OPTIONS sip:x"
    (path,) = told["files"]
    assert b"c2VjcmV0OnNlY3JldA" not in Path(path).read_bytes()
    assert "OPTIONS sip:x" in page.read_text() and "<script" not in page.read_text()
    again = subprocess.run(
        [sys.executable, "-m", "gateway", "capture", "--read", path],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "OPTIONS sip:x" in again.stdout
