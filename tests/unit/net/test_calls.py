"""Calls and subscriptions between two endpoints on the loopback."""

from __future__ import annotations

import asyncio
import socket

import pytest

from gateway.base.errors import LinkDown, PeerError
from gateway.net.sip import CallEnd, IncomingCall, IncomingRequest, InviteCall, Listen, Notifier, SipEndpoint
from gateway.wire.sip import Hop, SipRequest, SipResponse, new_request, parse_datagram, peer_uri, respond
from gateway.wire.sip.transaction import Timers

FAST = Timers(t1=0.02, t2=0.08, t4=0.1, d=0.2)
SDP = b"v=0\r\ns=Play\r\ny=0100000001\r\n"


def endpoint(transport: str = "udp", timing: Timers = FAST) -> SipEndpoint:
    return SipEndpoint([Listen(transport, "127.0.0.1", 0)], timing=timing)  # type: ignore[arg-type]


async def way(a: SipEndpoint, b: SipEndpoint) -> Hop:
    return await a.hop_to(b.bound[0].transport, ("127.0.0.1", b.bound[0].port))


def invite(hop: Hop) -> SipRequest:
    return new_request(
        "INVITE",
        peer_uri("34020000001310000001", hop),
        from_="sip:34020000002000000001@3402000000",
        hop=hop,
        contact_user="34020000002000000001",
        headers=[("Subject", "34020000001310000001:0100000001,34020000002000000001:0")],
        body=SDP,
        content_type="application/sdp",
    )


class Phone:
    """The called side: takes each call by `how`, keeps it for the test to see."""

    def __init__(self, sip: SipEndpoint, how: str = "accept") -> None:
        self.calls: asyncio.Queue[IncomingCall] = asyncio.Queue()
        self._how = how
        sip.on_call(self._take)

    async def _take(self, call: IncomingCall) -> None:
        if self._how == "accept":
            call.ringing()
            call.accept(call.request.body)
        elif self._how == "busy":
            call.reject(486)
        elif self._how == "ring":
            call.ringing()
        elif self._how == "fail":
            raise ValueError("a bug in a call handler")
        self.calls.put_nowait(call)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_call_and_bye_from_either_side(transport: str) -> None:
    async with endpoint(transport) as a, endpoint(transport) as b:
        phone = Phone(b)
        hop = await way(a, b)
        for by_us in (True, False):
            heard: list[int] = []
            call = await a.invite(invite(hop), hop)
            call.on_provisional(lambda r, heard=heard: heard.append(r.status))  # type: ignore[misc]
            answer = await call.answered(5)
            assert answer.body == SDP and 180 in heard
            await call.ack()
            theirs = await phone.calls.get()
            assert (await theirs.acked(5)).method == "ACK"
            await (call if by_us else theirs).bye()
            ended = await asyncio.wait_for((theirs if by_us else call).ended(), 5)
            assert ended.by == "remote"
            assert (call if by_us else theirs).end == CallEnd("local")
        assert not a._engine.owners and not b._engine.owners and not a._engine.waiters and not b._engine.invites


async def test_refused_and_failed_calls() -> None:
    async with endpoint() as a, endpoint() as b:
        hop = await way(a, b)
        for how, status in (("busy", 486), ("fail", 500)):
            Phone(b, how)
            call = await a.invite(invite(hop), hop)
            with pytest.raises(PeerError) as caught:
                await call.answered(5)
            assert caught.value.status == status and call.end is not None and call.end.by == "refused"
            await call.bye()


async def test_no_handler_is_405() -> None:
    async with endpoint() as a, endpoint() as b:
        hop = await way(a, b)
        call = await a.invite(invite(hop), hop)
        with pytest.raises(PeerError) as caught:
            await call.answered(5)
        assert caught.value.status == 405


