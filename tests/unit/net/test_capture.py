"""Frames masked, the ring, the kernel's filter and the analysis, without a network and without rights."""

from __future__ import annotations

import errno
import io
import random
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.base.errors import GatewayError, RemoteProtocolError
from gateway.net.capture.analysis import Analyser, Report, analyse
from gateway.net.capture.filter import program, ranges_of
from gateway.net.capture.packets import FrameMask, apart, segment
from gateway.net.capture.ring import Ring, files_of
from gateway.wire import pcapng
from gateway.wire.pcapng import ETHERNET, RAW_IP, Packet

# — frames —


def checksum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def frame(
    payload: bytes, proto: int = 17, ports: tuple[int, int] = (4000, 5060), seq: int = 1, flags: int = 0x18
) -> bytes:
    """Ethernet, IPv4, UDP or TCP, checksums right."""
    addresses = bytes((192, 0, 2, 1, 192, 0, 2, 2))
    if proto == 17:
        head = struct.pack(">HHHH", *ports, 8 + len(payload), 0)
    else:
        head = struct.pack(">HHIIBBHHH", *ports, seq, 0, 0x50, flags, 1000, 0, 0)
    pseudo = addresses + struct.pack(">BBH", 0, proto, len(head) + len(payload))
    total = checksum(pseudo + head + payload)
    at = 6 if proto == 17 else 16
    head = head[:at] + struct.pack(">H", total) + head[at + 2 :]
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(head) + len(payload), 0, 0, 64, proto, 0) + addresses
    return bytes(12) + b"\x08\x00" + ip + head + payload


def is_right(data: bytes) -> bool:
    seen = segment(data)
    assert seen is not None
    size = seen.end - seen.l4
    return (
        checksum(
            data[seen.ip + 12 : seen.ip + 20] + struct.pack(">BBH", 0, seen.proto, size) + data[seen.l4 : seen.end]
        )
        == 0
    )


def at(number: float, data: bytes, link: int = ETHERNET) -> Packet:
    return Packet(1000.0 + number, link, "eth0", data, len(data))


@pytest.mark.parametrize("proto", [6, 17])
def test_checksums_are_right_after_masking(proto: int) -> None:
    before = frame(b"X\r\nAuthorization: Basic YWRtaW46cGFzcw==\r\n\r\n", proto)
    assert is_right(before)
    after = FrameMask()(before, ETHERNET)
    assert b"YWRtaW46cGFzcw" not in after and len(after) == len(before) and is_right(after)
    assert FrameMask()(frame(b"nothing secret", proto), ETHERNET) == frame(b"nothing secret", proto)


@given(st.binary(max_size=400), st.integers(0, 1))
def test_arbitrary_frames_are_kept_as_they_are(data: bytes, link: int) -> None:
    mask = FrameMask()
    assert len(mask(data, ETHERNET if link else RAW_IP)) == len(data)
    made = frame(data)
    assert len(mask(made, ETHERNET)) == len(made)


# — pcapng and the ring —


def ring(folder: Path, **more: object) -> Ring:
    limits: dict[str, object] = {"file_bytes": 2000, "files": 3, "keep_free": 0, "free": lambda _: 10**12, **more}
    return Ring(folder, interfaces=[("eth0", ETHERNET, 65535)], **limits)  # type: ignore[arg-type]


def packets(paths: list[Path]) -> list[Packet]:
    return [packet for path in paths for packet in pcapng.read(io.BytesIO(path.read_bytes()))]


def test_ring_is_bounded_in_size_and_number(tmp_path: Path) -> None:
    made = ring(tmp_path / "c")
    for number in range(100):
        made.write(0, 1_790_000_000_123_456_789 + number, bytes([number]) * 100, 150)
    made.statistics(0, 1, 100, 2)
    made.close()
    found = files_of(tmp_path / "c")
    assert list(found) == made.written and len(found) == 3
    assert all(path.stat().st_size <= 2000 and path.stat().st_mode & 0o777 == 0o600 for path in found)
    told = packets(list(found))
    assert [p.data[0] for p in told] == list(range(100 - len(told), 100)), "the newest are kept, none twice"
    assert told[0].interface == "eth0" and told[0].whole == 150
    assert abs(told[0].at - 1_790_000_000.123456) < 1e-3


def test_disk_that_gets_full_loses_the_oldest_then_ends_in_words(tmp_path: Path) -> None:
    room = iter([900, 900, 10, 10, 900, 10, 10, 10, 10])
    made = ring(tmp_path, keep_free=100, files=100, free=lambda _: next(room))
    with pytest.raises(GatewayError) as failed:
        for number in range(1000):
            made.write(0, number, bytes(100), 100)
    assert failed.value.code == "disk-full"
    made.close()
    assert packets(list(files_of(tmp_path))), "what was written can be read"


