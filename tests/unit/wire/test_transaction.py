"""Transactions between two of our own cores: repeats, time-outs, ACK, CANCEL, the table itself."""

from __future__ import annotations

import pytest

from gateway.base.errors import Busy, LocalProtocolError
from gateway.wire.sip import Hop, SipRequest, new_request, parse_datagram, respond
from gateway.wire.sip.core import CoreLimits, SipCore
from gateway.wire.sip.events import (
    Cancelled,
    DialogEnded,
    Event,
    Heard,
    RequestFailed,
    RequestReceived,
    ResponseReceived,
)
from gateway.wire.sip.transaction import TRANSITIONS, Kind, State
from tests.unit.wire.netem import Netem, Peer

A, B = ("192.0.2.1", 5060), ("192.0.2.2", 5060)


def pair(**net: object) -> tuple[Netem, Peer, Peer]:
    made = Netem(**net)  # type: ignore[arg-type]
    return made, made.peer(A), made.peer(B)


def message(method: str = "MESSAGE") -> SipRequest:
    return new_request(method, "sip:b@192.0.2.2", from_="sip:a@192.0.2.1", headers=[("Contact", "<sip:a@192.0.2.1>")])


def answering(peer: Peer, *statuses: int) -> None:
    def react(event: Event) -> None:
        if isinstance(event, RequestReceived):
            for status in statuses:
                answer = respond(event.request, status, headers=[("Contact", "<sip:b@192.0.2.2>")])
                peer.core.respond(event.key, answer, peer.now)

    peer.react = react


def test_every_state_of_the_table_can_be_left() -> None:
    """No machine gets stuck: from each state that the table enters, some timer or input ends it."""
    for kind in Kind:
        states = {state for (k, state, _) in TRANSITIONS if k is kind}
        entered = {after for (k, _, _), (after, _) in TRANSITIONS.items() if k is kind}
        assert entered - {State.TERMINATED} <= states
        ends = {state for (k, state, _), (after, _) in TRANSITIONS.items() if k is kind and after is State.TERMINATED}
        assert ends, kind


def test_request_and_answer() -> None:
    net, a, b = pair()
    answering(b, 200)
    a.core.request(message(), a.hop(b), net.now)
    net.run(1)
    assert a.statuses() == [200] and len(b.of(RequestReceived)) == 1
    assert net.log == ["MESSAGE sip:b@192.0.2.2 SIP/2.0", "SIP/2.0 200 OK"]
    net.run(60)
    assert len(net.log) == 2 and not a.core._transactions and not b.core._transactions


