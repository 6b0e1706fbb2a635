"""The child of bench-voice that runs pjsua2: four calls of a process, by Python ports or by PJSIP's own bridge.

`python -m tests.bench.voice_pjsua2 ports|bridge CALLS SIP_PORT RTP_PORT`: calls SIPp at SIP_PORT, prints "up", and ends
when its stdin is closed.
"""

from __future__ import annotations

import select
import sys

import pjsua2 as pj

RATE_HZ, FRAME = 16000, 640
SOUND = (b"\x00\x10" * 20 + b"\x00\xf0" * 20) * 8  # 400 Hz


class Port(pj.AudioMediaPort):  # type: ignore[misc]
    """Gives one frame, takes one frame, each 20 ms: the least that a gateway in Python would do."""

    def __init__(self, name: str) -> None:
        super().__init__()
        shape = pj.MediaFormatAudio()
        shape.init(pj.PJMEDIA_FORMAT_PCM, RATE_HZ, 1, 20000, 16)
        self.createPort(name, shape)
        self.taken = 0

    def onFrameRequested(self, frame: pj.MediaFrame) -> None:
        frame.type = pj.PJMEDIA_FRAME_TYPE_AUDIO
        frame.buf = pj.ByteVector(SOUND)
        frame.size = FRAME

    def onFrameReceived(self, frame: pj.MediaFrame) -> None:
        self.taken += len(bytes(frame.buf))


class Call(pj.Call):  # type: ignore[misc]
    def __init__(self, account: pj.Account, all_calls: list[Call], by_ports: bool) -> None:
        super().__init__(account)
        self.all = all_calls
        self.by_ports = by_ports
        self.port: Port | None = None
        self.audio: pj.AudioMedia | None = None

    def onCallMediaState(self, prm: pj.OnCallMediaStateParam) -> None:
        info = self.getInfo()
        for index in range(len(info.media)):
            if info.media[index].status != pj.PJSUA_CALL_MEDIA_ACTIVE:
                continue
            self.audio = self.getAudioMedia(index)
            if self.by_ports:
                self.port = Port(f"port-{info.id}")
                self.port.startTransmit(self.audio)
                self.audio.startTransmit(self.port)
            else:
                for other in self.all:  # everybody hears everybody else: PJSIP's own mixer
                    if other is not self and other.audio is not None:
                        other.audio.startTransmit(self.audio)
                        self.audio.startTransmit(other.audio)


def main() -> None:
    by_ports, count, server, rtp = sys.argv[1] == "ports", int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    sys.setswitchinterval(0.0005)
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    config = pj.EpConfig()
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    config.logConfig.level = config.logConfig.consoleLevel = 0
    config.medConfig.clockRate = config.medConfig.sndClockRate = RATE_HZ
    config.medConfig.noVad = True
    config.medConfig.ecTailLen = 0
    endpoint.libInit(config)
    endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, pj.TransportConfig())
    endpoint.libStart()
    endpoint.audDevManager().setNullDev()
    for codec in endpoint.codecEnum2():
        endpoint.codecSetPriority(codec.codecId, 255 if codec.codecId.startswith("PCMU") else 0)
    settings = pj.AccountConfig()
    settings.idUri = "sip:bench@127.0.0.1"
    settings.mediaConfig.transportConfig.port = rtp
    settings.mediaConfig.transportConfig.portRange = 100
    account = pj.Account()
    account.create(settings)
    calls: list[Call] = []
    for _ in range(count):
        call = Call(account, calls, by_ports)
        calls.append(call)
        call.makeCall(f"sip:echo@127.0.0.1:{server}", pj.CallOpParam(True))
    told = False
    while not select.select([sys.stdin], [], [], 0)[0]:
        endpoint.libHandleEvents(10)
        if not told and all(call.audio is not None for call in calls):
            told = True
            sys.stdout.write("up\n")
            sys.stdout.flush()
    endpoint.hangupAllCalls()
    for _ in range(50):
        endpoint.libHandleEvents(10)
    sys.stdout.flush()
    import os

    os._exit(0)  # PJSIP's own end takes a second and is not what is measured


if __name__ == "__main__":
    main()
