"""What senders and readers at our own port may not, and what happens while they are there."""

from __future__ import annotations

import asyncio
import itertools
import re
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from adapters.rtsp import guest
from gateway.wire.rtsp import Credentials, RtspRequest, RtspResponse, parse_message
from gateway.wire.textmsg import Headers
from tests.paths.rtsp_rig import DRONE, WALL, Program, Rig, a_rig, frames, reader, sender

SDP = (
    b"v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=x\r\nt=0 0\r\n"
    b"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:streamid=0\r\n"
)


class Hand:
    """A client by hand: asks, and reads what comes, frames apart."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, who: str) -> None:
        self.reader, self.writer = reader, writer
        user, _, password = who.partition(":")
        self.credentials = Credentials(user, password)
        self.cseq = 0
        self.session = ""
        self.frames: list[tuple[int, bytes]] = []

    async def ask(self, method: str, uri: str, *headers: tuple[str, str], body: bytes = b"") -> RtspResponse:
        response = await self._once(method, uri, headers, body)
        if response.status == 401 and not self.credentials.is_empty and self.credentials.learn(response):
            response = await self._once(method, uri, headers, body)
        if session := response.headers.get("Session"):
            self.session = session.partition(";")[0]
        return response

    async def _once(self, method: str, uri: str, headers: tuple[tuple[str, str], ...], body: bytes) -> RtspResponse:
        self.cseq += 1
        lines = [("CSeq", str(self.cseq)), *headers, *([("Session", self.session)] if self.session else [])]
        self.writer.write(bytes(self.credentials.sign(RtspRequest(method, uri, Headers(lines), body))))
        async with asyncio.timeout(15):
            while True:
                message = await self.next()
                if isinstance(message, RtspResponse):
                    return message

    async def next(self) -> RtspResponse | None:
        """A response, or None for a frame."""
        first = await self.reader.readexactly(1)
        if first == b"$":
            channel, size = struct.unpack("!BH", await self.reader.readexactly(3))
            self.frames.append((channel, await self.reader.readexactly(size)))
            return None
        head = first + await self.reader.readuntil(b"\r\n\r\n")
        found = re.search(rb"Content-Length: (\d+)", head)
        body = await self.reader.readexactly(int(found[1])) if found else b""
        message = parse_message(head + body)
        assert isinstance(message, RtspResponse)
        return message

    async def frame(self) -> tuple[int, bytes]:
        async with asyncio.timeout(15):
            while not self.frames:
                await self.next()
        return self.frames.pop(0)

    async def ended(self) -> bool:
        async with asyncio.timeout(15):
            try:
                while await self.reader.read(65536):
                    pass
            except ConnectionError:
                pass
        return True


@asynccontextmanager
async def hand(rig: Rig, who: str = "") -> AsyncIterator[Hand]:
    reader_, writer = await asyncio.open_connection("127.0.0.1", rig.port)
    try:
        yield Hand(reader_, writer, who)
    finally:
        writer.close()


async def test_who_may_not_is_told_why(tmp_path: Path) -> None:
    async with a_rig(tmp_path) as rig:
        url = rig.url("drone-1")
        async with hand(rig) as one:
            assert (await one.ask("OPTIONS", url)).ok
            refused = await one.ask("DESCRIBE", url)
            assert refused.status == 401
            asked = refused.headers.all("WWW-Authenticate")
            assert asked and all(line.startswith("Digest") for line in asked), "no password in the clear"
        async with hand(rig, "drone-1:wrong") as one:
            assert (await one.ask("ANNOUNCE", url, ("Content-Type", "application/sdp"), body=SDP)).status == 401
        async with hand(rig, WALL) as one:
            refused = await one.ask("ANNOUNCE", url, body=SDP)
            assert (refused.status, refused.reason.split(":")[0]) == (403, "push-denied")
            assert await one.ended()
        async with hand(rig, DRONE) as one:
            refused = await one.ask("DESCRIBE", url)
            assert refused.status in (403, 404)
        for path, code in (("../etc", "bad-name"), ("drone-1%0d%0aX", "bad-name"), ("a/b/c/d", "bad-name")):
            async with hand(rig, DRONE) as one:
                refused = await one.ask("ANNOUNCE", rig.url(path), body=SDP)
                assert (refused.status, refused.reason.split(":")[0]) == (400, code)


async def test_what_can_not_be_is_refused_and_nothing_breaks(tmp_path: Path) -> None:
    async with a_rig(tmp_path) as rig:
        url = rig.url("drone-1")
        async with hand(rig, WALL) as one:
            for method, status in (("SETUP", 404), ("PLAY", 455), ("RECORD", 455), ("FLY", 501), ("PAUSE", 455)):
                assert (await one.ask(method, url)).status == status, method
        async with hand(rig, DRONE) as one:
            assert (await one.ask("ANNOUNCE", url, body=b"no description")).status == 400
            lies = SDP.replace(b"H264", b"AV1")
            assert (await one.ask("ANNOUNCE", url, body=lies)).reason.startswith("source-codec")
            assert (await one.ask("ANNOUNCE", url, body=SDP)).ok
            assert (await one.ask("SETUP", f"{url}/streamid=0", ("Transport", "RTP/SAVP;unicast"))).status == 461
            assert (await one.ask("SETUP", f"{url}/streamid=0", ("Require", "magic"))).status == 551
            tcp = ("Transport", "RTP/AVP/TCP;unicast;interleaved=0-1;mode=record")
            assert (await one.ask("SETUP", f"{url}/streamid=0", tcp)).ok
            assert (await one.ask("SETUP", f"{url}/streamid=0", tcp)).status == 455
        async with hand(rig) as one:
            one.writer.write(b"\x00\x01\x02\x03" * 100)
            assert await one.ended()
        async with hand(rig) as one:
            one.writer.write(b"DESCRIBE x RTSP/1.0\r\nContent-Length: 99999999\r\n\r\n")
            assert await one.ended()
        await rig.until(lambda: rig.adapter.figures()["connections"] == 0)


async def test_a_track_that_is_not_taken_is_set_up_and_left(tmp_path: Path) -> None:
    async with a_rig(tmp_path) as rig:
        url = rig.url("drone-1")
        more = b"m=audio 0 RTP/AVP 97\r\na=rtpmap:97 G726-32/8000\r\na=control:streamid=1\r\n"
        async with hand(rig, DRONE) as one:
            assert (await one.ask("ANNOUNCE", url, body=SDP + more)).ok
            for at in (1, 0):
                tcp = ("Transport", f"RTP/AVP/TCP;unicast;interleaved={2 * at}-{2 * at + 1};mode=record")
                assert (await one.ask("SETUP", f"{url}/streamid={at}", tcp)).ok
            assert (await one.ask("RECORD", url)).ok


async def test_two_senders_of_one_name(tmp_path: Path) -> None:
    async with a_rig(tmp_path) as rig:
        first = await Program.start(*sender(rig.url("drone-1", DRONE)))
        await rig.until(lambda: rig.state("drone-1/main") == "live")
        said = await (await Program.start(*sender(rig.url("drone-1", DRONE), seconds=5))).said()
        assert "push-taken" in said or "453" in said or "4XX" in said, said
        assert rig.state("drone-1/main") == "live"
        await first.stop()


async def test_a_reader_stays_over_an_outage_and_pauses(tmp_path: Path) -> None:
    async with a_rig(tmp_path) as rig:
        publisher = await Program.start(*sender(rig.url("drone-1", DRONE), audio=""))
        await rig.until(lambda: rig.state("drone-1/main") == "live")
        url = rig.url("drone-1")
        async with hand(rig, WALL) as one:
            described = await one.ask("DESCRIBE", url, ("Accept", "application/sdp"))
            assert b"sprop-parameter-sets=" in described.body and b"a=control:trackID=0" in described.body
            track = f"{described.headers.get('Content-Base')}trackID=0"
            assert (await one.ask("SETUP", track, ("Transport", "RTP/AVP/TCP;unicast;interleaved=6-7"))).ok
            played = await one.ask("PLAY", url, ("Range", "npt=0.000-"))
            seq = int(re.search(r"seq=(\d+)", played.headers.get("RTP-Info") or "")[1])  # type: ignore[index]
            channel, report = await one.frame()
            assert (channel, report[1]) == (7, 200), "a sender report first"
            channel, packet = await one.frame()
            assert channel == 6 and int.from_bytes(packet[2:4]) == seq

            async def numbers(count: int) -> list[tuple[int, int]]:
                out: list[tuple[int, int]] = []
                while len(out) < count:
                    of, data = await one.frame()
                    if of == 6:
                        out.append((int.from_bytes(data[2:4]), int.from_bytes(data[4:8])))
                return out

            before = (await numbers(30))[-1]
            await publisher.stop()
            await rig.until(lambda: rig.status("drone-1/main").code == "publisher-gone")
            publisher = await Program.start(*sender(rig.url("drone-1", DRONE), audio=""))
            after = await numbers(100)
            steps = [
                (b - a) & 0xFFFF
                for a, b in zip([before[0], *(n for n, _ in after)], (n for n, _ in after), strict=False)
            ]
            assert set(steps) == {1}, "no gap in the numbers"
            times = [before[1], *(t for _, t in after)]
            assert all(0 <= (b - a) & 0xFFFFFFFF < 1 << 31 for a, b in itertools.pairwise(times)), (
                "time never goes back"
            )
            assert (await one.ask("PAUSE", url)).ok
            one.frames.clear()
            assert (await one.ask("GET_PARAMETER", url)).ok
            assert not [1 for of, _ in one.frames if of == 6]
            assert (await one.ask("PLAY", url)).ok
            await numbers(5)
            assert (await one.ask("TEARDOWN", url)).ok
            assert await one.ended()
        await publisher.stop()


async def test_a_reader_over_udp_lives_by_its_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else tells that it is gone: what is sent to it is not answered."""
    ahead = 0.0
    moved = SimpleNamespace(monotonic=lambda: time.monotonic() + ahead, time=time.time)
    monkeypatch.setattr(guest, "time", moved)
    async with a_rig(tmp_path) as rig:
        publisher = await Program.start(*sender(rig.url("drone-1", DRONE), audio=""))
        await rig.until(lambda: rig.state("drone-1/main") == "live")
        url = rig.url("drone-1")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rtp:
            rtp.bind(("127.0.0.1", 0))
            port = rtp.getsockname()[1]
            async with hand(rig, WALL) as one:
                base = (await one.ask("DESCRIBE", url)).headers.get("Content-Base")
                way = ("Transport", f"RTP/AVP;unicast;client_port={port}-{port + 1}")
                assert (await one.ask("SETUP", f"{base}trackID=0", way)).ok
                assert (await one.ask("PLAY", url)).ok
                rtp.settimeout(15)
                assert await asyncio.to_thread(rtp.recv, 2000)
                # Twice as long as it may be silent, but it says a word in between.
                for _ in range(2):
                    ahead += 1.5 * 60
                    assert (await one.ask("GET_PARAMETER", url)).ok
                assert await asyncio.to_thread(rtp.recv, 2000)
                ahead += 2.5 * 60
                assert await one.ended()
        assert rig.state("drone-1/main") == "live", "its sender tells of itself by what it sends"
        await publisher.stop()
        await rig.until(lambda: rig.adapter.figures()["connections"] == 0)