def test_timer_e_doubles_to_t2_and_f_gives_up_at_32_s() -> None:
    net, a, b = pair(drop=lambda _: True)
    a.core.request(message(), a.hop(b), net.now)
    sent = []
    for _ in range(660):
        before = len(net.log)
        net.run(0.05)
        sent += [round(net.now, 2)] * (len(net.log) - before)
    assert [round(x * 2) / 2 for x in sent] == [0.0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert [e.why for e in a.of(RequestFailed)] == ["timeout"]  # type: ignore[attr-defined]


def test_timer_a_doubles_without_bound_and_b_gives_up() -> None:
    net, a, b = pair(drop=lambda _: True)
    a.core.request(message("INVITE"), a.hop(b), net.now)
    net.run(33)
    assert len(net.log) == 7, "0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5 s"
    assert len(a.of(RequestFailed)) == 1


def test_invite_stops_repeating_at_100() -> None:
    net, a, b = pair()
    a.core.request(message("INVITE"), a.hop(b), net.now)
    net.run(20)
    assert [line for line in net.log if line.startswith("INVITE")] == ["INVITE sip:b@192.0.2.2 SIP/2.0"]
    assert "SIP/2.0 100 Trying" in net.log


def test_repeated_request_is_answered_by_the_same_bytes_and_told_once() -> None:
    answers = 0

    def drop(data: bytes) -> bool:
        nonlocal answers
        if data.startswith(b"SIP/2.0 200"):
            answers += 1
            return answers <= 2
        return False

    net, a, b = pair(drop=drop)
    answering(b, 200)
    a.core.request(message(), a.hop(b), net.now)
    net.run(10)
    assert answers == 3 and len(b.of(RequestReceived)) == 1 and a.statuses() == [200]
    assert b.core.counters["repeats"] == 2


def test_failure_of_invite_is_repeated_until_its_ack() -> None:
    acks = 0

    def drop(data: bytes) -> bool:
        nonlocal acks
        acks += data.startswith(b"ACK")
        return data.startswith(b"ACK") and acks <= 2

    net, a, b = pair(drop=drop)
    answering(b, 486)
    a.core.request(message("INVITE"), a.hop(b), net.now)
    net.run(40)
    assert sum("486" in line for line in net.log) == 3 and acks == 3
    assert a.statuses() == [100, 486], "told once, however often it came"
    assert b.core.counters["unacknowledged"] == 0 and not a.core._transactions and not b.core._transactions


def test_ack_of_a_failure_is_of_the_same_transaction() -> None:
    """RFC 3261 §17.1.1.3: Request-URI, Call-ID, From, top Via and Route of the INVITE, To of the response."""
    core = SipCore()
    invite = message("INVITE").with_headers(message("INVITE").headers.add("Route", "<sip:p;lr>"))
    core.request(invite, Hop("udp", A, B), 0.0)
    sent = parse_datagram(core.data_to_send(0.0)[0][1])
    assert isinstance(sent, SipRequest)
    core.receive_datagram(bytes(respond(sent, 404, tag="xyz")), Hop("udp", A, B), 0.1)
    ack = parse_datagram(core.data_to_send(0.1)[0][1])
    assert isinstance(ack, SipRequest) and ack.method == "ACK"
    assert (ack.uri, ack.call_id, ack.via, ack.to.tag, str(ack.cseq)) == (
        sent.uri,
        sent.call_id,
        sent.via,
        "xyz",
        "1 ACK",
    )
    assert ack.values("Route") == ["<sip:p;lr>"]


def test_cancel_waits_for_a_provisional_and_both_are_answered() -> None:
    net, a, b = pair()
    key = a.core.request(message("INVITE"), a.hop(b), net.now)
    assert a.core.cancel(key, net.now)
    assert not any(line.startswith("CANCEL") for line in net.log), "nothing came back yet (§9.1)"
    net.run(5)
    assert a.statuses() == [100, 487] and len(b.of(Cancelled)) == 1
    assert [line for line in net.log if line.startswith("CANCEL")] and "SIP/2.0 200 OK" in net.log
    net.run(60)
    assert not a.core._transactions and not b.core._transactions


def test_cancel_that_crosses_the_2xx_changes_nothing() -> None:
    net, a, b = pair()
    answering(b, 180, 200)
    key = a.core.request(message("INVITE"), a.hop(b), net.now)
    net.run(0.015)  # the answers are on their way
    a.core.cancel(key, net.now)
    net.run(1)
    assert 200 in a.statuses() and not b.of(Cancelled)
    assert a.core.cancel(key, net.now) is False, "settled: BYE is the way now"


def test_cancel_of_nothing_is_481() -> None:
    net, a, b = pair()
    cancel = message("CANCEL")
    b.core.receive_datagram(
        bytes(cancel.with_headers(cancel.headers.first("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKq"))), b.hop(a), 0
    )
    net.run(1)
    assert net.log == ["SIP/2.0 481 Call/Transaction Does Not Exist"]


def test_cancelled_invite_that_nobody_answers_ends_after_64_t1() -> None:
    net, a, b = pair(drop=lambda data: b" 487 " in data[:20] or data.startswith(b"SIP/2.0 200"))
    key = a.core.request(message("INVITE"), a.hop(b), net.now)
    net.run(1)
    a.core.cancel(key, net.now)
    net.run(40)
    assert [e.why for e in a.of(RequestFailed) if e.key == key] == ["timeout"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("seed", range(12))
def test_bad_network_delivers_each_request_once(seed: int) -> None:
    """30 % loss, 20 % doubled, reordered: each MESSAGE is told to its receiver once and answered or given up."""
    net, a, b = pair(seed=seed, loss=0.3, dup=0.2, delay_s=(0.0, 0.4))
    answering(b, 200)
    keys = [a.core.request(message(), a.hop(b), net.now) for _ in range(20)]
    net.run(120)
    told = [e.request.call_id for e in b.of(RequestReceived)]  # type: ignore[attr-defined]
    assert len(told) == len(set(told))
    settled = [e.key for e in a.events if isinstance(e, ResponseReceived | RequestFailed)]
    assert sorted(settled) == sorted(keys)
    assert a.statuses().count(200) >= 19
    assert not a.core._transactions and not b.core._transactions


def test_full_table_forgets_the_settled_and_then_refuses() -> None:
    core = SipCore(limits=CoreLimits(max_transactions=3))
    hop = Hop("udp", B, A)

    def arrive(n: int) -> list[bytes]:
        request = message()
        core.receive_datagram(
            bytes(request.with_headers(request.headers.first("Via", f"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{n}"))),
            hop,
            0.0,
        )
        return [data.split(b"\r\n")[0] for _, data in core.data_to_send(0.0)]

    for n in range(3):
        assert arrive(n) == []
    assert arrive(3) == [b"SIP/2.0 503 Service Unavailable"] and core.counters["full"] == 1
    with pytest.raises(Busy):
        core.request(message(), hop, 0.0)
    event = core.next_event()
    assert isinstance(event, RequestReceived)
    core.respond(event.key, respond(event.request, 200), 0.0)
    core.data_to_send(0.0)
    assert arrive(4) == [] and core.counters["forgotten"] == 1


def test_second_final_answer_is_our_bug() -> None:
    net, a, b = pair()
    a.core.request(message(), a.hop(b), net.now)
    net.run(0.1)
    event = b.of(RequestReceived)[0]
    assert isinstance(event, RequestReceived)
    b.core.respond(event.key, respond(event.request, 200), net.now)
    with pytest.raises(LocalProtocolError):
        b.core.respond(event.key, respond(event.request, 500), net.now)


def test_tcp_does_not_repeat_and_falls_with_its_connection() -> None:
    core = SipCore()
    hop = Hop("tcp", A, B, 7)
    key = core.request(message(), hop, 0.0)
    assert len(core.data_to_send(0.0)) == 1
    core.handle_timer(10.0)
    assert core.data_to_send(10.0) == []
    core.flow_closed(7, 11.0)
    event = core.next_event()
    assert event == RequestFailed(key, "link") and core.next_timer() is None


def test_calls_end_with_their_connection() -> None:
    core, hop = SipCore(), Hop("tcp", B, A, 3)
    invite = message("INVITE")
    data = bytes(invite.with_headers(invite.headers.first("Via", "SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKt")))
    core.receive_stream(data[:50], hop, 0.0)
    core.receive_stream(data[50:], hop, 0.0)
    event = core.next_event()
    assert isinstance(event, RequestReceived)
    core.respond(event.key, respond(event.request, 200, headers=[("Contact", "<sip:b@192.0.2.2>")]), 0.0)
    core.flow_closed(3, 1.0)
    ended = core.next_event()
    assert isinstance(ended, DialogEnded) and ended.by == "link"


def test_keepalives_are_heard_and_pinged_back() -> None:
    core = SipCore()
    for data in (b"jaK\0", b"\r\n", b"\r\n\r\n", b"\0\0\0\0"):
        core.receive_datagram(data, Hop("udp", A, B), 0.0)
        assert isinstance(core.next_event(), Heard) and core.data_to_send(0.0) == []
    core.receive_stream(b"\r\n\r\n", Hop("tcp", A, B, 1), 0.0)
    assert core.data_to_send(0.0) == [(Hop("tcp", A, B, 1), b"\r\n")]


def test_via_gets_received_and_rport_and_the_answer_goes_to_the_source() -> None:
    core, hop = SipCore(), Hop("udp", A, ("203.0.113.7", 40123))
    request = message()
    via = "SIP/2.0/UDP 10.0.0.5:5060;rport;branch=z9hG4bKn"
    core.receive_datagram(bytes(request.with_headers(request.headers.first("Via", via))), hop, 0.0)
    event = core.next_event()
    assert isinstance(event, RequestReceived)
    core.respond(event.key, respond(event.request, 200), 0.0)
    ((where, data),) = core.data_to_send(0.0)
    assert where == hop
    assert parse_datagram(data).via.param("rport") == "40123"
    assert parse_datagram(data).via.param("received") == "203.0.113.7"


def test_one_branch_for_everything_is_told_apart_by_call_id() -> None:
    """Some firmware uses the same branch for every request it ever sends."""
    core, hop = SipCore(), Hop("udp", A, B)
    for _ in range(3):
        request = message()
        core.receive_datagram(
            bytes(request.with_headers(request.headers.first("Via", "SIP/2.0/UDP h;branch=z9hG4bK1"))), hop, 0.0
        )
    assert sum(isinstance(core.next_event(), RequestReceived) for _ in range(3)) == 3
