"""Radios with an SNMP table of their neighbours: each column is walked, rows are those of one index."""

from __future__ import annotations

from typing import Any

from adapters.mesh.config import SnmpSource, read_oid
from adapters.mesh.protocol.fields import Field, Map, read_fields
from adapters.mesh.sources.source import Show, each
from gateway.net.snmp import SnmpClient, agent_of, client_of
from gateway.wire.snmp import Bound, Kind, Oid, oid_text


class SnmpReader:
    def __init__(self, config: SnmpSource, name: str) -> None:
        self._config = config
        self._own = {key: read_oid(text) for key, text in config.own_fields.items()}
        self._columns = {key: read_oid(text) for key, text in config.link_fields.items()}
        # The tables are made the JSON that a map reads: one list of nodes with us in it, one of links.
        node = {key: Field((key,), factor=factor) for key, (_, factor) in self._own.items()}
        link = {key: Field((key,), factor=factor) for key, (_, factor) in self._columns.items()}
        self._map = Map(name, ("nodes",), {"id": Field(("id",)), **node}, ("links",), link)
        self._name = name

    async def run(self, show: Show) -> None:
        client = client_of(agent_of(self._config.agent))

        async def ask() -> None:
            own = await client.get([oid for oid, _ in self._own.values()]) if self._own else {}
            told = {key: plain(own[oid]) for key, (oid, _) in self._own.items() if oid in own}
            rows = await self._rows(client)
            show.report(read_fields({"nodes": [{"id": self._name, **told}], "links": rows}, self._map))

        try:
            await each(self._config.every, ask)
        finally:
            client.close()

    async def _rows(self, client: SnmpClient) -> list[dict[str, Any]]:
        rows: dict[Oid, dict[str, Any]] = {}
        for key, (column, _) in self._columns.items():
            for bound in await client.walk(column):
                rows.setdefault(bound.oid[len(column) :], {})[key] = plain(bound)
        return list(rows.values())


def plain(bound: Bound) -> Any:
    """As JSON would have it: octets as text, six of them that are no text as a MAC, four as an address."""
    value = bound.value
    if isinstance(value, bytes):
        if bound.kind is Kind.ADDRESS and len(value) == 4:
            return ".".join(map(str, value))
        text = value.decode("utf-8", "replace")
        if len(value) == 6 and not (value.isascii() and text.isprintable()):
            return value.hex(":")
        return text
    return oid_text(value) if isinstance(value, tuple) else value
