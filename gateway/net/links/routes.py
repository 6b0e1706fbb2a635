"""Routes for links: a table each from 101 up, and rules that lead into it, all of them of protocol 186.

    10000  all              → main, but not its default     what is near goes as ever
    102xx  from its address → its table
    10300  all              → table 100: the link that is best now

A table in which others have routes is theirs (`foreign`): the next free one is taken, in place of 100 too. What has not
our protocol number is never touched, so nothing of NetworkManager's, a technician's or another program's; taken away,
the machine goes as before. A family by which a link does not lead out has no route by it: what the kernel refuses at
once is better than what nobody answers. IPv4 and IPv6 alike. Blocking: called in a thread.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.net.rtnetlink import OUR_PROTOCOL, OUR_TABLES

PROTOCOL = OUR_PROTOCOL
BEST, FIRST, MOST = OUR_TABLES.start, OUR_TABLES.start + 1, len(OUR_TABLES) - 1
SOURCES = 8
"""Addresses of one link and family that have a rule: of IPv6 there may be several that come and go."""
NEAR, FROM, ALL = 10_000, 10_200, 10_300


@dataclass(frozen=True, slots=True)
class LinkRoute:
    """One link's way out: interface by its number; addresses of the families by which it leads out."""

    table: int
    index: int
    sources4: tuple[str, ...] = ()
    sources6: tuple[str, ...] = ()
    gateway4: str = ""
    gateway6: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    family: int
    priority: int
    table: int
    source: str = ""
    near: bool = False


@dataclass(frozen=True, slots=True)
class Default:
    family: int
    table: int
    index: int
    gateway: str = ""


def wanted(
    links: Sequence[LinkRoute], best: LinkRoute | None, best_table: int = BEST
) -> tuple[set[Rule], set[Default]]:
    """What is to stand. Pure."""
    rules: set[Rule] = set()
    defaults: set[Default] = set()
    for link in links[:MOST]:
        for family, sources, gateway in _families(link):
            place = link.table - BEST
            rules |= {Rule(family, FROM + place, link.table, source=source) for source in sources[:SOURCES]}
            defaults.add(Default(family, link.table, link.index, gateway))
    if best is not None:
        for family, _, gateway in _families(best):
            rules.add(Rule(family, ALL, best_table))
            defaults.add(Default(family, best_table, best.index, gateway))
    for family in {rule.family for rule in rules}:
        rules.add(Rule(family, NEAR, 254, near=True))
    return rules, defaults


def _families(link: LinkRoute) -> list[tuple[int, tuple[str, ...], str]]:
    both = ((socket.AF_INET, link.sources4, link.gateway4), (socket.AF_INET6, link.sources6, link.gateway6))
    return [(int(family), sources, gateway) for family, sources, gateway in both if sources]


def apply(links: Sequence[LinkRoute], best: LinkRoute | None, best_table: int = BEST) -> int:
    """Make it so; how many changes that took. What the kernel refuses of one link is no harm to the others: the rest is
    done, then OSError raised for the first (EPERM: CAP_NET_ADMIN is missing)."""
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    rules, defaults = wanted(links, best, best_table)
    changes = 0
    refused: list[NetlinkError] = []

    def order(work: Callable[[], object], *, fine: int = 0) -> bool:
        nonlocal changes
        try:
            work()
        except NetlinkError as exc:
            if exc.code != fine:
                refused.append(exc)
                return False
        changes += 1
        return True

    try:
        with IPRoute() as kernel:
            there, ways = _rules(kernel), _defaults(kernel)
            # New ways before the rules that lead to them; old rules go before their ways.
            lacks = {
                (one.family, one.table)
                for one in defaults - ways
                if not order(lambda one=one: kernel.route("replace", **_route_words(one)))  # type: ignore[misc]
            }
            rules = {rule for rule in rules if (rule.family, rule.table) not in lacks}
            for rule in rules - there:
                order(lambda rule=rule: kernel.rule("add", **_rule_words(rule)), fine=errno.EEXIST)  # type: ignore[misc]
            for rule in there - rules:
                order(lambda rule=rule: kernel.rule("del", **_rule_words(rule)), fine=errno.ENOENT)  # type: ignore[misc]
            replaced = {(one.family, one.table) for one in defaults} - lacks
            for one in ways - defaults:
                if (one.family, one.table) not in replaced:
                    order(lambda one=one: kernel.route("del", **_route_words(one)), fine=errno.ESRCH)  # type: ignore[misc]
    except NetlinkError as exc:
        raise OSError(exc.code, str(exc)) from exc
    if refused:
        raise OSError(refused[0].code, str(refused[0]))
    return changes


def foreign() -> set[int]:
    """Those of our tables in which others have routes: they are theirs. Raises OSError."""
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    found: set[int] = set()
    try:
        with IPRoute() as kernel:
            for family in (socket.AF_INET, socket.AF_INET6):
                for one in kernel.get_routes(family=family):
                    table = one.get_attr("RTA_TABLE") or one["table"]
                    if table in OUR_TABLES and not (one["proto"] == PROTOCOL and one["dst_len"] == 0):
                        found.add(table)
    except NetlinkError as exc:
        raise OSError(exc.code, str(exc)) from exc
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
                    one.get_attr("FRA_SUPPRESS_PREFIXLEN") == 0,
                )
            )
    return found


def _defaults(kernel: Any) -> set[Default]:
    found: set[Default] = set()
    for family in (socket.AF_INET, socket.AF_INET6):
        for one in kernel.get_routes(family=family):
            table = one.get_attr("RTA_TABLE") or one["table"]
            if one["proto"] == PROTOCOL and one["dst_len"] == 0 and table in OUR_TABLES:
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
