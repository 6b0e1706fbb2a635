"""PJSIP inside its worker: one thread owns every object of it, as shared experience says it must be.

A call that is garbage-collected after the library is gone, a hang-up of a call that was never dialled, any use from
another thread: each aborts the process. So calls are kept in one dict, hung up only while active, and dropped before
the library is destroyed.
"""

from __future__ import annotations

import gc
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pjsua2 as pj

from adapters.sip.pjsua2.pcm import PcmPort
from adapters.sip.pjsua2.records import MAX_CALLS

Tell = Callable[[dict[str, Any]], None]

SRTP = {
    "off": pj.PJMEDIA_SRTP_DISABLED,
    "optional": pj.PJMEDIA_SRTP_OPTIONAL,
    "sdes": pj.PJMEDIA_SRTP_MANDATORY,
    "required": pj.PJMEDIA_SRTP_MANDATORY,
}
STATES = {
    pj.PJSIP_INV_STATE_CALLING: "calling",
    pj.PJSIP_INV_STATE_EARLY: "ringing",
    pj.PJSIP_INV_STATE_CONFIRMED: "up",
    pj.PJSIP_INV_STATE_DISCONNECTED: "ended",
}
DESTROY_WAIT_S = 3.0


def put(target: Any, **values: Any) -> None:
    """Set attributes that exist: PJSIP's proxies take any misspelt name without a word."""
    for name, value in values.items():
        if not hasattr(target, name):
            raise AttributeError(f"{type(target).__name__} has no {name}")
        setattr(target, name, value)


class _Call(pj.Call):
    def __init__(self, phone: Phone, account: pj.Account, number: int) -> None:
        super().__init__(account)
        self.phone = phone
        self.number = number
        self.port: PcmPort | None = None
        self.tone: pj.ToneGenerator | None = None
        self.ended = False

    def onCallState(self, prm: pj.OnCallStateParam) -> None:
        info = self.getInfo()
        state = STATES.get(info.state)
        if state == "ended":
            self.phone.ended(self, info.lastStatusCode, info.lastReason)
        elif state is not None:
            self.phone.tell({"ev": "state", "call": self.number, "state": state, "status": info.lastStatusCode})

    def onCallMediaState(self, prm: pj.OnCallMediaStateParam) -> None:
        self.phone.media(self)

    def onDtmfDigit(self, prm: pj.OnDtmfDigitParam) -> None:
        self.phone.tell({"ev": "digit", "call": self.number, "digit": prm.digit})

    def onCallTransferStatus(self, prm: pj.OnCallTransferStatusParam) -> None:
        self.phone.tell({"ev": "referred", "call": self.number, "status": prm.statusCode, "words": prm.reason})


class _Account(pj.Account):
    def __init__(self, phone: Phone, number: int) -> None:
        super().__init__()
        self.phone = phone
        self.number = number
        self.began = time.monotonic()

    def onRegState(self, prm: pj.OnRegStateParam) -> None:
        took = round((time.monotonic() - self.began) * 1000)
        self.phone.tell(
            {"ev": "registered", "account": self.number, "status": prm.code, "words": prm.reason, "ms": took}
        )