async def test_cancelled_while_ringing() -> None:
    async with endpoint() as a, endpoint() as b:
        phone = Phone(b, "ring")
        hop = await way(a, b)
        call = await a.invite(invite(hop), hop)
        theirs = await phone.calls.get()
        await call.cancel()
        assert (await asyncio.wait_for(theirs.ended(), 5)).by == "cancelled"
        with pytest.raises(PeerError):
            theirs.accept(SDP)
        with pytest.raises(PeerError):
            await theirs.acked()
        assert call.end is not None and call.end.by == "local"


async def test_nobody_answers_in_time() -> None:
    async with endpoint() as a, endpoint() as b:
        phone = Phone(b, "ring")
        hop = await way(a, b)
        call = await a.invite(invite(hop), hop)
        theirs = await phone.calls.get()
        with pytest.raises(LinkDown) as caught:
            await call.answered(0.05)
        assert caught.value.code == "invite-timeout"
        assert (await asyncio.wait_for(theirs.ended(), 5)).by == "cancelled"


async def test_2xx_that_crosses_our_cancel_is_acknowledged_and_hung_up() -> None:
    async with endpoint() as a, endpoint() as b:
        phone = Phone(b)
        hop = await way(a, b)
        call = await a.invite(invite(hop), hop)
        call._give_up("before anything came back")
        theirs = await asyncio.wait_for(phone.calls.get(), 5)
        assert (await asyncio.wait_for(theirs.ended(), 5)).by in ("remote", "cancelled")


async def test_peer_that_is_not_there() -> None:
    async with endpoint() as a:
        hop = await a.hop_to("udp", ("127.0.0.1", 9))
        call = await a.invite(invite(hop), hop)
        with pytest.raises(LinkDown):
            await call.answered(10)
        assert call.end is not None and call.end.by == "link"


async def test_missing_ack_ends_the_call() -> None:
    async with endpoint() as a, endpoint() as b:
        phone = Phone(b)
        hop = await way(a, b)
        call = await a.invite(invite(hop), hop)
        await call.answered(5)  # and never ack
        theirs = await phone.calls.get()
        with pytest.raises(LinkDown):
            await theirs.acked(10)
        assert (await asyncio.wait_for(call.ended(), 5)).by == "remote", "a BYE came after 64·T1"


async def test_connection_that_falls_ends_its_calls() -> None:
    async with endpoint("tcp") as a, endpoint("tcp") as b:
        phone = Phone(b)
        hop = await way(a, b)
        call = await a.invite(invite(hop), hop)
        await call.answered(5)
        await call.ack()
        theirs = await phone.calls.get()
        await theirs.acked(5)
        a._flows.close_all()
        for side in (call, theirs):
            assert (await asyncio.wait_for(side.ended(), 5)).by == "link"
        await call.bye()
        with pytest.raises(LinkDown):
            await call.send("INFO")


async def test_requests_inside_a_call() -> None:
    async def info(request: IncomingRequest) -> None:
        request.respond(200, body=b"got " + request.request.body, content_type="text/plain")

    async with endpoint() as a, endpoint() as b:
        phone = Phone(b)
        hop = await way(a, b)
        call = await a.invite(invite(hop), hop)
        await call.answered(5)
        await call.ack()
        theirs = await phone.calls.get()
        await theirs.acked(5)
        assert (await call.send("INFO", body=b"1")).status == 405, "nobody handles it"
        theirs.on_request(info)
        call.on_request(info)
        assert (await call.send("INFO", body=b"2", content_type="Application/MANSRTSP")).body == b"got 2"
        assert (await theirs.send("MESSAGE", body=b"3")).body == b"got 3"
        await call.bye()
        with pytest.raises(LinkDown):
            await call.send("INFO")


async def test_re_invite_without_handler_is_488_and_the_call_lives() -> None:
    async with endpoint() as a, endpoint() as b:
        phone = Phone(b)
        hop = await way(a, b)
        call = await a.invite(invite(hop), hop)
        await call.answered(5)
        await call.ack()
        theirs = await phone.calls.get()
        await theirs.acked(5)
        assert (await call.send("INVITE", body=SDP, content_type="application/sdp")).status == 488
        assert call.end is None and theirs.end is None
        await call.bye()


