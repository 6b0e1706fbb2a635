"""Dialogs between our own cores: routes, targets, sequence, forks, the 2xx and its ACK."""

from __future__ import annotations

import pytest

from gateway.base.errors import LocalProtocolError
from gateway.wire.sip import Hop, SipRequest, SipResponse, new_request, parse_datagram, respond
from gateway.wire.sip.core import SipCore
from gateway.wire.sip.dialog import Dialog, DialogState
from gateway.wire.sip.events import (
    AckMissing,
    AckReceived,
    DialogEnded,
    Event,
    RequestReceived,
    ResponseReceived,
)
from tests.unit.wire.netem import Netem, Peer

A, B = ("192.0.2.1", 5060), ("192.0.2.2", 5060)


def invite() -> SipRequest:
    return new_request("INVITE", "sip:b@192.0.2.2", from_="sip:a@192.0.2.1", headers=[("Contact", "<sip:a@192.0.2.1>")])


def call(net: Netem, a: Peer, b: Peer, *, ack: bool = True) -> None:
    """`b` answers 200 to any request; `a` acknowledges each 2xx to INVITE."""

    def answer(event: Event) -> None:
        if isinstance(event, RequestReceived):
            statuses = (180, 200) if event.request.method == "INVITE" else (200,)
            for status in statuses:
                made = respond(event.request, status, headers=[("Contact", "<sip:b@192.0.2.2:5060>")])
                b.core.respond(event.key, made, b.now)

    def acknowledge(event: Event) -> None:
        if isinstance(event, ResponseReceived) and event.response.ok and event.response.cseq.method == "INVITE" and ack:
            assert event.dialog is not None
            a.core.ack(event.dialog, event.response.cseq.number, a.now)

    b.react, a.react = answer, acknowledge
    a.core.request(invite(), a.hop(b), net.now)


def dialog_of(peer: Peer) -> Dialog:
    (found,) = [d for d in peer.core.dialogs._table.values() if d.alive]
    return found


def test_call_set_up_talked_in_and_hung_up() -> None:
    net = Netem()
    a, b = net.peer(A), net.peer(B)
    call(net, a, b)
    net.run(1)
    ours, theirs = dialog_of(a), dialog_of(b)
    assert ours.id == (theirs.id[0], theirs.id[2], theirs.id[1])
    assert (ours.state, theirs.state, ours.target) == (DialogState.CONFIRMED,) * 2 + ("sip:b@192.0.2.2:5060",)
    assert len(b.of(AckReceived)) == 1
    a.core.send_in_dialog(ours, "INFO", net.now, body=b"x", content_type="Application/MANSRTSP")
    net.run(1)
    info = b.of(RequestReceived)[-1]
    assert isinstance(info, RequestReceived) and info.dialog is theirs and str(info.request.cseq) == "2 INFO"
    b.core.send_in_dialog(theirs, "BYE", net.now)
    net.run(1)
    (ended,) = a.of(DialogEnded)
    assert isinstance(ended, DialogEnded) and ended.by == "remote" and 200 in b.statuses()
    with pytest.raises(LocalProtocolError):
        b.core.send_in_dialog(theirs, "INFO", net.now)
    net.run(120)
    assert len(a.core.dialogs) == len(b.core.dialogs) == 0 and a.core.next_timer() is None


def test_lost_ack_is_sent_again_for_each_repeated_2xx() -> None:
    acks = 0

    def drop(data: bytes) -> bool:
        nonlocal acks
        acks += data.startswith(b"ACK")
        return data.startswith(b"ACK") and acks <= 2

    net = Netem(drop=drop)
    a, b = net.peer(A), net.peer(B)
    call(net, a, b)
    net.run(10)
    assert acks == 3 and len(b.of(AckReceived)) == 1
    assert sum("200 OK" in line for line in net.log) == 3
    assert a.statuses().count(200) == 1, "the user hears of it once"


def test_2xx_never_acknowledged_is_given_up() -> None:
    net = Netem()
    a, b = net.peer(A), net.peer(B)
    call(net, a, b, ack=False)
    net.run(31)
    assert not b.of(AckMissing)
    net.run(2)
    assert len(b.of(AckMissing)) == 1
    assert sum("200 OK" in line for line in net.log) == 11, "0.5, 1, 2, then every 4 s"


