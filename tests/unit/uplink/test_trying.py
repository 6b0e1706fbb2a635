"""How a link finds its center, time by hand."""

from __future__ import annotations

from adapters.uplink.trying import SURE_S, TCP_FIRST_S, DropTcp, LinkTry, Order, Tcp, Udp


class Hand:
    def __init__(self, addresses: int = 1, fallback: bool = True) -> None:
        self.now = 0.0
        self.link = LinkTry(addresses, 0.0, patience_s=5.0, fallback=fallback)

    def run(self, seconds: float) -> list[tuple[float, Order]]:
        end, out = self.now + seconds, [(self.now, order) for order in self.link.poll()]
        while (at := self.link.next_timer()) is not None and at <= end:
            self.now = max(at, self.now)
            self.link.handle_timer(self.now)
            out += [(self.now, order) for order in self.link.poll()]
        self.now = end
        return out


def test_udp_that_answers_is_all() -> None:
    hand = Hand()
    assert hand.run(1) == [(0.0, Udp(0))]
    hand.link.udp(True, hand.now)
    assert hand.run(600) == []


def test_silent_udp_gets_tcp_beside_it_and_is_preferred_again() -> None:
    hand = Hand()
    assert hand.run(60) == [(0.0, Udp(0)), (5.0, Tcp(0))]
    hand.link.tcp_carries()
    hand.link.udp(True, hand.now)
    assert hand.run(SURE_S - 1) == []
    hand.link.udp(False, hand.now)
    assert hand.run(60) == [], "TCP is still there"
    hand.link.udp(True, hand.now)
    (dropped,) = hand.run(SURE_S + 1)
    assert dropped[1] == DropTcp()


def test_addresses_are_tried_in_turn() -> None:
    hand = Hand(addresses=3, fallback=False)
    orders = [order for _, order in hand.run(21)]
    assert orders == [Udp(0), Udp(1), Udp(2), Udp(0), Udp(1)]
    hand.link.udp(True, hand.now)
    assert hand.run(100) == []


def test_tcp_waits_longer_each_time_and_changes_the_address() -> None:
    hand = Hand(addresses=2)
    hand.run(11)
    gaps = []
    for _ in range(6):
        hand.link.tcp_ended(hand.now)
        began = hand.now
        orders: list[tuple[float, Order]] = []
        while not any(isinstance(order, Tcp) for _, order in orders):
            orders += hand.run(1)
        gaps.append(next(at for at, order in orders if isinstance(order, Tcp)) - began)
    assert gaps[0] == TCP_FIRST_S and gaps == sorted(gaps) and gaps[-1] == 60.0


def test_a_tcp_that_ends_while_udp_carries_is_not_opened_again() -> None:
    hand = Hand()
    hand.run(6)
    hand.link.udp(True, hand.now)
    hand.link.tcp_ended(hand.now)
    assert hand.run(300) == []


def test_without_fallback_there_is_none() -> None:
    assert [order for _, order in Hand(fallback=False).run(300)] == [Udp(0)]
