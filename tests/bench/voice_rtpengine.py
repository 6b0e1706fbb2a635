"""rtpengine in user space as a bench peer: started, told of its calls over the ng protocol, ended."""

from __future__ import annotations

import secrets
import socket
import subprocess
from types import TracebackType

from tests.bench.common import WORK

Value = str | bytes | int | list["Value"] | dict[str, "Value"]


def bencode(value: Value) -> bytes:
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, list):
        return b"l" + b"".join(bencode(one) for one in value) + b"e"
    return b"d" + b"".join(bencode(key) + bencode(value[key]) for key in sorted(value)) + b"e"


def _string(data: bytes, key: bytes) -> bytes:
    """The string behind a key of a bencoded map."""
    at = data.index(b"%d:%s" % (len(key), key)) + len(str(len(key))) + 1 + len(key)
    length, _, rest = data[at:].partition(b":")
    return rest[: int(length)]


def sdp(port: int) -> str:
    return (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=sendrecv\r\n"
    )


class RtpEngine:
    """`with RtpEngine() as engine: ports = engine.pairs(legs, peer)`."""

    def __init__(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self._log = (WORK / "rtpengine.log").open("wb")

    def __enter__(self) -> RtpEngine:
        self.process = subprocess.Popen(
            ["rtpengine", "--foreground", "--log-stderr", "--log-level=3", "--table=-1", "--interface=127.0.0.1",
             f"--listen-ng=127.0.0.1:{self._port}", "--port-min=14000", "--port-max=16000", "--num-threads=2"],
            stdout=self._log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(0.2)
        for _ in range(50):
            try:
                self._ask({"command": "ping"})
                return self
            except OSError:
                if self.process.poll() is not None:
                    break
        self.process.kill()
        raise RuntimeError(f"rtpengine does not answer: see {self._log.name}")

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._log.close()

    def pairs(self, legs: int, peer: int) -> list[int]:
        """Calls between legs 0 and 1, 2 and 3, …; where each leg has to send to."""
        ports = [0] * legs
        for index in range(0, legs, 2):
            call = {"call-id": secrets.token_hex(8), "from-tag": "a", "ICE": "remove", "replace": ["origin"]}
            to_b = self._ask({**call, "command": "offer", "sdp": sdp(peer + 2 * index)})
            ports[index + 1] = self._audio_port(to_b)
            to_a = self._ask({**call, "command": "answer", "to-tag": "b", "sdp": sdp(peer + 2 * index + 2)})
            ports[index] = self._audio_port(to_a)
        return ports

    def _ask(self, order: dict[str, Value]) -> bytes:
        cookie = secrets.token_hex(4).encode()
        self._socket.sendto(cookie + b" " + bencode(order), ("127.0.0.1", self._port))
        while True:
            answer = self._socket.recv(65536)
            got, _, body = answer.partition(b" ")
            if got == cookie:
                if b"5:error" in body:
                    raise RuntimeError(f"rtpengine: {body[:200]!r}")
                return body

    @staticmethod
    def _audio_port(answer: bytes) -> int:
        line = next(line for line in _string(answer, b"sdp").split(b"\r\n") if line.startswith(b"m=audio"))
        return int(line.split()[1])
