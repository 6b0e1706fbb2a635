"""OpenWrt's ubus by JSON-RPC over HTTP (`POST /ubus`): what Mesh Rider and any OpenWrt radio answers. Sans-IO.

A session of `session login` (its id is worth what the password is); then `iwinfo devices`, `iwinfo info` and `iwinfo
assoclist` of each wireless interface, and batctl by `file exec` where the radio allows that. A ubus answer is
`[status]` or `[status, {…}]`: 0 well, 2 bad arguments, 3 no such method, 4 not there, 6 not allowed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.mesh.protocol.report import (
    MOST_IDS,
    MOST_LINKS,
    Heard,
    Report,
    Told,
    clean,
    from_json,
    garbled,
    ident,
    mapping,
    number,
    wifi_quality,
)
from gateway.base.errors import PeerError

NOBODY = "0" * 32
"""The session of those who have none."""
OK, NOT_THERE, DENIED = 0, 4, 6
_ACCESS_DENIED = -32002  # JSON-RPC's: the session is over, or never allowed that


class SessionOver(PeerError):
    """Sign in anew."""

    code = "mesh-denied"


@dataclass(frozen=True, slots=True)
class Call:
    object: str
    method: str
    arguments: Mapping[str, Any]


def login(user: str, password: str) -> Call:
    return Call("session", "login", {"username": user, "password": password})


def question(calls: Sequence[Call], session: str) -> bytes:
    """One body for all of them: a batch."""
    return json.dumps(
        [
            {"jsonrpc": "2.0", "id": n, "method": "call", "params": [session, c.object, c.method, dict(c.arguments)]}
            for n, c in enumerate(calls)
        ]
    ).encode()


def answers(body: bytes, count: int) -> list[tuple[int, Mapping[str, Any]]]:
    """Status and data of each call, in their order. Raises RemoteProtocolError, SessionOver."""
    told = from_json(body)
    rows = told if isinstance(told, list) else [told]
    found: dict[int, tuple[int, Mapping[str, Any]]] = {}
    for row in map(mapping, rows[: count + 1]):
        error = mapping(row.get("error"))
        if error:
            if error.get("code") == _ACCESS_DENIED:
                raise SessionOver("the radio does not know this session, or does not allow it that")
            raise garbled(f"the radio's JSON-RPC says {clean(error.get('message'))} ({error.get('code')!s:.10})")
        result, place = row.get("result"), row.get("id")
        if not isinstance(result, list) or not result or not isinstance(result[0], int) or not isinstance(place, int):
            raise garbled("no answer of ubus")
        found[place] = (result[0], mapping(result[1]) if len(result) > 1 else {})
    if sorted(found) != list(range(count)):
        raise garbled("ubus answers other calls than were made")
    return [found[n] for n in range(count)]


def session_of(body: bytes) -> tuple[str, float]:
    """The session that a login gave, and the seconds it lasts. Raises PeerError (`mesh-denied`)."""
    ((status, data),) = answers(body, 1)
    session = data.get("ubus_rpc_session")
    if status != OK or not isinstance(session, str) or not (len(session) == 32 and session.isalnum()):
        raise SessionOver(f"the radio refuses user or password (ubus {status})", status=status)
    return session, number(data.get("expires"), 1, 1e7) or 300.0


def devices_of(data: Mapping[str, Any]) -> list[str]:
    told = data.get("devices")
    return [name for name in map(clean, told[:8]) if name] if isinstance(told, list) else []


def read_radios(host: str, radios: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]], name: str) -> Report:
    """(`iwinfo info`, `iwinfo assoclist`) of each interface, as one node and those that it hears."""
    # The BSSID of an access point or mesh point is its own MAC; that of an ad-hoc cell is everybody's.
    own = [ident(info.get("bssid")) for info, _ in radios if info.get("mode") in ("Master", "Mesh Point")]
    ids = tuple(dict.fromkeys(filter(None, [*own[: MOST_IDS - 1], name])))
    me = ids[0]
    nodes, links = [Told(ids, host or name, read=True)], list[Heard]()
    for info, stations in radios:
        noise = number(info.get("noise"), -130, -30)
        rows = stations.get("results")
        for row in map(mapping, rows[:MOST_LINKS] if isinstance(rows, list) else []):
            other = ident(row.get("mac"))
            if not other or len(links) >= MOST_LINKS:
                continue
            rssi = number(row.get("signal"), -130, 0)
            floor = number(row.get("noise"), -130, -30) or noise
            snr = rssi - floor if rssi is not None and floor is not None else None
            idle = number(row.get("inactive"), 0, 1e9)
            kbit = number(mapping(row.get("tx")).get("rate"), 0, 1e9)
            heard = None if idle is None else idle / 1000
            nodes.append(Told((other,), heard_s=heard))
            links.append(
                Heard(
                    me,
                    other,
                    snr_db=snr,
                    rssi_dbm=rssi,
                    rate_bps=None if kbit is None else kbit * 1000,
                    quality=wifi_quality(snr, rssi),
                    heard_s=heard,
                )
            )
    return Report(tuple(nodes), tuple(links))
