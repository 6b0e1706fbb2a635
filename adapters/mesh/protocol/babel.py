"""babeld's local protocol (1.8 and newer, `-G` or `-g`): lines of `add`, `change` and `flush` that keep a table true.

    BABEL 1.0 / version … / host … / my-id 02:… / ok
    add interface wlan0 up true ipv6 fe80::1 ipv4 10.0.0.1
    add neighbour 55d5 address fe80::2 if wlan0 reach ffff ureach 0000 rxcost 96 txcost 96 rtt 0.512 rttcost 0 cost 96
    add route 55d6 prefix 10.0.0.2/32 from 0.0.0.0/0 installed yes id 04:… metric 96 refmetric 0 via fe80::2 if wlan0

A neighbour is known by its address on the link, which holds on that link alone; its router id stands in routes that it
made itself (`refmetric 0`).
Of an interface that goes down babeld says just that: its neighbours are gone with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from adapters.mesh.protocol.report import (
    MOST_LINKS,
    MOST_NODES,
    Heard,
    Report,
    Told,
    clean,
    garbled,
    ident,
    number,
)

MOST_LINE, MOST_ROUTES = 1024, 16_384
INFINITY = 65_535.0
BEST_COST = 96.0
"""What babeld gives a link on which nothing is lost; twice of it: every second packet (ETX)."""


class Babel:
    """Feed it what the socket gives; `report` is the table as it stands. `changed` since it was asked last."""

    def __init__(self) -> None:
        self.id = ""
        self.host = ""
        self.ready = False
        self._rest = b""
        self._answers = 0
        self._interfaces: dict[str, tuple[bool, tuple[str, ...]]] = {}
        self._neighbours: dict[str, Mapping[str, str]] = {}
        self._routes: dict[str, tuple[str, tuple[str, str], bool, bool]] = {}  # router id, via (if), its own, installed
        self._changed = False

    def receive(self, data: bytes) -> None:
        """Raises RemoteProtocolError (`mesh-garbled`, `mesh-refused`)."""
        self._rest += data
        *lines, self._rest = self._rest.split(b"\n")
        if len(self._rest) > MOST_LINE:
            raise garbled("a line of babeld's without an end")
        for line in lines:
            if len(line) > MOST_LINE:
                raise garbled(f"a line of {len(line)} bytes")
            self._line(line.decode("utf-8", "replace").split())

    def changed(self) -> bool:
        """Whether anything is other than at the last time."""
        was, self._changed = self._changed, False
        return was

    def _line(self, words: list[str]) -> None:
        match words:
            case ["BABEL", version]:
                if not version.startswith("1."):
                    raise garbled(f"version {version[:16]} of babeld's protocol")
            case ["my-id", router]:
                self.id = ident(router)
            case ["host", name]:
                self.host = clean(name)
            case ["ok"]:
                # The first ends the greeting, the second the table.
                self._answers += 1
                if self._answers == 2:
                    if not self.id:
                        raise garbled("babeld does not say who it is")
                    self.ready = self._changed = True
            case ["no" | "bad", *rest]:
                raise garbled(f"babeld refuses: {' '.join(rest)[:100]}")
            case ["add" | "change" | "flush" as act, kind, key, *rest]:
                if self._answers == 0:
                    raise garbled("babeld tells before it greets")
                self._entry(act, kind, key[:MOST_LINE], _pairs(rest))
            case ["version", _] | []:
                pass
            case _ if self._answers == 0:
                raise garbled("not babeld's local socket")

    def _entry(self, act: str, kind: str, key: str, words: Mapping[str, str]) -> None:
        match kind:
            case "interface":
                self._interface(act, key, words)
            case "neighbour":
                if act == "flush":
                    self._changed |= self._neighbours.pop(key, None) is not None
                elif key in self._neighbours or len(self._neighbours) < MOST_LINKS:
                    # `reach` moves with every hello; it is no news by itself.
                    self._changed |= _without(self._neighbours.get(key)) != _without(words)
                    self._neighbours[key] = words
            case "route":
                if act == "flush":
                    self._changed |= self._routes.pop(key, None) is not None
                elif key in self._routes or len(self._routes) < MOST_ROUTES:
                    own = words.get("refmetric") == "0"
                    via = (ident(words.get("via")), clean(words.get("if")))
                    row = (ident(words.get("id")), via, own, words.get("installed") == "yes")
                    self._changed |= self._routes.get(key) != row
                    self._routes[key] = row

    def _interface(self, act: str, key: str, words: Mapping[str, str]) -> None:
        up = act != "flush" and words.get("up") == "true"
        addresses = tuple(ident(words[name]) for name in ("ipv6", "ipv4") if name in words)
        if act == "flush":
            self._interfaces.pop(key, None)
        elif key in self._interfaces or len(self._interfaces) < MOST_NODES:
            known = self._interfaces.get(key, (False, ()))[1]
            self._interfaces[key] = (up, addresses or known)
        self._changed = True
        if not up:
            self._neighbours = {k: n for k, n in self._neighbours.items() if n.get("if") != key}

    def report(self) -> Report:
        me = self.id or self.host
        mine = [address for _, addresses in self._interfaces.values() for address in addresses if ":" in address]
        nodes = [Told((me, *mine[:15]), self.host, read=True)]
        ids: dict[tuple[str, str], str] = {}
        for router, via, own, _ in self._routes.values():
            if own and router and via[0]:
                ids.setdefault(via, router)
        near = Counter(ident(neighbour.get("address")) for neighbour in self._neighbours.values())
        links, seen = [], {me}
        for neighbour in self._neighbours.values():
            address = ident(neighbour.get("address"))
            cost = number(neighbour.get("cost"), 0)
            if not address or cost is None or cost >= INFINITY:
                continue  # a neighbour that is not heard, or hears us not, is none
            router = ids.get((address, clean(neighbour.get("if"))), "")
            if near[address] > 1 or address in mine:
                # Two radios at two of our links have one address (fe80::1), or we have it: it says nothing of who.
                address = "" if router else f"{address}%{clean(neighbour.get('if'))}"
            nodes.append(Told(tuple(filter(None, (router, address)))))
            seen.add(router)
            quality = round(min(1.0, BEST_COST / cost), 3) if cost else 1.0
            rtt = number(neighbour.get("rtt"), 0, 1e6)
            links.append(Heard(me, router or address, rtt_ms=rtt, cost=cost, quality=quality, heard_s=0.0))
        for router, _, _, installed in self._routes.values():
            if installed and router and router not in seen and len(seen) < MOST_NODES:
                seen.add(router)
                nodes.append(Told((router,)))
        return Report(tuple(nodes), tuple(links))


def _pairs(words: list[str]) -> Mapping[str, str]:
    return dict(zip(words[::2], words[1::2], strict=False))


def _without(words: Mapping[str, str] | None) -> Mapping[str, str] | None:
    return None if words is None else {key: value for key, value in words.items() if key not in ("reach", "ureach")}
