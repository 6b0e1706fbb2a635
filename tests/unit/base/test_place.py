"""Addresses spelled in one way, and what one guesser has."""

from __future__ import annotations

import pytest

from gateway.base.place import network_of, place_of, plain


@pytest.mark.parametrize(
    ("host", "spelled", "place", "network"),
    [
        ("10.0.0.9", "10.0.0.9", "10.0.0.9", "10.0.0.0/24"),
        ("::ffff:10.0.0.9", "10.0.0.9", "10.0.0.9", "10.0.0.0/24"),
        ("[FE80::1%eth0]", "fe80::1", "fe80::/64", "fe80::/48"),
        ("2001:db8:0:1::7", "2001:db8:0:1::7", "2001:db8:0:1::/64", "2001:db8::/48"),
        ("2001:db8:0:1:ffff::9", "2001:db8:0:1:ffff::9", "2001:db8:0:1::/64", "2001:db8::/48"),
        ("unix", "unix", "unix", "unix"),
        ("nonsense:", "nonsense:", "nonsense:", "nonsense:"),
        ("", "", "unknown", "unknown"),
    ],
)
def test_spelling_place_and_network(host: str, spelled: str, place: str, network: str) -> None:
    assert (plain(host), place_of(host), network_of(host)) == (spelled, place, network)
    assert network_of(place_of(host)) == network, "of a place as of its addresses"