def test_write_that_fails_half_way_leaves_whole_blocks(tmp_path: Path) -> None:
    made = ring(tmp_path, file_bytes=10**6)
    made.write(0, 1, b"one", 3)
    file = made._file
    assert file is not None

    class Full:
        def __getattr__(self, name: str) -> object:
            return getattr(file, name)

        def write(self, data: bytes) -> int:
            file.write(data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")

    made._file = Full()  # type: ignore[assignment]
    with pytest.raises(GatewayError) as failed:
        made.write(0, 2, b"two", 3)
    assert failed.value.code == "disk-full"
    made.close()
    assert [p.data for p in packets(made.written)] == [b"one"]


def test_folder_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(GatewayError) as failed:
        ring(tmp_path / "file" / "c")
    assert failed.value.code == "capture-folder"


@given(st.binary(max_size=300))
def test_arbitrary_files_are_refused_or_read(data: bytes) -> None:
    for begun in (data, pcapng.section() + data, pcapng.section() + pcapng.interface("e", 1, 9) + data):
        try:
            list(pcapng.read(io.BytesIO(begun)))
        except RemoteProtocolError:
            pass


# — the filter —


def passes(code: bytes, data: bytes) -> int:
    """Classic BPF, as far as ours uses it; what the kernel makes of it is in tests/peers/test_capture.py."""
    steps = [struct.unpack_from("=HBBI", code, n) for n in range(0, len(code), 8)]
    pc, a, x = 0, 0, 0
    while True:
        op, jt, jf, k = steps[pc]
        pc += 1
        try:
            if op == 0x28:
                (a,) = struct.unpack_from(">H", data, k)
            elif op == 0x30:
                a = data[k]
            elif op == 0x48:
                (a,) = struct.unpack_from(">H", data, x + k)
            elif op == 0xB1:
                x = (data[k] & 15) * 4
        except (struct.error, IndexError):
            return 0
        if op == 0x06:
            return k
        if op == 0x05:
            pc += k
        elif op in (0x15, 0x35, 0x25, 0x45):
            true = {0x15: a == k, 0x35: a >= k, 0x25: a > k, 0x45: bool(a & k)}[op]
            pc += jt if true else jf


def test_filter_takes_the_ports_and_nothing_else() -> None:
    ranges = ranges_of([5060, 8443, 5061], [(30000, 30499)])
    assert ranges == [(5060, 5061), (8443, 8443), (30000, 30499)]
    code, raw = program(ranges), program(ranges, ethernet=False)
    for proto in (6, 17):
        for ports, taken in (
            ((4000, 5060), True),
            ((5061, 4000), True),
            ((4000, 5062), False),
            ((30499, 1), True),
            ((1, 30500), False),
            ((8443, 2), True),
        ):
            data = frame(b"x", proto, ports)
            assert bool(passes(code, data)) is taken, (proto, ports)
            assert bool(passes(raw, data[14:])) is taken
            six = b"\x60\0\0\0" + struct.pack(">HBB", len(data) - 34, proto, 64) + bytes(32) + data[34:]
            assert bool(passes(code, bytes(12) + b"\x86\xdd" + six)) is taken
            assert bool(passes(raw, six)) is taken
    assert not passes(code, bytes(12) + b"\x08\x06" + bytes(40)), "ARP"
    assert not passes(code, frame(b"x", 1)), "ICMP"


def test_filter_of_many_ports_fits() -> None:
    ranges = ranges_of(range(1, 65535, 3))
    assert len(ranges) <= 300 and len(program(ranges)) <= 4096 * 8
    rng = random.Random(5)
    for _ in range(50):
        port = rng.randrange(1, 65000, 3) // 3 * 3 + 1
        assert passes(program(ranges), frame(b"x", 17, (1 if port > 5 else 60000, port)))


# — analysis —


def rtp(seq: int, ts: int, ssrc: int = 9, payload_type: int = 8) -> bytes:
    return struct.pack(">BBHII", 0x80, payload_type, seq & 0xFFFF, ts & 0xFFFFFFFF, ssrc) + bytes(160)


def test_loss_and_jitter_by_second() -> None:
    made = Analyser()
    for number in range(200):
        if 100 <= number < 110:
            continue
        late = 0.015 if number >= 150 and number % 2 else 0.0
        made.add(at(number * 0.02 + late, frame(rtp(65500 + number, number * 160), ports=(4000, 30000))))
    (stream,) = made.report.rtp()
    assert (stream.packets, stream.lost, stream.codec) == (190, 10, "PCMA")
    assert [round(stream.seconds[n].loss, 2) for n in range(4)] == [0.0, 0.0, 0.2, 0.0]
    assert stream.seconds[0].jitter_ms < 0.1 and 5 < stream.seconds[3].jitter_ms < 15


def test_what_the_card_shall_cut_is_counted_one_by_one() -> None:
    """Sixteen packets behind one header are sixteen packets, not fifteen that were lost."""
    made, seq = Analyser(), 65_520
    for burst in range(8):
        whole = b""
        for number in range(16):
            head = struct.pack(">BBHII", 0x90, 0x80 * (number == 15) | 102, seq & 0xFFFF, burst * 3600, 9)
            whole += head + bytes([number]) * (1152 if number < 15 else 300)
            seq += 1
        made.add(at(burst * 0.04, frame(whole, ports=(8189, 40000))))
    (stream,) = made.report.rtp()
    assert (stream.packets, stream.lost) == (128, 0)


def test_one_large_frame_stays_one() -> None:
    large = rtp(7, 0) + b"\x80" * 8000
    assert apart(large) == [large] and apart(b"\x80" * 3000) == [b"\x80" * 3000] and apart(b"") == [b""]


@given(st.binary(max_size=4000))
def test_nothing_is_lost_by_taking_apart(data: bytes) -> None:
    assert b"".join(apart(data)) == data


def test_sip_ladder() -> None:
    ask = b"INVITE sip:600@x SIP/2.0\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n"
    answer = b"SIP/2.0 486 Busy\x1b[2J Here\r\ni: c1\r\nCSeq: 1 INVITE\r\n\r\n"
    report = analyse([at(0, frame(ask)), at(0.1, frame(answer, ports=(5060, 4000)))])
    (dialog,) = report.dialogs.values()
    assert (dialog.protocol, dialog.id) == ("SIP", "c1")
    assert [s.text for s in dialog.steps] == ["INVITE sip:600@x [SDP]", "486 Busy [2J Here (1 INVITE)"]
    assert [s.failed for s in dialog.steps] == [False, True]


def rtsp_talk() -> list[bytes]:
    sdp = b"v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
    head = b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Type: application/sdp\r\nContent-Length: " + str(len(sdp)).encode()
    frames = b"".join(
        b"$\x00" + struct.pack(">H", 172) + rtp(n, n * 3600, payload_type=96) + b"$\x01\x00\x04abcd" for n in range(40)
    )
    return [head + b"\r\n\r\n" + sdp, b"RTSP/1.0 200 OK\r\nCSeq: 3\r\n\r\n" + frames]


@pytest.mark.parametrize("size", [1, 7, 100, 1400])
def test_rtsp_over_tcp_in_pieces_out_of_order(size: int) -> None:
    data = b"".join(rtsp_talk())
    pieces = [(n, data[n : n + size]) for n in range(0, len(data), size)]
    for n in range(0, len(pieces) - 3, 3):
        pieces[n + 1], pieces[n + 2] = pieces[n + 2], pieces[n + 1]
    seq = 0xFFFFFF00  # it goes round in the midst of it
    sent = [
        at(n / 1000, frame(part, 6, (554, 4000), (seq + where) & 0xFFFFFFFF)) for n, (where, part) in enumerate(pieces)
    ]
    report = analyse(sent)
    (dialog,) = report.dialogs.values()
    assert [s.text for s in dialog.steps] == ["200 OK (2) [SDP]", "200 OK (3)"]
    (stream,) = report.rtp()
    assert (stream.packets, stream.lost, stream.codec) == (40, 0, "H264")


def test_rtsp_that_was_under_way_already() -> None:
    data = rtsp_talk()[1][200:]
    report = analyse(
        [at(n, frame(data[n * 500 : n * 500 + 500], 6, (554, 4000), n * 500)) for n in range(len(data) // 500)]
    )
    (stream,) = report.rtp()
    assert stream.packets > 30 and stream.lost == 0


def test_nonsense_is_bounded() -> None:
    rng = random.Random(7)
    made = Analyser()
    for number in range(3000):
        proto, size = rng.choice((6, 17)), rng.randrange(300)
        data = rng.randbytes(size) if number % 3 else b"\r\n" * size + b"$" * size + rng.choice(rtsp_talk())[:size]
        made.add(at(number / 100, frame(data, proto, (rng.randrange(1, 20), 554), rng.randrange(2**32))))
    assert made.report.rtp() == [] and len(made.report.streams) <= 256


def test_tls_is_said_to_be_unread() -> None:
    assert analyse([at(0, frame(b"\x16\x03\x01\x02\x00" + bytes(60), 6))]).unread_tls == 1
    assert analyse([]).packets == 0 and Report().rtp() == []
