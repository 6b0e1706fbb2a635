"""TLS in its own thread, against Python's ssl (OpenSSL): both sides, back-pressure, failures in words."""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway import codecs
from tests.unit.codecs.rig import PATIENCE_S, Rig
from tests.unit.codecs.test_rtsp import pair


def openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`self`: what a device signs for itself. `leaf`: for cam.example and 127.0.0.1, by the authority `ca`."""
    folder = tmp_path_factory.mktemp("tls")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    for name in ("ca", "self"):
        out = ("-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.pem")
        openssl("req", "-x509", *key, "-days", "2", "-subj", f"/CN={name}", *out)
    (folder / "names").write_text("subjectAltName=DNS:cam.example,IP:127.0.0.1")
    request = ("-keyout", f"{folder}/leaf.key", "-out", f"{folder}/leaf.csr")
    openssl("req", *key, "-subj", "/CN=cam.example", *request)
    signer = ("-CA", f"{folder}/ca.pem", "-CAkey", f"{folder}/ca.key", "-CAcreateserial")
    asked = ("-in", f"{folder}/leaf.csr", "-out", f"{folder}/leaf.pem", "-extfile", f"{folder}/names")
    openssl("x509", "-req", "-days", "2", *signer, *asked)
    return folder


def plain(fd: int) -> socket.socket:
    s = socket.socket(fileno=fd)
    s.settimeout(PATIENCE_S)
    return s


def beside(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def speak(a: socket.socket, b: socket.socket, size: int) -> None:
    """`size` bytes from a to b come as they were, though b begins late."""
    data = os.urandom(size)
    writer = beside(lambda: a.sendall(data))
    got, left = hashlib.sha256(), size
    while left:
        part = b.recv(min(left, 50_000))
        assert part, "ended early"
        got.update(part)
        left -= len(part)
    writer.join()
    assert got.digest() == hashlib.sha256(data).digest()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_with_a_client_of_openssl(rig: Rig, files: Path, version: ssl.TLSVersion) -> None:
    ours, theirs = pair()
    end = plain(
        rig.engine.tls_server(ours.detach(), (files / "leaf.pem").read_text(), (files / "leaf.key").read_text())
    )
    context = ssl.create_default_context(cafile=str(files / "ca.pem"))
    context.minimum_version = context.maximum_version = version
    with end, context.wrap_socket(theirs, server_hostname="cam.example") as client:
        assert client.version() == {771: "TLSv1.2", 772: "TLSv1.3"}[version]
        speak(client, end, 3_000_000)
        speak(end, client, 3_000_000)
        speak(client, end, 1)
        end.close()
        assert client.recv(10) == b"", "ended with a good-bye"


def test_a_client_with_a_server_of_openssl(rig: Rig, files: Path) -> None:
    ours, theirs = pair()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files / "leaf.pem", files / "leaf.key")
    end = plain(rig.engine.tls_client(ours.detach(), "127.0.0.1", (files / "ca.pem").read_text()))
    with end, context.wrap_socket(theirs, server_side=True) as server:
        speak(end, server, 3_000_000)
        speak(server, end, 3_000_000)
        assert rig.engine.tls_fault(end.fileno()) == ""
        server.unwrap().close()
        assert end.recv(10) == b""
        assert rig.engine.tls_fault(end.fileno()) == ""


@pytest.mark.parametrize(
    ("shown", "name", "trusted", "verify", "words"),
    [
        ("leaf", "cam.example", "", True, "not signed by an authority"),
        ("leaf", "other.example", "ca", True, "for another name"),
        ("leaf", "other.example", "", False, ""),
        ("leaf", "cam.example", "ca", True, ""),
        ("self", "cam.example", "ca", True, "trusted here"),
        ("self", "cam.example", "self", True, ""),
    ],
)
def test_whom_a_client_believes(
    rig: Rig, files: Path, shown: str, name: str, trusted: str, verify: bool, words: str
) -> None:
    ours, theirs = pair()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files / f"{shown}.pem", files / f"{shown}.key")

    def serve() -> None:
        try:
            with context.wrap_socket(theirs, server_side=True) as server:
                server.sendall(b"hello")
        except (ssl.SSLError, OSError):
            theirs.close()

    thread = beside(serve)
    ca = (files / f"{trusted}.pem").read_text() if trusted else ""
    with plain(rig.engine.tls_client(ours.detach(), name, ca, verify=verify)) as end:
        assert end.recv(100) == (b"" if words else b"hello")
        thread.join()
        assert words in rig.engine.tls_fault(end.fileno())
        assert bool(words) == bool(rig.engine.tls_fault(end.fileno()))


def test_what_is_no_tls_is_told_in_words(rig: Rig, files: Path) -> None:
    cert, key = (files / "leaf.pem").read_text(), (files / "leaf.key").read_text()
    ours, theirs = pair()
    with plain(rig.engine.tls_server(ours.detach(), cert, key)) as end, theirs:
        theirs.sendall(b"OPTIONS * RTSP/1.0\r\n\r\n")
        assert end.recv(10) == b""
        assert "does not speak TLS" in rig.engine.tls_fault(end.fileno())
    ours, theirs = pair()
    with plain(rig.engine.tls_server(ours.detach(), cert, key)) as end:
        theirs.close()
        assert end.recv(10) == b""
        assert "closed the connection during" in rig.engine.tls_fault(end.fileno())
    for bad, good in [("nonsense", key), (cert, "nonsense"), (cert, cert)]:
        ours, theirs = pair()
        with theirs, pytest.raises(codecs.MediaError):
            rig.engine.tls_server(ours.detach(), bad, good)
    ours, theirs = pair()
    with theirs, pytest.raises(codecs.MediaError, match="no name"):
        rig.engine.tls_client(ours.detach(), "a b c")
    other = rig.engine.tls_server
    with pytest.raises(codecs.MediaError, match="another type"):
        other(socket.socket(socket.AF_INET, socket.SOCK_DGRAM).detach(), cert, key)


def test_connections_that_come_and_go_leave_nothing(rig: Rig, files: Path) -> None:
    cert, key = (files / "leaf.pem").read_text(), (files / "leaf.key").read_text()
    ca = (files / "ca.pem").read_text()

    def once() -> None:
        ours, theirs = pair()
        a = plain(rig.engine.tls_server(ours.detach(), cert, key))
        b = plain(rig.engine.tls_client(theirs.detach(), "cam.example", ca))
        with a, b:
            b.sendall(b"ping")
            assert a.recv(10) == b"ping"
            a.close()
            assert b.recv(10) == b""

    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    once()
    before = open_files()
    for _ in range(300):
        once()
    for _ in range(1000):
        if open_files() <= before + 2:  # the last ones close in the other thread
            break
        once()
    assert open_files() <= before + 2
