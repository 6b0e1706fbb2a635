"""Who is on the kit's own network: the page without sign-in is for them alone.

The networks of mobile operators use private addresses too, and so does the other end of a cable to elsewhere. So it
counts not only whose address asks, but also by which of ours: what comes in by a link (a modem, a satellite station, a
cable or Wi-Fi with a default route, whatever is named a link) is not near.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Sequence

OWN = tuple(ipaddress.ip_network(one) for one in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"))
"""RFC 1918 and RFC 4193. `is_private` of the library holds more than that; 100.64.0.0/10 is an operator's."""
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_near(client: str, here: str, *, outward: Collection[str] = (), networks: Sequence[str] = ()) -> bool:
    """`client` asks, `here` is our address that it came to, `outward` are those of our links to elsewhere, and
    the links' interfaces (a link-local address says by which it came); `networks`: where there are any,
    only they are near."""
    asks, ours = _address(client), _address(here)
    if asks is None:
        return False
    if networks:
        return any(asks in network for one in networks if (network := _network(one)).version == asks.version)
    if asks == ours:
        return True  # this machine itself, by whichever of its addresses
    if client.partition("%")[2] in outward:
        return False
    if ours is not None and ours in {_address(one) for one in outward}:
        return False
    own = any(asks in network for network in OWN if network.version == asks.version)
    return asks.is_loopback or asks.is_link_local or own


def nobody_near(own: Collection[str], outward: Collection[str]) -> Sequence[str]:
    """Our private addresses, where each of them leads out: then nobody but this machine sees the page."""
    ours = {one: found for one in own if (found := _address(one)) is not None}
    private = {
        one: found for one, found in ours.items() if any(found in net for net in OWN if net.version == found.version)
    }
    out = {_address(one) for one in outward}
    return [] if any(found not in out for found in private.values()) else sorted(private)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(text)  # checked where it was read


def _address(text: str) -> Address | None:
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found
