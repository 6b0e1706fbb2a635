"""Connects N viewers (ICE, DTLS-SRTP) and becomes the native sink: `python -m tests.bench.viewers`.

aiortc does the handshakes, over WHEP or against Janus's streaming plugin. Then this process replaces itself by
codecs/examples/fanout_sink.rs, which inherits the sockets and keys: from then on no Python sees a packet.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import sys
from pathlib import Path

import httpx
from aioice import ice
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription, rtcdtlstransport
from aiortc.rtcdtlstransport import RTCDtlsTransport, SRTPProtectionProfile
from aiortc.sdp import SessionDescription

from tests.bench.common import EXAMPLES

_PROFILES = {
    b"SRTP_AEAD_AES_128_GCM": "AEAD_AES_128_GCM",
    b"SRTP_AEAD_AES_256_GCM": "AEAD_AES_256_GCM",
    b"SRTP_AES128_CM_SHA1_80": "AES_CM_128_HMAC_SHA1_80",
}


def _pin(profile: str) -> None:
    """Offer one SRTP profile only, so that servers are compared on the same cipher ("any": what aiortc offers)."""
    if profile != "any":
        keep = [p for p in rtcdtlstransport.SRTP_PROFILES if _PROFILES[p.openssl_profile] == profile]
        rtcdtlstransport.SRTP_PROFILES[:] = keep


async def _drop(*_args: object, **_named: object) -> None:
    """Media before the native sink takes over is not looked at."""


def _mute(dtls: RTCDtlsTransport) -> None:
    dtls._handle_rtp_data = _drop  # type: ignore[method-assign]
    dtls._handle_rtcp_data = _drop  # type: ignore[method-assign]


def _ipv4_only() -> None:
    """The sink speaks IPv4; every server is reached the same way."""
    addresses = ice.get_host_addresses
    ice.get_host_addresses = lambda use_ipv4, use_ipv6: addresses(use_ipv4=use_ipv4, use_ipv6=use_ipv6 and False)


async def _whep(client: httpx.AsyncClient, url: str, token: str) -> RTCPeerConnection:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    pc.addTransceiver("video", direction="recvonly")
    await pc.setLocalDescription(await pc.createOffer())
    headers = {"content-type": "application/sdp", "authorization": f"Bearer {token}"}
    answer = await client.post(url, content=pc.localDescription.sdp, headers=headers)
    if answer.status_code != 201:
        raise SystemExit(f"WHEP answered {answer.status_code}: {answer.text[:300]}")
    await pc.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
    return pc


class _Janus:
    def __init__(self, client: httpx.AsyncClient, base: str) -> None:
        self._client, self._base, self._session = client, base, 0
        self._events: dict[int, asyncio.Queue[dict[str, object]]] = {}

    async def _post(self, path: str, body: dict[str, object]) -> dict[str, object]:
        reply = await self._client.post(self._base + path, json=body | {"transaction": secrets.token_hex(6)})
        data: dict[str, object] = reply.json()
        if data.get("janus") not in ("success", "ack"):
            raise SystemExit(f"Janus answered {data}")
        return data

    async def open(self) -> asyncio.Task[None]:
        self._session = (await self._post("/janus", {"janus": "create"}))["data"]["id"]  # type: ignore[index]
        return asyncio.create_task(self._poll())

    async def _poll(self) -> None:
        while True:
            reply = await self._client.get(f"{self._base}/janus/{self._session}?maxev=10", timeout=60)
            for event in reply.json():
                if (sender := event.get("sender")) in self._events:
                    self._events[sender].put_nowait(event)

    async def watch(self, mountpoint: int) -> RTCPeerConnection:
        path = f"/janus/{self._session}"
        handle = (await self._post(path, {"janus": "attach", "plugin": "janus.plugin.streaming"}))["data"]["id"]  # type: ignore[index]
        events = self._events[handle] = asyncio.Queue()
        await self._post(f"{path}/{handle}", {"janus": "message", "body": {"request": "watch", "id": mountpoint}})
        while "jsep" not in (event := await asyncio.wait_for(events.get(), 20)):
            pass
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        await pc.setRemoteDescription(RTCSessionDescription(event["jsep"]["sdp"], "offer"))  # type: ignore[index]
        await pc.setLocalDescription(await pc.createAnswer())
        jsep = {"type": "answer", "sdp": pc.localDescription.sdp}
        await self._post(f"{path}/{handle}", {"janus": "message", "body": {"request": "start"}, "jsep": jsep})
        return pc


async def _connected(pc: RTCPeerConnection) -> None:
    async with asyncio.timeout(30):
        while pc.connectionState != "connected":
            if pc.connectionState in ("failed", "closed"):
                raise SystemExit(f"a viewer's connection is {pc.connectionState}")
            await asyncio.sleep(0.02)


def _line(pc: RTCPeerConnection) -> str:
    """One viewer as the sink reads it; the socket is duplicated so that closing anything here leaves it alone."""
    (transceiver,) = (t for t in pc.getTransceivers() if t.kind == "video")
    dtls = transceiver.receiver.transport
    ice = dtls.transport._connection
    pair = ice._nominated[1]
    fd = os.dup(pair.protocol.transport.get_extra_info("socket").fileno())
    os.set_inheritable(fd, True)
    chosen: SRTPProtectionProfile = next(
        p for p in dtls._srtp_profiles if p.openssl_profile == dtls._ssl.get_selected_srtp_profile()
    )
    material = dtls._ssl.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (chosen.key_length + chosen.salt_length))
    tx, rx = (1, 0) if dtls._role == "server" else (0, 1)

    def key_and_salt(half: int) -> tuple[str, str]:
        both = chosen.get_key_and_salt(material, half)
        return both[: chosen.key_length].hex(), both[chosen.key_length :].hex()

    remote = SessionDescription.parse(pc.remoteDescription.sdp)
    media = next(m for m in remote.media if m.kind == "video")
    ssrcs = [s.ssrc for s in media.ssrc]
    local = SessionDescription.parse(pc.localDescription.sdp)
    ours = next(m for m in local.media if m.kind == "video")
    rx_key, rx_salt = key_and_salt(rx)
    tx_key, tx_salt = key_and_salt(tx)
    fields = [fd, f"{pair.remote_addr[0]}:{pair.remote_addr[1]}", _PROFILES[chosen.openssl_profile]]
    fields += [rx_key, rx_salt, tx_key, tx_salt, ours.ice.usernameFragment, ours.ice.password]
    fields += [ours.ssrc[0].ssrc if ours.ssrc else 1, ssrcs[0] if ssrcs else 0, ssrcs[1] if len(ssrcs) > 1 else 0]
    return " ".join(str(field) for field in fields)


async def _main(args: argparse.Namespace) -> list[str]:
    viewers: list[RTCPeerConnection] = []
    async with httpx.AsyncClient(verify=False, timeout=30, limits=httpx.Limits(max_connections=8)) as client:  # noqa: S501
        janus = _Janus(client, args.url) if args.kind == "janus" else None
        poll = await janus.open() if janus else None
        for _ in range(args.count):
            if janus:
                pc = await janus.watch(args.mountpoint)
            else:
                pc = await _whep(client, args.url, args.token)
            for transceiver in pc.getTransceivers():
                _mute(transceiver.receiver.transport)
            await _connected(pc)
            viewers.append(pc)
        if poll:
            poll.cancel()
    return [_line(pc) for pc in viewers]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", choices=["whep", "janus"], required=True)
    parser.add_argument("--url", required=True, help="WHEP URL, or the base URL of Janus's HTTP API")
    parser.add_argument("--token", default=os.environ.get("FIELDGATE_TOKEN", ""))
    parser.add_argument("--mountpoint", type=int, default=1)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--profile", default="any", choices=["any", *_PROFILES.values()])
    parser.add_argument("--drop-every", type=int, default=0, help="lose one received packet in so many")
    args = parser.parse_args()
    _pin(args.profile)
    _ipv4_only()
    loop = asyncio.new_event_loop()
    lines = loop.run_until_complete(_main(args))
    # The loop is never run again and nothing is closed: the sink inherits live sockets.
    read_end, write_end = os.pipe()
    os.set_inheritable(read_end, True)
    if os.fork() == 0:
        os.close(read_end)
        with os.fdopen(write_end, "w") as out:
            out.write("\n".join(lines) + "\n")
        os._exit(0)
    os.close(write_end)
    sink = Path(EXAMPLES / "fanout_sink")
    sys.stderr.flush()
    os.execv(sink, [str(sink), str(read_end), str(args.drop_every)])  # noqa: S606  our own example, no shell


if __name__ == "__main__":
    main()