@pytest.mark.parametrize("seed", range(8))
def test_calls_over_a_bad_network(seed: int) -> None:
    net = Netem(seed=seed, loss=0.25, dup=0.15, delay_s=(0.0, 0.3))
    a, b = net.peer(A), net.peer(B)
    call(net, a, b)
    net.run(70)
    ours, theirs = dialog_of(a), dialog_of(b)
    assert len(b.of(AckReceived)) == 1 and len(b.of(RequestReceived)) == 1
    a.core.send_in_dialog(ours, "BYE", net.now)
    net.run(70)
    assert not theirs.alive and len(b.of(DialogEnded)) == 1


def response(request: SipRequest, status: int, tag: str, *headers: tuple[str, str]) -> bytes:
    return bytes(respond(request, status, headers=headers, tag=tag))


def sent(core: SipCore, now: float = 0.0) -> list[SipRequest | SipResponse]:
    return [parse_datagram(data) for _, data in core.data_to_send(now)]


def test_route_set_is_the_record_route_backwards_and_loose() -> None:
    """RFC 3261 §12.1.2, §12.2.1.1, §16.12.1.1 figures: ACK and BYE take the route, the Request-URI is the Contact."""
    core, hop = SipCore(), Hop("udp", A, B)
    core.request(invite(), hop, 0.0)
    (asked,) = sent(core)
    assert isinstance(asked, SipRequest)
    route = ("Record-Route", "<sip:p2.example.com;lr>, <sip:p1.example.com;lr>")
    core.receive_datagram(response(asked, 200, "t", route, ("Contact", "<sip:b@10.9.8.7:5070>")), hop, 0.0)
    event = core.next_event()
    assert isinstance(event, ResponseReceived) and event.dialog is not None
    core.ack(event.dialog, 1, 0.0)
    core.send_in_dialog(event.dialog, "BYE", 0.0)
    for message in sent(core):
        assert isinstance(message, SipRequest)
        assert message.uri == "sip:b@10.9.8.7:5070"
        assert message.values("Route") == ["<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>"]


def test_strict_router_gets_the_request_uri() -> None:
    core, hop = SipCore(), Hop("udp", A, B)
    core.request(invite(), hop, 0.0)
    (asked,) = sent(core)
    assert isinstance(asked, SipRequest)
    route = ("Record-Route", "<sip:p2.example.com;lr>, <sip:strict.example.com>")
    core.receive_datagram(response(asked, 200, "t", route, ("Contact", "<sip:b@10.9.8.7>")), hop, 0.0)
    event = core.next_event()
    assert isinstance(event, ResponseReceived) and event.dialog is not None
    core.ack(event.dialog, 1, 0.0)
    (ack,) = sent(core)
    assert isinstance(ack, SipRequest) and ack.uri == "sip:strict.example.com"
    assert ack.values("Route") == ["<sip:p2.example.com;lr>", "<sip:b@10.9.8.7>"]


def test_forked_answers_make_dialogs_of_their_own() -> None:
    core, hop = SipCore(), Hop("udp", A, B)
    core.request(invite(), hop, 0.0)
    (asked,) = sent(core)
    assert isinstance(asked, SipRequest)
    seen = []
    for status, tag in ((180, "x"), (183, "y"), (200, "y"), (200, "x")):
        core.receive_datagram(response(asked, status, tag, ("Contact", f"<sip:{tag}@10.0.0.1>")), hop, 0.0)
        event = core.next_event()
        assert isinstance(event, ResponseReceived) and event.dialog is not None
        seen.append(event.dialog)
    assert seen[0] is seen[3] and seen[1] is seen[2] and seen[0] is not seen[1]
    assert [d.state for d in seen] == [DialogState.CONFIRMED] * 4
    assert [d.target for d in seen[2:]] == ["sip:y@10.0.0.1", "sip:x@10.0.0.1"]


def test_early_dialogs_end_with_the_final_refusal() -> None:
    core, hop = SipCore(), Hop("udp", A, B)
    core.request(invite(), hop, 0.0)
    (asked,) = sent(core)
    assert isinstance(asked, SipRequest)
    core.receive_datagram(response(asked, 183, "x", ("Contact", "<sip:x@h>")), hop, 0.0)
    early = core.next_event()
    assert isinstance(early, ResponseReceived) and early.dialog is not None and early.dialog.alive
    core.receive_datagram(response(asked, 486, "x"), hop, 0.0)
    assert not early.dialog.alive


def established() -> tuple[Netem, Peer, Peer]:
    net = Netem()
    a, b = net.peer(A), net.peer(B)
    call(net, a, b)
    net.run(1)
    return net, a, b