async def test_closing_an_endpoint_leaves_no_task() -> None:
    async with endpoint() as a, endpoint() as b:
        Phone(b)
        hop = await way(a, b)
        call = await a.invite(invite(hop), hop)
        await call.answered(5)
        await call.ack()
    assert {t for t in asyncio.all_tasks() if t is not asyncio.current_task()} == set()
    assert isinstance(call, InviteCall)


async def test_subscription_both_sides() -> None:
    notified: asyncio.Queue[SipRequest] = asyncio.Queue()
    notifiers: asyncio.Queue[Notifier] = asyncio.Queue()

    async def on_subscribe(request: IncomingRequest) -> None:
        notifiers.put_nowait(request.accept_subscription(request.request.expires or 0, contact_user="d"))

    async def on_notify(request: IncomingRequest) -> None:
        notified.put_nowait(request.request)
        request.respond(200)

    async with endpoint() as platform, endpoint() as device:
        device.on_request("SUBSCRIBE", on_subscribe)
        hop = await way(platform, device)
        asked = new_request(
            "SUBSCRIBE",
            peer_uri("d", hop),
            from_="sip:p@h",
            hop=hop,
            contact_user="p",
            headers=[("Event", "Catalog;id=1"), ("Expires", "600")],
        )
        subscription = await platform.subscribe(asked, hop, on_notify, timeout=5)
        notifier = await notifiers.get()
        assert subscription.expires_s == 600 and notifier.event == "Catalog;id=1" and notifier.active
        assert (await notifier.notify(b"<Notify/>", "Application/MANSCDP+xml")).ok
        first = await asyncio.wait_for(notified.get(), 5)
        assert first.body == b"<Notify/>" and first.headers.get("Event") == "Catalog;id=1"
        assert (first.headers.get("Subscription-State") or "").startswith("active;expires=")
        assert (await subscription.refresh(300)).ok and subscription.expires_s == 300
        assert await notifiers.get() is notifier and notifier.expires_s == 300
        await subscription.end()
        assert not subscription.active and await notifiers.get() is notifier and not notifier.active
        with pytest.raises((LinkDown, PeerError)):
            await notifier.notify(b"late", "text/plain")
        assert not notifier.active


async def test_notify_before_the_200_of_its_subscribe_is_not_lost() -> None:
    notified: asyncio.Queue[SipRequest] = asyncio.Queue()

    async def on_notify(request: IncomingRequest) -> None:
        notified.put_nowait(request.request)
        request.respond(200)

    async with endpoint() as platform, endpoint() as device:
        sent: asyncio.Queue[SipResponse] = asyncio.Queue()

        async def early(request: IncomingRequest) -> None:
            r = request.request
            note = new_request(
                "NOTIFY",
                "sip:p@h",
                from_=str(r.to.with_tag("early")),
                to=str(r.from_),
                call_id=r.call_id,
                headers=[("Event", "presence"), ("Subscription-State", "active")],
            )
            sent.put_nowait(await device.request(note, request.hop))
            request.respond(200, headers=[("Expires", "60"), ("Contact", "<sip:d@127.0.0.1>")])

        device.on_request("SUBSCRIBE", early)
        hop = await way(platform, device)
        asked = new_request(
            "SUBSCRIBE", "sip:d@h", from_="sip:p@h", hop=hop, contact_user="p", headers=[("Event", "presence")]
        )
        await platform.subscribe(asked, hop, on_notify, timeout=5)
        assert (await sent.get()).status == 200 and notified.qsize() == 1


async def test_refused_subscription() -> None:
    async def bad_event(request: IncomingRequest) -> None:
        request.respond(489)

    async with endpoint() as platform, endpoint() as device:
        device.on_request("SUBSCRIBE", bad_event)
        hop = await way(platform, device)
        with pytest.raises(PeerError) as caught:
            await platform.subscribe(new_request("SUBSCRIBE", "sip:d@h", from_="sip:p@h"), hop, bad_event, timeout=5)
        assert caught.value.status == 489


