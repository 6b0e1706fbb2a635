"""SipEndpoint on the loopback: requests, answers, flows, bounds. Timers are shortened, never slept on."""

from __future__ import annotations

import asyncio
import socket

import pytest

from gateway.base.errors import ConfigError, LinkDown, LocalProtocolError, PeerError
from gateway.net.sip import EndpointLimits, IncomingRequest, Listen, SipEndpoint
from gateway.wire.digest import Authorization, DigestClient, DigestServer, Verdict
from gateway.wire.sip import Hop, SipRequest, SipResponse, new_request, parse_datagram, peer_uri
from gateway.wire.sip.transaction import Timers

FAST = Timers(t1=0.02, t2=0.08, t4=0.1, d=0.2)


def endpoint(transport: str = "udp", host: str = "127.0.0.1", **more: object) -> SipEndpoint:
    return SipEndpoint([Listen(transport, host, 0)], timing=FAST, **more)  # type: ignore[arg-type]


async def way(a: SipEndpoint, b: SipEndpoint) -> Hop:
    there = b.bound[0]
    return await a.hop_to(there.transport, ("127.0.0.1", there.port))


def message(hop: Hop, body: bytes = b"hello") -> SipRequest:
    return new_request("MESSAGE", peer_uri("b", hop), from_="sip:a@h", hop=hop, contact_user="a", body=body)


async def ok(request: IncomingRequest) -> None:
    request.respond(200, body=request.request.body, content_type="text/plain")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_request_and_answer(transport: str) -> None:
    async with endpoint(transport) as a, endpoint(transport) as b:
        b.on_request("MESSAGE", ok)
        hop = await way(a, b)
        response = await a.request(message(hop), hop, timeout=5)
        assert (response.status, response.body) == (200, b"hello")
        assert response.headers.get("Server") == "fieldgate"


async def test_requests_flow_back_down_the_devices_connection() -> None:
    """A device behind NAT registered over TCP: what we ask of it goes down its own connection."""
    seen: asyncio.Queue[Hop] = asyncio.Queue()

    async def learn(request: IncomingRequest) -> None:
        seen.put_nowait(request.hop)
        request.respond(200)

    async with endpoint("tcp") as platform, SipEndpoint([], timing=FAST) as device:
        platform.on_request("REGISTER", learn)
        device.on_request("MESSAGE", ok)
        hop = await device.hop_to("tcp", ("127.0.0.1", platform.bound[0].port))
        assert (await device.request(new_request("REGISTER", "sip:p@h", from_="sip:d@h"), hop)).ok
        back = await seen.get()
        assert (await platform.request(message(back), back)).ok
        assert platform.counters["connections"] == 1


async def test_wildcard_answers_from_the_address_that_was_hit() -> None:
    hit: asyncio.Queue[Hop] = asyncio.Queue()

    async def note(request: IncomingRequest) -> None:
        hit.put_nowait(request.hop)
        request.respond(200)

    async with endpoint("udp", "0.0.0.0") as b:
        b.on_request("MESSAGE", note)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.setblocking(False)
            s.bind(("127.0.0.1", 0))
            for target in ("127.0.0.2", "127.0.0.3"):
                hop = Hop("udp", s.getsockname(), (target, b.bound[0].port))
                request = message(hop).with_headers(
                    message(hop).headers.first("Via", f"SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK{target}")
                )
                loop = asyncio.get_running_loop()
                await loop.sock_sendto(s, bytes(request), hop.remote)
                data, source = await asyncio.wait_for(loop.sock_recvfrom(s, 4096), 5)
                assert source == hop.remote, "the answer left from the address the request hit"
                assert (await hit.get()).local == hop.remote and data.startswith(b"SIP/2.0 200")


async def test_ipv6() -> None:
    try:
        a, b = endpoint("udp", "::"), endpoint("udp", "::1")
        async with a, b:
            b.on_request("MESSAGE", ok)
            hop = await a.hop_to("udp", ("::1", b.bound[0].port))
            assert (await a.request(message(hop), hop, timeout=5)).ok
    except ConfigError:
        pytest.skip("this machine has no IPv6")