class Phone:
    """`run_once` drives the library; every order comes from the same thread."""

    def __init__(self, tell: Tell, *, log_level: int = 0, port: int = 0, rtp_port: int = 0) -> None:
        self.tell = tell
        self._rtp_port = rtp_port
        self._calls: dict[int, _Call] = {}
        self._accounts: dict[int, _Account] = {}
        self._endpoint = pj.Endpoint()
        self._endpoint.libCreate()
        config = pj.EpConfig()
        put(config.uaConfig, threadCnt=0, mainThreadOnly=True, maxCalls=MAX_CALLS, userAgent="fieldgate-pjsua2")
        put(config.logConfig, level=log_level, consoleLevel=log_level)
        put(config.medConfig, clockRate=16000, sndClockRate=16000, noVad=True, ecTailLen=0)
        self._endpoint.libInit(config)
        for kind in (pj.PJSIP_TRANSPORT_UDP, pj.PJSIP_TRANSPORT_TCP):
            transport = pj.TransportConfig()
            put(transport, port=port)
            self._endpoint.transportCreate(kind, transport)
        self._endpoint.libStart()
        self._endpoint.audDevManager().setNullDev()

    def run_once(self, wait_ms: int) -> None:
        self._endpoint.libHandleEvents(wait_ms)

    def codecs(self, wanted: list[str]) -> None:
        """Only these, in this order: "pcma", "pcmu", "g722", "l16"."""
        for codec in self._endpoint.codecEnum2():
            name = codec.codecId.split("/")[0].lower()
            priority = 255 - wanted.index(name) if name in wanted else 0
            self._endpoint.codecSetPriority(codec.codecId, priority)

    def account(self, order: dict[str, Any]) -> None:
        """`account`, `uri`; with `registrar` it registers; `user`, `password`, `proxy`, `srtp`, `headers`."""
        config = pj.AccountConfig()
        put(config, idUri=order["uri"])
        put(config.regConfig, registrarUri=order.get("registrar", ""), timeoutSec=order.get("expires", 300))
        put(config.regConfig, registerOnAdd=bool(order.get("registrar")), retryIntervalSec=0)
        if order.get("user"):
            config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", order["user"], 0, order["password"]))
        if order.get("proxy"):
            config.sipConfig.proxies.append(order["proxy"])
        put(config.mediaConfig, srtpUse=SRTP.get(order.get("srtp", "off"), 0), srtpSecureSignaling=0)
        put(config.mediaConfig.transportConfig, port=self._rtp_port, portRange=100 if self._rtp_port else 0)
        put(config.callConfig, timerUse=pj.PJSUA_SIP_TIMER_OPTIONAL, prackUse=pj.PJSUA_100REL_OPTIONAL)
        account = _Account(self, order["account"])
        account.create(config)
        self._accounts[order["account"]] = account

    def call(self, order: dict[str, Any], pcm: socket.socket | None) -> None:
        """`call`, `account`, `uri`; `tone` (Hz) plays one, else the sound is `pcm`; `headers` as name, value pairs."""
        call = _Call(self, self._accounts[order["account"]], order["call"])
        self._calls[call.number] = call
        if pcm is not None:
            call.port = PcmPort(pcm, f"pcm-{call.number}")
        elif order.get("tone"):
            call.tone = pj.ToneGenerator()
            call.tone.createToneGenerator(16000, 1)
            tone = pj.ToneDesc()
            put(tone, freq1=order["tone"], freq2=0, on_msec=1000, off_msec=0, volume=9000)
            tones = pj.ToneDescVector()
            tones.append(tone)
            call.tone.play(tones, True)
        parameters = pj.CallOpParam(True)
        put(parameters.opt, audioCount=1, videoCount=0)
        for name, value in order.get("headers", ()):
            header = pj.SipHeader()
            put(header, hName=name, hValue=value)
            parameters.txOption.headers.append(header)
        try:
            call.makeCall(order["uri"], parameters)
        except pj.Error as exc:
            self.ended(call, 0, exc.reason)

    def hang_up(self, number: int, status: int = 0) -> None:
        call = self._calls.get(number)
        if call is None or call.ended or not call.isActive():
            return
        parameters = pj.CallOpParam()
        put(parameters, statusCode=status)
        with suppress(pj.Error):  # it ended at this moment
            call.hangup(parameters)

    def hold(self, number: int, held: bool) -> None:
        call = self._active(number)
        parameters = pj.CallOpParam(True)
        if held:
            call.setHold(parameters)
        else:
            put(parameters.opt, flag=pj.PJSUA_CALL_UNHOLD)
            call.reinvite(parameters)

    def digits(self, number: int, digits: str) -> None:
        self._active(number).dialDtmf(digits)

    def refer(self, number: int, uri: str) -> None:
        self._active(number).xfer(uri, pj.CallOpParam(True))

    def figures(self, number: int) -> dict[str, Any]:
        """RTP and RTCP of a call's sound; empty while there is none."""
        call = self._active(number)
        info = call.getInfo()
        for index in range(len(info.media)):
            if info.media[index].type != pj.PJMEDIA_TYPE_AUDIO or info.media[index].status == 0:
                continue
            with suppress(pj.Error):
                shape, stat = call.getStreamInfo(index), call.getStreamStat(index)
                audio = call.getAudioMedia(index)
                return {
                    "codec": shape.codecName.lower(),
                    "rate_hz": shape.codecClockRate,
                    "remote": shape.remoteRtpAddress,
                    "received": stat.rtcp.rxStat.pkt,
                    "lost": stat.rtcp.rxStat.loss,
                    "jitter_ms": stat.rtcp.rxStat.jitterUsec.mean / 1000,
                    "sent": stat.rtcp.txStat.pkt,
                    "peer_lost": stat.rtcp.txStat.loss,
                    "peer_jitter_ms": stat.rtcp.txStat.jitterUsec.mean / 1000,
                    "rtt_ms": stat.rtcp.rttUsec.mean / 1000 if stat.rtcp.rttUsec.n else None,
                    "level": audio.getRxLevel(),
                }
        return {}

    # — what PJSIP calls —

    def media(self, call: _Call) -> None:
        """Sound flows, or no longer: connect it to the call's port or tone."""
        info = call.getInfo()  # kept while its media are read: the list belongs to it
        held_by = ""
        active = False
        for index in range(len(info.media)):
            one = info.media[index]
            if one.type != pj.PJMEDIA_TYPE_AUDIO:
                continue
            if one.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                audio = call.getAudioMedia(index)
                if call.port is not None:
                    call.port.startTransmit(audio)
                    audio.startTransmit(call.port)
                elif call.tone is not None:
                    call.tone.startTransmit(audio)
                active = True
            elif one.status == pj.PJSUA_CALL_MEDIA_LOCAL_HOLD:
                held_by = "us"
            elif one.status == pj.PJSUA_CALL_MEDIA_REMOTE_HOLD:
                held_by = "peer"
        codec = self.figures(call.number).get("codec", "") if active else ""
        self.tell({"ev": "media", "call": call.number, "active": active, "held_by": held_by, "codec": codec})

    def ended(self, call: _Call, status: int, words: str) -> None:
        if call.ended:
            return
        call.ended = True
        self.tell({"ev": "state", "call": call.number, "state": "ended", "status": status, "words": words})

    def sweep(self) -> None:
        """Drop calls that have ended; outside of their own callbacks."""
        for number in [number for number, call in self._calls.items() if call.ended]:
            call = self._calls.pop(number)
            if call.port is not None:
                call.port.shut()
            call.port = call.tone = None
            del call

    def close(self) -> None:
        """The one order in which it does not abort: hang up, wait, drop calls, accounts, then the library."""
        for number in list(self._calls):
            self.hang_up(number)
        until = time.monotonic() + DESTROY_WAIT_S
        while any(not call.ended for call in self._calls.values()) and time.monotonic() < until:
            self.run_once(20)
        for call in self._calls.values():
            call.ended = True
        self.sweep()
        gc.collect()
        for account in self._accounts.values():
            account.shutdown()
        self._accounts.clear()
        gc.collect()
        self._endpoint.libDestroy()

    def _active(self, number: int) -> _Call:
        call = self._calls.get(number)
        if call is None or call.ended or not call.isActive():
            raise KeyError(f"no call {number}")
        return call
