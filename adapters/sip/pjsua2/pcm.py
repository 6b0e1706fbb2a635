"""One call's sound between PJSIP's clock thread and the media plane: 20 ms records of PCM, both ways."""

from __future__ import annotations

import socket

import pjsua2 as pj

from adapters.sip.pjsua2.pcm_rate import FRAME_BYTES, RATE_HZ

_SILENCE = bytes(FRAME_BYTES)


class PcmPort(pj.AudioMediaPort):
    """Callbacks run in PJSIP's clock thread: they never wait, and never raise."""

    def __init__(self, pcm: socket.socket, name: str) -> None:
        super().__init__()
        pcm.setblocking(False)
        self._pcm = pcm
        self.lost = 0
        """Frames that the gateway did not take in time."""
        shape = pj.MediaFormatAudio()
        shape.init(pj.PJMEDIA_FORMAT_PCM, RATE_HZ, 1, 20000, 16)
        self.createPort(name, shape)

    def onFrameRequested(self, frame: pj.MediaFrame) -> None:
        """What the call shall hear."""
        try:
            data = self._pcm.recv(FRAME_BYTES * 2)
        except OSError:
            data = b""
        frame.type = pj.PJMEDIA_FRAME_TYPE_AUDIO
        frame.buf = pj.ByteVector(data if len(data) == FRAME_BYTES else _SILENCE)
        frame.size = FRAME_BYTES

    def onFrameReceived(self, frame: pj.MediaFrame) -> None:
        """What the call says."""
        if frame.type != pj.PJMEDIA_FRAME_TYPE_AUDIO or frame.size == 0:
            return
        try:
            self._pcm.send(bytes(frame.buf))
        except OSError:
            self.lost += 1

    def shut(self) -> None:
        self._pcm.close()