async def test_digest_both_sides() -> None:
    server = DigestServer("3402000000", algorithms=["SHA-256", "MD5"])
    clock = asyncio.get_running_loop().time

    async def register(request: IncomingRequest) -> None:
        value = request.request.headers.get("Authorization")
        verdict = None
        if value is not None:
            auth = Authorization.parse(value)
            verdict = server.check(auth, "REGISTER", clock(), password="right")
        if verdict is Verdict.OK:
            request.respond(200, headers=[("Expires", "3600")])
        elif verdict is Verdict.WRONG:
            request.respond(403)
        else:
            request.respond(401, headers=[("WWW-Authenticate", str(c)) for c in server.challenges(clock())])

    async with endpoint() as a, endpoint() as b:
        b.on_request("REGISTER", register)
        hop = await way(a, b)
        asked = new_request("REGISTER", "sip:p@3402000000", from_="sip:d@3402000000", hop=hop, contact_user="d")
        assert (await a.request(asked, hop)).status == 401
        assert (await a.request(asked, hop, auth=DigestClient("d", "right"))).status == 200
        with pytest.raises(PeerError) as caught:
            await a.request(asked, hop, auth=DigestClient("d", "wrong"), check=True)
        assert caught.value.status == 403 and "wrong" not in str(caught.value)


async def test_nobody_there() -> None:
    async with endpoint() as a:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            hop = await a.hop_to("udp", silent.getsockname())
            with pytest.raises(LinkDown):
                await a.request(message(hop), hop)
            with pytest.raises(LinkDown):
                await a.request(message(hop), hop, timeout=0.01)
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]
        with pytest.raises(LinkDown):
            await a.hop_to("tcp", ("127.0.0.1", port))


async def test_connection_that_falls_fails_its_requests_and_is_told() -> None:
    fallen: asyncio.Queue[str] = asyncio.Queue()
    async with endpoint("tcp") as b, SipEndpoint([], timing=FAST) as a:
        asked = asyncio.Event()

        async def sit(request: IncomingRequest) -> None:
            asked.set()
            await asyncio.Event().wait()

        b.on_request("MESSAGE", sit)
        a.on_flow_closed(lambda hop, why: fallen.put_nowait(why))
        hop = await way(a, b)
        waiting = asyncio.create_task(a.request(message(hop), hop))
        await asyncio.wait_for(asked.wait(), 5)
        b._flows.close_all()
        with pytest.raises(LinkDown):
            await asyncio.wait_for(waiting, 5)
        assert await asyncio.wait_for(fallen.get(), 5)
        with pytest.raises(LinkDown):
            await a.request(message(hop), hop)


async def test_handler_that_fails_or_forgets_is_answered_for() -> None:
    async def fail(request: IncomingRequest) -> None:
        raise ValueError("a bug in a handler")

    async def forget(request: IncomingRequest) -> None:
        return

    async with endpoint() as a, endpoint() as b:
        hop = await way(a, b)
        for handler in (fail, forget):
            b.on_request("*", handler)
            assert (await a.request(message(hop), hop)).status == 500


async def test_without_handler() -> None:
    async with endpoint() as a, endpoint() as b:
        b.on_request("MESSAGE", ok)
        hop = await way(a, b)
        refused = await a.request(new_request("NOTIFY", "sip:b@h", from_="sip:a@h"), hop)
        assert refused.status == 405 and "MESSAGE" in (refused.headers.get("Allow") or "")
        assert (await a.request(new_request("OPTIONS", "sip:b@h", from_="sip:a@h"), hop)).status == 200


async def test_answering_twice_is_our_bug() -> None:
    caught: asyncio.Queue[type[Exception]] = asyncio.Queue()

    async def twice(request: IncomingRequest) -> None:
        request.respond(200)
        try:
            request.respond(500)
        except LocalProtocolError as exc:
            caught.put_nowait(type(exc))

    async with endpoint() as a, endpoint() as b:
        b.on_request("MESSAGE", twice)
        hop = await way(a, b)
        assert (await a.request(message(hop), hop)).ok
        assert await caught.get() is LocalProtocolError


