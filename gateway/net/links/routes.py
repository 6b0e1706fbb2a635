"""Routes for links: a table each from 101 up, and rules that lead into it, all of them of protocol 186.

    10000  all            → main, but not its default     what is near goes as ever
    101xx  fwmark of link → its table
    102xx  from its address → its table
    10300  all            → table 100: the link that is best now

What has not our protocol number is never touched, so nothing of NetworkManager's, a technician's or another program's;
taken away, the machine goes as before. IPv4 and IPv6 alike. Blocking: called in a thread.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.net.rtnetlink import OUR_PROTOCOL, OUR_TABLES

PROTOCOL = OUR_PROTOCOL
BEST, FIRST, MOST = OUR_TABLES.start, OUR_TABLES.start + 1, len(OUR_TABLES) - 1
MARK = 0x46470000
"""The upper half of our marks; the lower is the table."""
NEAR, MARKED, FROM, ALL = 10_000, 10_100, 10_200, 10_300


@dataclass(frozen=True, slots=True)
class LinkRoute:
    """One link's way out: interface by its number; a source of "" means that it has no address of that family."""

    table: int
    index: int
    source4: str = ""
    source6: str = ""
    gateway4: str = ""
    gateway6: str = ""

    @property
    def mark(self) -> int:
        return MARK | self.table


@dataclass(frozen=True, slots=True)
class Rule:
    family: int
    priority: int
    table: int
    source: str = ""
    mark: int = 0
    near: bool = False


@dataclass(frozen=True, slots=True)
class Default:
    family: int
    table: int
    index: int
    gateway: str = ""


def wanted(links: Sequence[LinkRoute], best: LinkRoute | None) -> tuple[set[Rule], set[Default]]:
    """What is to stand. Pure."""
    rules: set[Rule] = set()
    defaults: set[Default] = set()
    for link in links[:MOST]:
        for family, source, gateway in _families(link):
            place = link.table - FIRST
            rules.add(Rule(family, MARKED + place, link.table, mark=link.mark))
            rules.add(Rule(family, FROM + place, link.table, source=source))
            defaults.add(Default(family, link.table, link.index, gateway))
    if best is not None:
        for family, _, gateway in _families(best):
            rules.add(Rule(family, ALL, BEST))
            defaults.add(Default(family, BEST, best.index, gateway))
    for family in {rule.family for rule in rules}:
        rules.add(Rule(family, NEAR, 254, near=True))
    return rules, defaults


def _families(link: LinkRoute) -> list[tuple[int, str, str]]:
    both = ((socket.AF_INET, link.source4, link.gateway4), (socket.AF_INET6, link.source6, link.gateway6))
    return [(int(family), source, gateway) for family, source, gateway in both if source]


def apply(links: Sequence[LinkRoute], best: LinkRoute | None) -> int:
    """Make it so; how many changes that took. Raises OSError (EPERM: CAP_NET_ADMIN is missing)."""
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    rules, defaults = wanted(links, best)
    changes = 0
    try:
        with IPRoute() as kernel:
            there, ways = _rules(kernel), _defaults(kernel)
            # New ways before the rules that lead to them; old rules go before their ways.
            for one in defaults - ways:
                kernel.route("replace", **_route_words(one))
                changes += 1
            for rule in rules - there:
                _quiet(errno.EEXIST, lambda rule=rule: kernel.rule("add", **_rule_words(rule)))
                changes += 1
            for rule in there - rules:
                _quiet(errno.ENOENT, lambda rule=rule: kernel.rule("del", **_rule_words(rule)))
                changes += 1
            replaced = {(one.family, one.table) for one in defaults}
            for one in ways - defaults:
                if (one.family, one.table) not in replaced:
                    _quiet(errno.ESRCH, lambda one=one: kernel.route("del", **_route_words(one)))
                    changes += 1
    except NetlinkError as exc:
        raise OSError(exc.code, str(exc)) from exc
    return changes


def foreign() -> set[int]:
    """Those of our tables in which others have routes: they are theirs. Raises OSError."""
    from pyroute2 import IPRoute

    found: set[int] = set()
    with IPRoute() as kernel:
        for one in kernel.get_routes():
            table = one.get_attr("RTA_TABLE") or one["table"]
            if BEST <= table < FIRST + MOST and one["proto"] != PROTOCOL:
                found.add(table)
    return found


def standing() -> tuple[set[Rule], set[Default]]:
    """What of ours stands in the kernel. Raises OSError."""
    from pyroute2 import IPRoute

    with IPRoute() as kernel:
        return _rules(kernel), _defaults(kernel)


def _rules(kernel: Any) -> set[Rule]:
    found: set[Rule] = set()
    for family in (socket.AF_INET, socket.AF_INET6):
        for one in kernel.get_rules(family=family):
            ours = NEAR <= (one.get_attr("FRA_PRIORITY") or 0) <= ALL
            if one.get_attr("FRA_PROTOCOL") != PROTOCOL or not ours:
                continue
            found.add(
                Rule(
                    int(family),
                    one.get_attr("FRA_PRIORITY") or 0,
                    one.get_attr("FRA_TABLE") or one["table"],
                    one.get_attr("FRA_SRC") or "",
                    one.get_attr("FRA_FWMARK") or 0,
                    one.get_attr("FRA_SUPPRESS_PREFIXLEN") == 0,
                )
            )
    return found


def _defaults(kernel: Any) -> set[Default]:
    found: set[Default] = set()
    for family in (socket.AF_INET, socket.AF_INET6):
        for one in kernel.get_routes(family=family):
            table = one.get_attr("RTA_TABLE") or one["table"]
            if one["proto"] == PROTOCOL and one["dst_len"] == 0 and BEST <= table < FIRST + MOST:
                found.add(Default(int(family), table, one.get_attr("RTA_OIF") or 0, one.get_attr("RTA_GATEWAY") or ""))
    return found


def _rule_words(rule: Rule) -> dict[str, Any]:
    words: dict[str, Any] = {
        "family": rule.family,
        "priority": rule.priority,
        "table": rule.table,
        "protocol": PROTOCOL,
        "action": "to_tbl",
    }
    if rule.source:
        words |= {"src": rule.source, "src_len": 32 if rule.family == socket.AF_INET else 128}
    if rule.mark:
        words |= {"fwmark": rule.mark}
    if rule.near:
        words |= {"FRA_SUPPRESS_PREFIXLEN": 0}
    return words


def _route_words(one: Default) -> dict[str, Any]:
    words: dict[str, Any] = {
        "family": one.family,
        "dst": "default",
        "table": one.table,
        "oif": one.index,
        "proto": PROTOCOL,
    }
    if one.gateway:
        words |= {"gateway": one.gateway, "flags": 4}  # onlink: its network may be in another table
    elif one.family == socket.AF_INET:
        words |= {"scope": "link"}
    return words


def _quiet(code: int, work: Any) -> None:
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        work()
    except NetlinkError as exc:
        if exc.code != code:
            raise