async def test_a_source_that_comes_back_with_another_codec_is_made_what_was_described(tmp_path: Path) -> None:
    async with a_rig(tmp_path) as rig:
        publisher = await Program.start(*sender(rig.url("drone-1", DRONE), audio=""))
        await rig.until(lambda: rig.state("drone-1/main") == "live")
        line = reader(rig.url("drone-1", WALL), seconds=300)
        watching = await Program.start(*line[:-1], "-frames:v", "150", line[-1])
        await rig.until(lambda: rig.engine.engine_stats()["packets_out"] > 100)
        await publisher.stop()
        await rig.until(lambda: rig.status("drone-1/main").code == "publisher-gone")
        hevc = sender(
            rig.url("drone-1", DRONE), audio="", video="libx265 -preset ultrafast -x265-params log-level=none"
        )
        publisher = await Program.start(*hevc)
        await rig.until(lambda: [t.codec.value for t in rig.status("drone-1/main").tracks] == ["h265"])
        await rig.until(lambda: rig.status("drone-1/main").renditions, "it is converted")
        said = await watching.said()
        assert frames(said).get(0, 0) == 150, said[-1000:]
        await publisher.stop()


async def test_a_reader_that_nothing_can_be_made_for_any_more_is_let_go(tmp_path: Path) -> None:
    """It was told of H.265, and that is made of nothing: a connection that stands would show nothing for ever."""
    async with a_rig(tmp_path) as rig:
        url = rig.url("drone-1")
        hevc = sender(
            rig.url("drone-1", DRONE), audio="", video="libx265 -preset ultrafast -x265-params log-level=none"
        )
        publisher = await Program.start(*hevc)
        await rig.until(lambda: rig.state("drone-1/main") == "live")
        async with hand(rig, WALL) as one:
            described = await one.ask("DESCRIBE", url, ("Accept", "application/sdp"))
            assert b"H265" in described.body
            track = f"{described.headers.get('Content-Base')}trackID=0"
            assert (await one.ask("SETUP", track, ("Transport", "RTP/AVP/TCP;unicast;interleaved=0-1"))).ok
            assert (await one.ask("PLAY", url)).ok
            await publisher.stop()
            publisher = await Program.start(*sender(rig.url("drone-1", DRONE), audio=""))
            assert await one.ended()
        async with hand(rig, WALL) as again:
            assert b"H264" in (await again.ask("DESCRIBE", url, ("Accept", "application/sdp"))).body
        await publisher.stop()


@pytest.mark.parametrize("wish", ["video=none", "audio=none", "audio=pcma"])
async def test_readers_may_wish(tmp_path: Path, wish: str) -> None:
    async with a_rig(tmp_path) as rig:
        publisher = await Program.start(*sender(rig.url("drone-1", DRONE)))
        await rig.until(lambda: rig.state("drone-1/main") == "live")
        await rig.until(lambda: {t.codec.value for t in rig.status("drone-1/main").tracks} == {"h264", "aac"})
        async with hand(rig, WALL) as one:
            body = (await one.ask("DESCRIBE", rig.url(f"drone-1?{wish}"))).body
            assert (b"m=video" in body) == (wish != "video=none")
            assert (b"m=audio" in body) == (wish != "audio=none")
            assert (b"PCMA" in body) == (wish == "audio=pcma")
        async with hand(rig, WALL) as one:
            assert (await one.ask("DESCRIBE", rig.url("drone-1?video=mp3"))).status == 400
        await publisher.stop()
