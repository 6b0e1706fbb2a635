"""JPEG pictures of streams, one order at a time: the newest picture that a frame port gives, made smaller.

Control in: `{"do": "still", "id", "height", "quality", "newest"}` with the frame port's descriptor. Out:
`{"ev": "still", "id", "width", "height"}` with a descriptor of the JPEG's bytes (memfd), or `code` and `detail`.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import time
from fractions import Fraction
from typing import Any

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from gateway.convert.encoders import MAX_PIXELS, threads
from gateway.convert.pictures import DECODERS, fitting
from gateway.convert.records import WHOLE, BadRecord, Reader, Track, Unit
from gateway.convert.worker import RANK, RECORD_BYTES, Control

WAIT_S = 3.0
"""The key frame is there already, but for pictures that are not cached."""
QUIET_S = 0.06


def serve(control: Control) -> int:
    """Until the control socket is closed."""
    control.port.setblocking(True)
    with contextlib.suppress(OSError):
        os.nice(RANK)
    control.tell("ready")
    while True:
        data, descriptors, _, _ = socket.recv_fds(control.port, RECORD_BYTES, 4)
        if not data:
            return 0
        order = json.loads(data)
        port = socket.socket(fileno=descriptors[0])
        with port:
            answer: dict[str, Any] = {"ev": "still", "id": order["id"]}
            try:
                jpeg, width, height = still(port, order["height"], order["quality"], newest=order["newest"])
            except (av.FFmpegError, ValueError, OSError, KeyError) as exc:
                answer |= {"code": "snapshot-none", "detail": str(exc)[:200]}
                socket.send_fds(control.port, [json.dumps(answer).encode()], [])
                continue
        memory = os.memfd_create("still")
        try:
            os.write(memory, jpeg)
            answer |= {"width": width, "height": height, "bytes": len(jpeg)}
            socket.send_fds(control.port, [json.dumps(answer).encode()], [memory])
        finally:
            os.close(memory)


def still(port: socket.socket, height: int, quality: int, *, newest: bool) -> tuple[bytes, int, int]:
    """The JPEG and its size. `newest`: run through the cached group; else its key frame. Raises ValueError."""
    frame = _picture(port, newest=newest)
    if frame is None:
        raise ValueError("no picture came in time")
    width, height = fitting(frame.width, frame.height, height)
    frame = frame.reformat(width, height, "yuvj420p")
    frame.pts, frame.time_base = 0, Fraction(1, 25)
    encoder = av.CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, VideoCodecContext)  # noqa: S101 - for the type checker
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = width, height, "yuvj420p", Fraction(1, 25)
    # 31 is the worst and 2 the best quantizer.
    scale = str(round(2 + (100 - max(1, min(100, quality))) * 29 / 99))
    encoder.options = {"qmin": scale, "qmax": scale}
    packets = list(encoder.encode(frame)) + list(encoder.encode(None))
    return b"".join(bytes(packet) for packet in packets), width, height


def _picture(port: socket.socket, *, newest: bool) -> VideoFrame | None:
    port.setblocking(False)
    reader, decoder, codec = Reader(), None, ""
    found: VideoFrame | None = None
    sets: tuple[bytes, ...] = ()
    until = time.monotonic() + WAIT_S
    while (left := until - time.monotonic()) > 0:
        if not select.select([port], [], [], QUIET_S if found is not None else left)[0]:
            break
        record = port.recv(RECORD_BYTES)
        if not record:
            break
        try:
            item = reader.push(record)
        except BadRecord:
            continue
        if isinstance(item, Track) and item.is_video and (decoder is None or item.codec != codec):
            decoder, codec, sets = _decoder(item), item.codec, item.sets
        elif isinstance(item, Unit) and item.is_video and decoder is not None and item.codec == codec:
            if found is None and not item.key:
                continue
            if found is not None and not (newest and item.cached):
                break
            found = _decoded(decoder, item, sets) or found
    if found is None and decoder is not None:
        frames = decoder.decode(None)
        found = frames[-1] if frames else None
    return found


def _decoder(track: Track) -> VideoCodecContext:
    context = av.CodecContext.create(DECODERS[track.codec], "r")
    assert isinstance(context, VideoCodecContext)  # noqa: S101 - for the type checker
    context.thread_count, context.thread_type = threads(), "SLICE"
    context.options = {"max_pixels": str(MAX_PIXELS)}
    context.flags |= av.codec.context.Flags.low_delay
    return context


def _decoded(decoder: VideoCodecContext, unit: Unit, sets: tuple[bytes, ...]) -> VideoFrame | None:
    data = unit.decodable()
    if unit.key and unit.codec not in WHOLE:
        data = b"".join(b"\0\0\0\1" + one for one in sets) + data
    try:
        frames = decoder.decode(av.Packet(data))
    except av.FFmpegError:
        return None
    return frames[-1] if frames else None
