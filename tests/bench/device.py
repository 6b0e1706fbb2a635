"""Plain GB/T 28181 devices for the benches: they register, answer the catalogue and accept invitations over UDP.

Media is not theirs: the bench is told where an invitation wants it (`on_invite`) and lets a native program send.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from gateway.net.sip import IncomingCall, IncomingRequest, Listen, SipEndpoint
from gateway.wire.digest import DigestClient
from gateway.wire.sdp import Sdp
from gateway.wire.sip.build import new_request
from gateway.wire.sip.hop import Hop

_SDP = "v=0\r\no={id} 0 0 IN IP4 127.0.0.1\r\ns=Play\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video 9 RTP/AVP 96\r\n"
_SDP += "a=sendonly\r\na=rtpmap:96 H264/90000\r\n{y}"


class BenchDevices:
    """Any number of devices behind one socket, as cameras behind one NVR's address."""

    def __init__(self, server: tuple[str, int], server_id: str, password: str, channels: int = 1) -> None:
        self._server, self._server_id, self._password, self._channels = server, server_id, password, channels
        self._hop: Hop | None = None
        self.on_invite: Callable[[str, str, int], None] = lambda _channel, _host, _port: None
        self.endpoint = SipEndpoint([Listen("udp", "127.0.0.1", 0)], product="bench")
        self.endpoint.on_request("MESSAGE", self._message)
        self.endpoint.on_call(self._call)

    async def __aenter__(self) -> BenchDevices:
        await self.endpoint.__aenter__()
        self._hop = await self.endpoint.hop_to("udp", self._server)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.endpoint.__aexit__(None, None, None)

    def channel_ids(self, device: str) -> list[str]:
        return [f"{device[:10]}131{device[13:17]}{index:03d}" for index in range(self._channels)]

    async def register(self, device: str, expires: int = 3600) -> int:
        """REGISTER with digest; returns the final status."""
        assert self._hop
        request = new_request(
            "REGISTER",
            f"sip:{self._server_id}@{self._server[0]}:{self._server[1]}",
            from_=f"sip:{device}@{self._server_id[:10]}",
            to=f"sip:{device}@{self._server_id[:10]}",
            hop=self._hop,
            contact_user=device,
            headers=[("Expires", str(expires))],
        )
        response = await self.endpoint.request(request, self._hop, auth=DigestClient(device, self._password))
        return response.status

    async def message(self, device: str, body: str) -> int:
        assert self._hop
        request = new_request(
            "MESSAGE",
            f"sip:{self._server_id}@{self._server[0]}:{self._server[1]}",
            from_=f"sip:{device}@{self._server_id[:10]}",
            to=f"sip:{self._server_id}@{self._server_id[:10]}",
            body=body.encode("gb18030"),
            content_type="Application/MANSCDP+xml",
        )
        return (await self.endpoint.request(request, self._hop)).status

    async def keepalive(self, device: str) -> int:
        body = "<Notify><CmdType>Keepalive</CmdType><SN>1</SN>"
        return await self.message(device, f"{body}<DeviceID>{device}</DeviceID><Status>OK</Status></Notify>")

    async def _message(self, incoming: IncomingRequest) -> None:
        incoming.respond(200)
        text = incoming.request.body.decode("gb18030", "replace")
        kind, number, device = (
            (re.search(f"<{tag}>([^<]*)<", text) or [None, ""])[1] for tag in ("CmdType", "SN", "DeviceID")
        )
        if kind == "Catalog":
            items = "".join(
                f"<Item><DeviceID>{channel}</DeviceID><Name>Camera {index}</Name><Manufacturer>Bench</Manufacturer>"
                f"<ParentID>{device}</ParentID><Parental>0</Parental><Status>ON</Status></Item>"
                for index, channel in enumerate(self.channel_ids(device))
            )
            rest = f"<SumNum>{self._channels}</SumNum><DeviceList Num='{self._channels}'>{items}</DeviceList>"
        elif kind == "DeviceInfo":
            rest = "<Result>OK</Result><Manufacturer>Bench</Manufacturer><Model>B1</Model><Firmware>1</Firmware>"
        else:
            return
        await self.message(
            device,
            f"<Response><CmdType>{kind}</CmdType><SN>{number}</SN><DeviceID>{device}</DeviceID>{rest}</Response>",
        )

    async def _call(self, call: IncomingCall) -> None:
        offer = Sdp.parse(call.request.body)
        media = offer.media[0]
        channel = call.request.uri.split(":", 1)[1].split("@", 1)[0]
        if media.tcp:
            call.reject(488)
            return
        y = re.search(rb"^y=\d+", call.request.body, re.M)
        body = _SDP.format(id=channel, y=y[0].decode() + "\r\n" if y else "")
        call.accept(body.encode(), contact_user=channel)
        await call.acked()
        self.on_invite(channel, offer.address_of(media) or self._server[0], media.port)