def test_late_request_is_refused_and_the_call_lives() -> None:
    """§12.2.2: a lower CSeq is 500 (two INFOs that overtook each other on UDP)."""
    net, a, b = established()
    ours, theirs = dialog_of(a), dialog_of(b)
    ours.local_seq = 9
    a.core.send_in_dialog(ours, "INFO", net.now)
    net.run(1)
    ours.local_seq = 3
    a.core.send_in_dialog(ours, "INFO", net.now)
    net.run(1)
    assert a.statuses()[-2:] == [200, 500] and theirs.alive and theirs.remote_seq == 10


def test_re_invite_moves_the_target() -> None:
    net, a, b = established()
    ours, theirs = dialog_of(a), dialog_of(b)
    ours.contact = "<sip:a@198.51.100.9:5099>"
    a.core.send_in_dialog(ours, "INVITE", net.now)
    net.run(1)
    assert theirs.target == "sip:a@198.51.100.9:5099" and len(b.of(AckReceived)) == 2


def test_peer_that_forgot_the_call_ends_it() -> None:
    net, a, b = established()
    ours = dialog_of(a)
    b.core.dialogs._table.clear()
    a.core.send_in_dialog(ours, "INFO", net.now)
    net.run(1)
    (ended,) = a.of(DialogEnded)
    assert isinstance(ended, DialogEnded) and ended.by == "link" and "481" in ended.detail and not ours.alive


@pytest.mark.parametrize("method", ["BYE", "INFO", "INVITE", "UPDATE"])
def test_request_for_an_unknown_dialog_is_481(method: str) -> None:
    net, a, b = established()
    ours = dialog_of(a)
    b.core.dialogs._table.clear()
    told = len(b.of(RequestReceived))
    a.core.send_in_dialog(ours, method, net.now)
    net.run(1)
    assert a.statuses()[-1] == 481 and len(b.of(RequestReceived)) == told


def test_message_with_a_to_tag_reaches_the_user_all_the_same() -> None:
    """Devices put a To tag on MESSAGE and NOTIFY without any dialog."""
    net = Netem()
    a, b = net.peer(A), net.peer(B)
    request = new_request("MESSAGE", "sip:b@192.0.2.2", from_="sip:a@h", to="<sip:b@h>;tag=old")
    a.core.request(request, a.hop(b), net.now)
    net.run(1)
    (event,) = b.of(RequestReceived)
    assert isinstance(event, RequestReceived) and event.dialog is None


def test_crossing_byes_are_both_answered_200() -> None:
    net, a, b = established()
    ours, theirs = dialog_of(a), dialog_of(b)
    a.core.send_in_dialog(ours, "BYE", net.now)
    b.core.send_in_dialog(theirs, "BYE", net.now)
    net.run(5)
    assert a.statuses()[-1] == 200 and b.statuses()[-1] == 200


def test_bye_before_the_answer_ends_the_invite_with_487() -> None:
    net = Netem()
    a, b = net.peer(A), net.peer(B)

    def ring(event: Event) -> None:
        if isinstance(event, RequestReceived):
            b.core.respond(event.key, respond(event.request, 180, headers=[("Contact", "<sip:b@h>")]), b.now)

    b.react = ring
    a.core.request(invite(), a.hop(b), net.now)
    net.run(1)
    a.core.send_in_dialog(dialog_of(a), "BYE", net.now)
    net.run(1)
    assert 487 in a.statuses() and len(b.of(DialogEnded)) == 1


def test_requests_in_a_dialog_go_where_it_was_made() -> None:
    """A NAT'd device writes its private address into Contact: the packet goes to the hop, the URI says the Contact."""
    core, hop = SipCore(), Hop("udp", A, ("203.0.113.7", 40123))
    core.request(invite(), hop, 0.0)
    (asked,) = sent(core)
    assert isinstance(asked, SipRequest)
    core.receive_datagram(response(asked, 200, "t", ("Contact", "<sip:b@192.168.1.64:5060>")), hop, 0.0)
    event = core.next_event()
    assert isinstance(event, ResponseReceived) and event.dialog is not None
    core.send_in_dialog(event.dialog, "BYE", 0.0)
    ((where, data),) = core.data_to_send(0.0)
    assert where == hop and data.startswith(b"BYE sip:b@192.168.1.64:5060 SIP/2.0\r\n")


def test_answer_without_contact_is_met_at_the_request_uri() -> None:
    core, hop = SipCore(), Hop("udp", A, B)
    core.request(invite(), hop, 0.0)
    (asked,) = sent(core)
    assert isinstance(asked, SipRequest)
    core.receive_datagram(response(asked, 200, "t"), hop, 0.0)
    event = core.next_event()
    assert isinstance(event, ResponseReceived) and event.dialog is not None
    assert event.dialog.target == "sip:b@192.0.2.2"
