"""Meshtastic's JSON over MQTT (`msh/REGION/2/json/CHANNEL/!id`): what radios tell through a gateway radio. Sans-IO.

Every message names `from` (a node number), `sender` (the gateway radio's id, `!` and eight hex digits) and, where the
gateway heard it on the air itself, `rssi` and `snr`. An edge is what a node told: the gateway of whom it heard directly
(`hops_away` 0), any node by its `neighborinfo`. A position has passed through the mesh: its time is the sender's clock.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.mesh.protocol.report import (
    MOST_NODES,
    MOST_TEXT,
    Heard,
    Report,
    Told,
    clean,
    from_json,
    garbled,
    mapping,
    number,
    place,
    scaled,
)
from gateway.model.mesh import MeshReading, MeshText

EVERYBODY = 0xFFFFFFFF
MOST_TEXTS, MOST_SEEN, MOST_NEAR = 50, 512, 16
MOST_MESSAGE = 16 * 1024
PROVED_S = 60.0
NODE_S, EDGE_S = 2 * 3600.0, 3600.0
"""Nodes tell of themselves every quarter of an hour to three hours; edges that nobody tells any more go sooner."""

_TELEMETRY = {
    "voltage": ("voltage", "V"),
    "channel_utilization": ("channel-use", "%"),
    "air_util_tx": ("air-time", "%"),
    "temperature": ("temperature", "°C"),
    "relative_humidity": ("humidity", "%"),
    "barometric_pressure": ("pressure", "hPa"),
    "wind_speed": ("wind", "m/s"),
    "uptime_seconds": ("uptime", "s"),
}


@dataclass(frozen=True, slots=True)
class Placed:
    """A node said where it is. `taken_at`: unix seconds by its clock, None where it has none."""

    node: str
    name: str
    longitude: float
    latitude: float
    altitude_m: float | None
    accuracy_m: float | None
    speed_kmh: float | None
    direction_deg: float | None
    taken_at: float | None


@dataclass(slots=True)
class _Node:
    seen: float
    first: float
    name: str = ""
    speaks: bool = False
    longitude: float | None = None
    latitude: float | None = None
    altitude_m: float | None = None
    battery: float | None = None
    readings: dict[str, MeshReading] = field(default_factory=dict)


@dataclass(slots=True)
class Meshtastic:
    """`now` is monotonic, `wall` unix seconds. More nodes than there is room for: of those that were heard for less
    than a minute the one silent longest goes. Thousands who are made up put out each other, and nobody from before."""

    texts: deque[MeshText] = field(default_factory=lambda: deque(maxlen=MOST_TEXTS))
    _nodes: OrderedDict[str, _Node] = field(default_factory=OrderedDict)
    _edges: OrderedDict[tuple[str, str], tuple[Heard, float]] = field(default_factory=OrderedDict)
    _seen: OrderedDict[tuple[str, int], None] = field(default_factory=OrderedDict)

    def receive(self, payload: bytes, now: float, wall: float, channel: str = "") -> Placed | None:
        """One message. Raises RemoteProtocolError (`mesh-garbled`); of kinds that we do not know, the air is taken."""
        if len(payload) > MOST_MESSAGE:
            raise garbled(f"a message of {len(payload)} bytes")
        told = mapping(from_json(payload))
        sender = _id(told.get("from"))
        if not sender:
            raise garbled("a message that does not say from whom it is")
        node = self._node(sender, now)
        self._air(told, sender, now)
        # The same message comes by every gateway radio that heard it: what it says counts once.
        packet = told.get("id")
        if isinstance(packet, int) and packet:
            if (sender, packet) in self._seen:
                return None
            self._seen[sender, packet] = None
            if len(self._seen) > MOST_SEEN:
                self._seen.popitem(last=False)
        payload_ = mapping(told.get("payload"))
        match told.get("type"):
            case "nodeinfo":
                node.name = clean(payload_.get("longname")) or clean(payload_.get("shortname")) or node.name
            case "position":
                return self._position(sender, node, payload_)
            case "telemetry":
                self._telemetry(node, payload_)
            case "neighborinfo":
                self._neighbours(sender, node, payload_, now)
            case "text":
                self._text(told, sender, wall, channel)
        return None

    def _node(self, id_: str, now: float) -> _Node:
        node = self._nodes.get(id_)
        if node is None:
            if len(self._nodes) >= MOST_NODES:
                loose = (one for one in self._nodes if not self._proved(one))
                del self._nodes[next(loose, next(iter(self._nodes)))]
            node = self._nodes[id_] = _Node(now, now)
        node.seen = now
        self._nodes.move_to_end(id_)
        return node

    def _air(self, told: Mapping[str, Any], sender: str, now: float) -> None:
        gateway = _id(told.get("sender"))
        if not gateway:
            return
        self._node(gateway, now).speaks = True
        snr, rssi = number(told.get("snr"), -40, 40), number(told.get("rssi"), -160, 20)
        # Packets that were relayed carry the signal of whoever relayed them last; older firmware does not say so.
        if gateway == sender or told.get("hops_away") != 0 or not rssi:
            return
        self._edge(Heard(gateway, sender, snr_db=snr, rssi_dbm=rssi, quality=lora_quality(snr)), now)

    def _edge(self, heard: Heard, now: float) -> None:
        self._edges[heard.a, heard.b] = (heard, now)
        self._edges.move_to_end((heard.a, heard.b))
        if len(self._edges) > 2 * MOST_NODES:
            loose = (ends for ends in self._edges if not all(map(self._proved, ends)))
            del self._edges[next(loose, next(iter(self._edges)))]

    def _proved(self, id_: str) -> bool:
        node = self._nodes.get(id_)
        return node is not None and node.seen - node.first >= PROVED_S

    def _position(self, sender: str, node: _Node, told: Mapping[str, Any]) -> Placed | None:
        where = place(_degrees(told, "longitude"), _degrees(told, "latitude"))
        if where is None:
            return None
        node.longitude, node.latitude = where
        node.altitude_m = number(told.get("altitude"), -1000, 100_000)
        bits = number(told.get("precision_bits"), 1, 32)
        return Placed(
            sender,
            node.name or sender,
            *where,
            node.altitude_m,
            # So many bits of the latitude are true: what the rest may be wrong by.
            None if bits is None else max(3.0, 360 / 2**bits * 111_320 / 2 if bits < 32 else 3.0),
            number(told.get("ground_speed"), 0, 400),
            (lambda track: None if track is None else track / 1e5)(number(told.get("ground_track"), 0, 36_000_000)),
            number(told.get("time"), 1e9, 1e10),
        )

    def _telemetry(self, node: _Node, told: Mapping[str, Any]) -> None:
        battery = number(told.get("battery_level"), 0, 101)
        if battery is not None:
            node.battery = min(battery, 100.0)  # 101: it is on a supply
        for key, (word, unit) in _TELEMETRY.items():
            value = number(told.get(key), -1e9, 1e9)
            if value is not None:
                node.readings[word] = MeshReading(word, round(value, 2), unit)

    def _neighbours(self, sender: str, node: _Node, told: Mapping[str, Any], now: float) -> None:
        node.speaks = True
        rows = told.get("neighbors")
        for row in map(mapping, rows[:MOST_NEAR] if isinstance(rows, list) else []):
            other, snr = _id(row.get("node_id")), number(row.get("snr"), -40, 40)
            if other and other != sender:
                self._edge(Heard(sender, other, snr_db=snr, quality=lora_quality(snr)), now)

    def _text(self, told: Mapping[str, Any], sender: str, wall: float, channel: str) -> None:
        payload = told.get("payload")
        text = clean(mapping(payload).get("text") if isinstance(payload, dict) else payload, MOST_TEXT)
        if text:
            to = told.get("to")
            self.texts.append(MeshText(wall, sender, "" if to == EVERYBODY else _id(to), text, clean(channel)))

    def report(self, now: float) -> Report:
        for id_ in [id_ for id_, node in self._nodes.items() if now - node.seen > NODE_S]:
            del self._nodes[id_]
        for ends in [ends for ends, (_, at) in self._edges.items() if now - at > EDGE_S]:
            del self._edges[ends]
        nodes = [
            Told(
                (id_,),
                node.name,
                node.speaks,
                longitude=node.longitude,
                latitude=node.latitude,
                altitude_m=node.altitude_m,
                battery_percent=node.battery,
                heard_s=round(now - node.seen, 1),
                readings=tuple(node.readings.values()),
            )
            for id_, node in self._nodes.items()
        ]
        known = set(self._nodes)
        named = dict.fromkeys(end for ends in self._edges for end in ends if end not in known)
        nodes += [Told((end,)) for end in list(named)[:MOST_NODES]]
        return Report(
            tuple(nodes),
            tuple(
                Heard(h.a, h.b, h.snr_db, h.rssi_dbm, quality=h.quality, heard_s=round(now - at, 1))
                for h, at in self._edges.values()
            ),
        )


def lora_quality(snr_db: float | None) -> float | None:
    """LoRa is heard down to 20 dB under the noise."""
    return scaled(snr_db, -20, 8)


def channel_of(topic: str) -> str:
    """The channel's name in a topic; "" where it has none."""
    parts = topic.split("/")
    return parts[-2] if len(parts) >= 3 and parts[-1].startswith("!") else ""


def _id(value: object) -> str:
    """`!0a1b2c3d` of a node number or of itself; "" for what is neither."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < EVERYBODY:
        return f"!{value:08x}"
    if isinstance(value, str) and len(value) == 9 and value[0] == "!":
        digits = value[1:].lower()
        return f"!{digits}" if all(c in "0123456789abcdef" for c in digits) else ""
    return ""


def _degrees(told: Mapping[str, Any], key: str) -> float | None:
    whole = number(told.get(f"{key}_i"), -1.8e9, 1.8e9)
    return whole / 1e7 if whole is not None else number(told.get(key))