async def test_port_taken_names_the_port() -> None:
    async with endpoint("udp") as a, endpoint("tcp") as t:
        for taken in (a.bound[0], t.bound[0]):
            with pytest.raises(ConfigError, match=str(taken.port)) as caught:
                async with SipEndpoint([taken]):
                    pass
            assert caught.value.code == "port-in-use"


async def test_rate_of_one_source_is_bounded() -> None:
    limits = EndpointLimits(messages_per_s=0.001, burst=3)
    async with endpoint() as a, endpoint(limits=limits) as b:
        b.on_request("MESSAGE", ok)
        hop = await way(a, b)
        for _ in range(3):
            assert (await a.request(message(hop), hop)).ok
        with pytest.raises(LinkDown):
            await a.request(message(hop), hop, timeout=0.1)
        assert b.counters["dropped_rate"] >= 1


async def test_connections_are_bounded_and_idle_ones_closed() -> None:
    limits = EndpointLimits(max_connections=2, idle_s=0.1)
    async with endpoint("tcp", limits=limits) as b:
        readers = [(await asyncio.open_connection("127.0.0.1", b.bound[0].port)) for _ in range(3)]
        try:
            ends = await asyncio.wait_for(
                asyncio.gather(*(r.read() for r, _ in readers), return_exceptions=True), 5
            )  # all end: one refused, two idle
            assert len(ends) == 3
            assert b.counters["refused_connections"] == 1 and b.counters["idle_connections"] == 2
        finally:
            for _, w in readers:
                w.close()


async def test_stream_of_garbage_is_closed_at_its_bound() -> None:
    async with endpoint("tcp") as b:
        reader, writer = await asyncio.open_connection("127.0.0.1", b.bound[0].port)
        writer.write(b"MESSAGE sip:a@h SIP/2.0\r\nX: " + b"a" * 200_000)
        try:
            assert await asyncio.wait_for(reader.read(), 5) == b""
        except ConnectionResetError:
            pass  # the same, as the kernel may say it with bytes of ours unread
        assert b.counters["bad"] == 1
        writer.close()


async def test_vendor_keepalive_is_heard() -> None:
    heard: asyncio.Queue[Hop] = asyncio.Queue()
    async with endpoint() as b:
        b.on_heard(heard.put_nowait)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"jaK\0", ("127.0.0.1", b.bound[0].port))
            hop = await asyncio.wait_for(heard.get(), 5)
            assert hop.remote[1] == s.getsockname()[1]


async def test_bad_request_is_told_what_is_wrong_and_garbage_is_counted() -> None:
    async with endpoint() as b:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.setblocking(False)
            loop = asyncio.get_running_loop()
            there = ("127.0.0.1", b.bound[0].port)
            await loop.sock_sendto(s, b"\x80\x60 this is RTP and not SIP at all", there)
            await loop.sock_sendto(
                s, b"MESSAGE sip:a@h SIP/2.0\r\nVia: SIP/2.0/UDP h;rport\r\nTo: <sip:a@h>\r\n\r\n", there
            )
            answer = parse_datagram(await asyncio.wait_for(loop.sock_recv(s, 4096), 5))
            assert isinstance(answer, SipResponse) and answer.status == 400 and "missing" in answer.reason
            assert b.counters["bad"] == 2


async def test_handlers_are_bounded() -> None:
    sitting = asyncio.Event()

    async def sit(request: IncomingRequest) -> None:
        sitting.set()
        await asyncio.Event().wait()

    async with endpoint() as a, endpoint(limits=EndpointLimits(max_handlers=1)) as b:
        b.on_request("MESSAGE", sit)
        hop = await way(a, b)
        first = asyncio.create_task(a.request(message(hop), hop))
        await asyncio.wait_for(sitting.wait(), 5)
        refused = await a.request(message(hop), hop)
        assert refused.status == 503 and refused.headers.get("Retry-After")
        first.cancel()
