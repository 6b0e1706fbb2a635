"""A page that plays WHEP with nothing but what a browser has, and a tiny HTTP server that carries adapter routes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from adapters.webrtc.resource import problem
from gateway.base.errors import GatewayError
from tests.unit.webrtc.fakes import FakeHttp

PAGE = """<!doctype html><meta charset=utf-8><title>whep</title><link rel=icon href=data:,>
<video id=v autoplay playsinline></video>
<script>
const v = document.getElementById('v'); let pc = null, where = null, posted = 0, first = 0, answer = '', offer = '';
async function play(url, kinds) {
  pc = new RTCPeerConnection({iceServers: []});
  const stream = new MediaStream(); v.srcObject = stream;
  pc.ontrack = e => stream.addTrack(e.track);
  for (const kind of kinds) pc.addTransceiver(kind, {direction: 'recvonly'});
  await pc.setLocalDescription(await pc.createOffer());
  offer = pc.localDescription.sdp;
  posted = performance.now(); first = 0;
  v.requestVideoFrameCallback(() => { first = performance.now(); });
  const r = await fetch(url, {method: 'POST', body: offer, headers: {'Content-Type': 'application/sdp'}});
  answer = await r.text();
  if (r.status != 201) throw new Error(r.status + ' ' + answer);
  where = r.headers.get('Location');
  await pc.setRemoteDescription({type: 'answer', sdp: answer});
  return where;
}
async function publish(url) {
  const got = await navigator.mediaDevices.getUserMedia({video: {width: 640, height: 360}, audio: true});
  pc = new RTCPeerConnection({iceServers: []});
  for (const t of got.getTracks()) pc.addTransceiver(t, {direction: 'sendonly'});
  for (const t of pc.getTransceivers()) if (t.sender.track.kind == 'video') t.setCodecPreferences(
    RTCRtpSender.getCapabilities('video').codecs.filter(c => /H264|rtx/.test(c.mimeType)));
  await pc.setLocalDescription(await pc.createOffer());
  const r = await fetch(url, {method: 'POST', body: pc.localDescription.sdp,
    headers: {'Content-Type': 'application/sdp'}});
  answer = await r.text();
  if (r.status != 201) throw new Error(r.status + ' ' + answer);
  where = r.headers.get('Location');
  await pc.setRemoteDescription({type: 'answer', sdp: answer});
  return where;
}
async function stats() {
  const out = {state: pc.connectionState, width: v.videoWidth, height: v.videoHeight, first: first && first - posted};
  const all = [...(await pc.getStats()).values()];
  for (const s of all.filter(s => s.type == 'inbound-rtp' || s.type == 'outbound-rtp'))
    out[s.kind] = {...s, codec: (all.find(c => c.id == s.codecId) || {}).mimeType};
  return out;
}
async function leave() { await fetch(where, {method: 'DELETE'}); pc.close(); }
</script>"""


@asynccontextmanager
async def serve(http: FakeHttp) -> AsyncIterator[str]:
    """Serve PAGE at / and the adapter's routes; yields the base URL."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            method, path, _ = head[0].split(" ")
            pairs = (line.partition(":") for line in head[1:] if line)
            headers = {name.lower().replace("-", "_"): value.strip() for name, _, value in pairs}
            body = await reader.readexactly(int(headers.get("content_length", "0")))
            status, kind, more, text = await _answer(http, method, path, body, headers)
            lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", f"Content-Length: {len(text)}"]
            lines += [f"{name}: {value}" for name, value in more.items()] + ["Connection: close", "", ""]
            writer.write("\r\n".join(lines).encode() + text)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


async def _answer(
    http: FakeHttp, method: str, path: str, body: bytes, headers: dict[str, str]
) -> tuple[int, str, dict[str, str], bytes]:
    if path == "/":
        return 200, "text/html", {}, PAGE.encode()
    given: dict[str, Any] = {name: value for name, value in headers.items() if name in ("content_type", "if_match")}
    try:
        response = await http.call(method, path, body, **given)
    except KeyError:
        return 404, "text/plain", {}, b"no such route"
    except GatewayError as error:
        response = problem(406, error.code, str(error))
    return response.status, response.content_type, dict(response.headers), response.body