async def test_late_fork_is_acknowledged_and_hung_up() -> None:
    """A second 2xx, after our call is over: nobody waits for it, yet its sender must not be left in a call."""
    async with endpoint() as a:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.setblocking(False)
            peer.bind(("127.0.0.1", 0))
            hop = await a.hop_to("udp", peer.getsockname())
            call = await a.invite(invite(hop), hop)
            asked = parse_datagram(await asyncio.wait_for(loop.sock_recv(peer, 65536), 5))
            assert isinstance(asked, SipRequest)

            async def until(method: str) -> SipRequest:
                while True:
                    got = parse_datagram(await asyncio.wait_for(loop.sock_recv(peer, 65536), 5))
                    if isinstance(got, SipRequest) and got.method == method:
                        return got

            contact = [("Contact", "<sip:x@127.0.0.1>")]
            await loop.sock_sendto(peer, bytes(respond(asked, 200, headers=contact, tag="one")), hop.local)
            await call.answered(5)
            await call.ack()
            goodbye = asyncio.create_task(call.bye())
            bye = await until("BYE")
            await loop.sock_sendto(peer, bytes(respond(bye, 200)), hop.local)
            await goodbye
            await loop.sock_sendto(peer, bytes(respond(asked, 200, headers=contact, tag="two")), hop.local)
            assert (await until("ACK")).to.tag == "two"
            assert (await until("BYE")).to.tag == "two"


async def test_caller_that_vanished_while_it_rang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.net.sip.incoming_call.ANSWER_TIMEOUT_S", 0.05)
    async with endpoint() as a, endpoint() as b:
        phone = Phone(b, "ring")
        hop = await way(a, b)
        call = await a.invite(invite(hop), hop)
        theirs = await phone.calls.get()
        with pytest.raises(PeerError) as caught:
            await call.answered(5)
        assert caught.value.status == 408 and theirs.end is not None


async def test_subscription_nobody_renews_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.net.sip.subscription.GRACE_S", 0.0)
    made: asyncio.Queue[Notifier] = asyncio.Queue()

    async def on_subscribe(request: IncomingRequest) -> None:
        made.put_nowait(request.accept_subscription(0, contact_user="d"))

    async def never(request: IncomingRequest) -> None:
        raise AssertionError

    async with endpoint() as platform, endpoint() as device:
        device.on_request("SUBSCRIBE", on_subscribe)
        hop = await way(platform, device)
        asked = new_request("SUBSCRIBE", "sip:d@h", from_="sip:p@h", hop=hop, contact_user="p")
        await platform.subscribe(asked, hop, never, timeout=5)
        notifier = await made.get()
        with pytest.raises(LinkDown):
            await notifier.notify(b"", "text/plain")
        assert not device._engine.owners


async def test_dropped_subscription_leaves_nothing() -> None:
    async def on_subscribe(request: IncomingRequest) -> None:
        request.accept_subscription(600, contact_user="d")

    async def never(request: IncomingRequest) -> None:
        raise AssertionError

    async with endpoint() as platform, endpoint() as device:
        device.on_request("SUBSCRIBE", on_subscribe)
        hop = await way(platform, device)
        asked = new_request("SUBSCRIBE", "sip:d@h", from_="sip:p@h", hop=hop, contact_user="p")
        subscription = await platform.subscribe(asked, hop, never, timeout=5)
        assert platform._engine.owners
        subscription.drop()
        assert not platform._engine.owners and not subscription.active


async def test_call_that_is_cancelled_under_its_handler_is_no_error() -> None:
    """on_request("INVITE") sees the request itself; a CANCEL answers it while the handler still thinks."""
    asked, go, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def think(request: IncomingRequest) -> None:
        asked.set()
        await go.wait()
        done.set()

    async with endpoint() as a, endpoint() as b:
        b.on_request("INVITE", think)
        hop = await way(a, b)
        call = await a.invite(invite(hop), hop)
        await asyncio.wait_for(asked.wait(), 5)
        await call.cancel()
        go.set()
        await asyncio.wait_for(done.wait(), 5)
        assert (await a.request(new_request("OPTIONS", "sip:b@h", from_="sip:a@h"), hop)).ok
