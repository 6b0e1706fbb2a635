"""Ways out: TLS with names, connections used again and kept alive, large requests by TCP, the DNS, closed doors."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.base.errors import ConfigError, LinkDown, RemoteProtocolError
from gateway.net.sip import CallOptions, IncomingRequest, Listen, SipEndpoint
from gateway.net.sip.keepalive import KeepAlive
from gateway.net.sip.resolve import Locator
from gateway.net.sip.tls import PeerCertificate, client_context, server_context, verify_name
from gateway.wire.sip import Hop, SipRequest, SipUri, new_request, peer_uri
from gateway.wire.sip.locate import Way
from tests.unit.net.certificates import Authority
from tests.unit.net.phones import FAST, TAGS, WAIT, Callee, eventually, invite, phone, session, way


def options(hop: Hop) -> SipRequest:
    return new_request("OPTIONS", peer_uri("x", hop), from_="sip:kit@h")


def tls_phone(server: str, *, client: Any = None, client_ca: str | None = None, require: bool = False) -> SipEndpoint:
    context = server_context(server, client_ca=client_ca, require=require)
    listen = [Listen("tls", "127.0.0.1", 0)]
    return SipEndpoint(listen, timing=FAST, supported=TAGS, tls=context, tls_client=client)


@pytest.mark.parametrize("minimum", ["1.2", "1.3"])
@pytest.mark.parametrize(
    ("names", "asked"),
    [({"dns": ("sip.center.example",)}, "sip.center.example"), ({"ips": ("127.0.0.1",)}, ""),
     ({"uris": ("sip:center.example",)}, "center.example")],
)  # fmt: skip
async def test_a_call_over_tls_with_every_kind_of_name(names: Any, asked: str, minimum: Any, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server, ours = authority.make("server", **names), authority.make("kit", dns=("kit",))
    client = client_context(authority.ca, ours, minimum=minimum)
    async with tls_phone(server, client_ca=authority.ca, require=True) as b, tls_phone(ours, client=client) as a:
        callee = Callee(b)
        hop = await a.hop_to("tls", ("127.0.0.1", b.bound[0].port), server_name=asked)
        call = await a.invite(invite(hop), hop, options=CallOptions(session=session()))
        answer = await call.answered(WAIT)
        assert answer.contact is not None and answer.contact.uri.endswith(";transport=tls")
        theirs = await callee.next()
        seen = b.peer_certificate(theirs.hop)
        assert seen is not None and seen.dns == ("kit",), "the client showed its certificate"
        assert a.peer_certificate(hop) is not None and a.peer_certificate(Hop("udp", hop.local, hop.remote)) is None
        assert await a.hop_to("tls", hop.remote, server_name=asked) == hop, "the connection is used again"
        await call.bye()
        await theirs.ended()


async def test_a_certificate_that_is_not_good_is_refused(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "other")
    server = authority.make("server", dns=("sip.center.example", "*.wild.example"), ips=("192.0.2.1",))
    async with tls_phone(server) as b, phone() as a:
        there = ("127.0.0.1", b.bound[0].port)
        for context, name, words in (
            (client_context(authority.ca), "evil.example", "not for evil.example"),
            (client_context(authority.ca), "a.wild.example", "not for a.wild.example"),
            (client_context(authority.ca), "", "not for 127.0.0.1"),
            (client_context(stranger.ca), "sip.center.example", "TLS failed"),
        ):
            with pytest.raises(LinkDown, match=words) as caught:
                await a.hop_to("tls", there, server_name=name, tls=context)
            assert caught.value.code == "tls-failed"
        loose = client_context(authority.ca, verify=False)
        hop = await a.hop_to("tls", there, server_name="evil.example", tls=loose)
        assert (await a.request(options(hop), hop, timeout=WAIT)).status == 200
        good = await a.hop_to("tls", there, server_name="sip.center.example", tls=client_context(authority.ca))
        assert good.flow != hop.flow, "a connection verified by another name is not used"


async def test_a_client_without_certificate_is_refused_where_one_is_required(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server = authority.make("server", dns=("s",))
    async with tls_phone(server, client_ca=authority.ca, require=True) as b, phone() as a:
        context = client_context(authority.ca)
        with pytest.raises(LinkDown):
            hop = await a.hop_to("tls", ("127.0.0.1", b.bound[0].port), server_name="s", tls=context)
            await a.request(options(hop), hop, timeout=WAIT)


async def test_tls_needs_a_context_and_readable_files(tmp_path: Path) -> None:
    async with phone() as a:
        with pytest.raises(LinkDown, match="no TLS context"):
            await a.hop_to("tls", ("127.0.0.1", 1))
    (tmp_path / "junk.pem").write_text("junk")
    for file in ("none.pem", "junk.pem"):
        with pytest.raises(ConfigError):
            client_context(str(tmp_path / file))
        with pytest.raises(ConfigError):
            server_context(str(tmp_path / file))
    with pytest.raises(ConfigError, match="no authority"):
        server_context(str(tmp_path / "junk.pem"), require=True)


def test_names_of_certificates() -> None:
    names = [
        ("DNS", "A.Example"),
        ("IP Address", "2001:DB8:0:0:0:0:0:1"),
        ("URI", "sip:d.example"),
        ("URI", "https://w"),
    ]
    found = PeerCertificate.of({"subject": ((("commonName", "c"),),), "subjectAltName": tuple(names)})
    assert found is not None and found.subject == "c"
    assert [found.names(n) for n in ("a.example", "A.EXAMPLE.", "2001:db8::1", "d.example", "w", "c", "example")] == [
        True, True, True, True, False, False, False]  # fmt: skip
    assert PeerCertificate.of({}) is None and "no certificate" in verify_name(None, ("x",))
    assert verify_name(PeerCertificate(subject="c"), ("x",)) == "its certificate is for c, not for x"


# — connections —


async def test_who_asks_while_a_connection_opens_gets_the_same() -> None:
    async with phone(transport="tcp") as a, phone(transport="tcp") as b:
        hops = await asyncio.gather(*(way(a, b) for _ in range(5)))
        assert len(set(hops)) == 1
        a.close_flow(hops[0], "test")
        await eventually(lambda: not a.alive(hops[0]))
        again = await way(a, b)
        assert again.flow != hops[0].flow and a.alive(again)


async def test_a_call_outlives_its_connection_and_opens_another() -> None:
    async with phone(transport="tcp") as a, phone(transport="tcp") as b:
        callee = Callee(b)
        hop = await way(a, b)
        call = await a.invite(invite(hop), hop, options=CallOptions(session=session()))
        await call.answered(WAIT)
        theirs = await callee.next()
        await theirs.acked(WAIT)
        a.close_flow(hop, "test")
        await eventually(lambda: not a.alive(hop) and not b.alive(theirs.hop))
        await call.reoffer()
        assert callee.sessions[0].asked == ["answer", "answer"]
        await theirs.bye()
        assert (await asyncio.wait_for(call.ended(), WAIT)).by == "remote"


async def test_keepalive_keeps_and_finds_the_dead() -> None:
    pings: list[float] = []
    dead: list[int] = []
    heard = 1e9

    def ping() -> bool:
        pings.append(1.0)
        return True

    alive = KeepAlive(0.001, ping, lambda: heard, lambda: 5.0, lambda: dead.append(1), pong_s=0.001)
    await eventually(lambda: len(pings) >= 3)
    assert not dead
    heard = 0.0
    await eventually(lambda: dead == [1])
    alive.stop()
    async with phone(transport="tcp") as a, phone(transport="tcp") as b:
        hop = await way(a, b)
        before = b.counters.get("heard", 0)
        a.keep_alive(hop, 0.001)
        await eventually(lambda: b.counters.get("heard", 0) > before and a.counters.get("heard", 0) > 0)
        assert a.alive(hop)
        a.keep_alive(Hop("udp", hop.local, hop.remote), 1)


async def test_large_requests_go_by_tcp_where_the_peer_takes_it() -> None:
    listen = [Listen("udp", "127.0.0.1", 0)]
    async with SipEndpoint(listen, timing=FAST) as probe:
        port = probe.bound[0].port
    both = [Listen("udp", "127.0.0.1", port), Listen("tcp", "127.0.0.1", port)]
    ways: list[str] = []

    async def message(incoming: IncomingRequest) -> None:
        ways.append(incoming.hop.transport)
        incoming.respond(200)

    async with phone(tcp_over_bytes=1300) as a, SipEndpoint(both, timing=FAST) as b:
        b.on_request("MESSAGE", message)
        for sip in (b,):
            hop = await a.hop_to("udp", ("127.0.0.1", sip.bound[0].port))
            for size in (10, 3000):
                request = new_request("MESSAGE", peer_uri("x", hop), from_="sip:kit@h", body=b"x" * size)
                assert (await a.request(request, hop, timeout=WAIT)).ok
        assert ways == ["udp", "tcp"]
    async with phone(tcp_over_bytes=1300) as a, phone() as b:
        b.on_request("MESSAGE", message)
        hop = await way(a, b)
        for _ in range(2):
            request = new_request("MESSAGE", peer_uri("x", hop), from_="sip:kit@h", body=b"x" * 3000)
            assert (await a.request(request, hop, timeout=WAIT)).ok
        assert ways[2:] == ["udp", "udp"] and a.counters["large_by_udp"] == 1, "asked once"


async def test_ipv6_calls() -> None:
    async with phone("::1") as a, phone("::1") as b:
        Callee(b)
        hop = await way(a, b)
        mine = session()
        call = await a.invite(invite(hop), hop, options=CallOptions(session=mine))
        answer = await call.answered(WAIT)
        assert answer.contact is not None and "[::1]" in answer.contact.uri and mine.port == 5000
        await call.bye()


# — RFC 3263 —


def dns(**records: list[Any]) -> Any:
    async def ask(name: str, kind: str) -> list[Any]:
        return records.get(f"{kind} {name}", [])

    return ask


def srv(priority: int, target: str, port: int) -> Any:
    return SimpleNamespace(priority=priority, weight=1, target=target, port=port)


def naptr(order: int, service: bytes, replacement: str) -> Any:
    return SimpleNamespace(order=order, preference=1, service=service, replacement=replacement)


async def test_names_are_followed_through_the_dns() -> None:
    records = {
        "NAPTR c.example": [
            naptr(2, b"SIP+D2U", "_sip._udp.c.example."),
            naptr(1, b"SIPS+D2T", "_sips._tcp.c.example."),
        ],
        "SRV _sips._tcp.c.example": [srv(2, "127.0.0.3.", 5071), srv(1, "127.0.0.2.", 5061)],
        "SRV _sip._udp.c.example": [srv(1, "127.0.0.4.", 5060)],
        "SRV _sip._tcp.d.example": [srv(1, "127.0.0.5.", 5068)],
    }
    locator = Locator(dns(**records))
    assert await locator.ways(SipUri.parse("sip:c.example")) == [
        Way("tls", ("127.0.0.2", 5061), "c.example"),
        Way("tls", ("127.0.0.3", 5071), "c.example"),
        Way("udp", ("127.0.0.4", 5060), "c.example"),
    ]
    assert await locator.ways(SipUri.parse("sip:c.example"), "udp") == [Way("udp", ("127.0.0.4", 5060), "c.example")]
    assert (await locator.ways(SipUri.parse("sip:d.example")))[0] == Way("tcp", ("127.0.0.5", 5068), "d.example")
    assert await locator.ways(SipUri.parse("sip:x@localhost:5099;transport=tcp")) == [
        Way("tcp", ("127.0.0.1", 5099), "localhost")]  # fmt: skip
    assert await locator.ways(SipUri.parse("sips:[::1]")) == [Way("tls", ("::1", 5061), "::1")]


async def test_names_that_lead_nowhere() -> None:
    async def never(name: str, kind: str) -> list[Any]:
        raise TimeoutError

    for ask in (dns(), never):
        with pytest.raises(LinkDown) as caught:
            await Locator(ask).ways(SipUri.parse("sip:nowhere.invalid"))
        assert caught.value.code == "dns-failed"
    async with phone() as a:
        with pytest.raises(RemoteProtocolError):
            await a.ways("tel:110")


# — doors —


async def test_a_screened_request_gets_no_answer_at_all() -> None:
    async with phone(screen=lambda request, hop: request.from_.user != "scanner") as b, phone() as a:
        Callee(b)
        hop = await way(a, b)
        call = await a.invite(invite(hop, "scanner"), hop, options=CallOptions(session=session()))
        with pytest.raises(LinkDown):
            await call.answered(WAIT)
        assert b.counters["screened"] > 1 and b.counters.get("sent", 0) == 0 and b.standing["transactions"] == 0
        call = await a.invite(invite(hop), hop, options=CallOptions(session=session()))
        await call.answered(WAIT)
        await call.bye()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_gated_host_is_not_heard(transport: str) -> None:
    async with phone(transport=transport) as b, phone(transport=transport) as a:
        b.guard(lambda host: host != "127.0.0.1")
        with pytest.raises(LinkDown):
            hop = await way(a, b)
            await a.request(options(hop), hop, timeout=WAIT)
        assert b.counters["gated"] >= 1 and b.counters.get("received", 0) == 0


async def test_dropped_requests_get_no_final_answer() -> None:
    async with phone() as a, phone() as b:

        async def drop(incoming: IncomingRequest) -> None:
            incoming.drop()

        b.on_request("REGISTER", drop)
        hop = await way(a, b)
        with pytest.raises(LinkDown):
            await a.request(new_request("REGISTER", "sip:x", from_="sip:x@h"), hop, timeout=WAIT)

        async def drop_call(call: Any) -> None:
            call.drop()

        b.on_call(drop_call)
        call = await a.invite(invite(hop), hop, options=CallOptions(session=session()))
        await eventually(lambda: b.counters["dropped"] > 1)
        await call.bye()
        assert not b._engine.invites and not b._engine.owners
