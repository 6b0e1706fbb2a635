"""batman-adv as `batctl meshif bat0 neighbors_json`, `originators_json` and `hardifs_json` print it (2021 and newer).

    [{"hard_ifindex":3,"hard_ifname":"mesh0","last_seen_msecs":80,"neigh_address":"02:…","throughput":54000}]
    [{"hard_ifindex":3,"hard_ifname":"mesh0","orig_address":"02:…","best":true,"last_seen_msecs":80,"neigh_address":"02:…","tq":251}]
    [{"hard_ifindex":3,"hard_ifname":"mesh0","hard_address":"02:…","active":true}]

Neighbours are the links of this very node; originators are everybody in the mesh, with the quality of each way there:
`tq` (0 … 255, B.A.T.M.A.N. IV) or `throughput` (kbit/s, V). The node's own addresses stand at its hard interfaces only.
"""

from __future__ import annotations

from typing import Any

from adapters.mesh.protocol.report import (
    MOST_IDS,
    MOST_LINKS,
    MOST_NODES,
    Heard,
    Report,
    Told,
    from_json,
    garbled,
    ident,
    number,
    scaled,
)

GOOD_BPS = 20e6


def read_batman(neighbours: bytes | str, originators: bytes | str, name: str, interfaces: bytes | str = "") -> Report:
    """`name` is the node's own where no interface says its MAC. Raises RemoteProtocolError (`mesh-garbled`)."""
    near, far = _rows(neighbours), _rows(originators)
    # Of a way by somebody else the quality is not this link's.
    direct = (row for row in far if row.get("orig_address") == row.get("neigh_address"))
    tq = {ident(row.get("orig_address")): _tq(row) for row in direct}
    own = [one for row in _rows(interfaces) if (one := ident(row.get("hard_address")))]
    ids = tuple(dict.fromkeys([*own[: MOST_IDS - 1], name]))
    me = ids[0]
    nodes, links, seen = [Told(ids, name, read=True)], [], set(ids)
    for row in near[:MOST_LINKS]:
        other = ident(row.get("neigh_address"))
        if not other or other in ids:
            continue
        heard = number(row.get("last_seen_msecs"), 0, 1e9)
        kbit = number(row.get("throughput"), 0, 1e9)
        rate = None if kbit is None else kbit * 1000
        quality = scaled(rate, 0, GOOD_BPS) if rate is not None else tq.get(other)
        seen.add(other)
        nodes.append(Told((other,), heard_s=None if heard is None else heard / 1000))
        links.append(Heard(me, other, rate_bps=rate, quality=quality, heard_s=None if heard is None else heard / 1000))
    for row in far:
        other = ident(row.get("orig_address"))
        if other and other not in seen and len(seen) < MOST_NODES:
            seen.add(other)
            heard = number(row.get("last_seen_msecs"), 0, 1e9)
            nodes.append(Told((other,), heard_s=None if heard is None else heard / 1000))
    return Report(tuple(nodes), tuple(links))


def _tq(row: dict[str, Any]) -> float | None:
    return scaled(number(row.get("tq"), 0, 255), 0, 255)


def _rows(data: bytes | str) -> list[dict[str, Any]]:
    if not data.strip():
        return []  # a mesh of one
    told = from_json(data)
    if not isinstance(told, list) or not all(isinstance(row, dict) for row in told):
        raise garbled("batctl's JSON is no list of rows")
    return list(told)[: 4 * MOST_LINKS]
