"""Radios that are asked over HTTP: OpenWrt's ubus, and JSON of any shape by a map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.mesh.config import HttpSource, Mapped, UbusSource
from adapters.mesh.protocol.batman import read_batman
from adapters.mesh.protocol.fields import Map, read_field, read_fields, read_list
from adapters.mesh.protocol.report import MOST_JSON, Report, clean, from_json, garbled
from adapters.mesh.protocol.ubus import (
    DENIED,
    NOBODY,
    OK,
    Call,
    SessionOver,
    answers,
    devices_of,
    login,
    question,
    read_radios,
    session_of,
)
from adapters.mesh.sources.source import Show, each
from gateway.base.errors import LinkDown, PeerError
from gateway.net.web import Connect, WebClient, read_url

LATE_S = 5.0


class HttpReader:
    def __init__(self, config: HttpSource, name: str, connect: Connect) -> None:
        self._config = config
        self._url = read_url(config.url)
        self._map = map_of(config, name)
        self._web = WebClient(connect, config.user, config.password.get_secret_value(), timeout_s=LATE_S)

    async def run(self, show: Show) -> None:
        async def ask() -> None:
            answer = await self._web.send(self._url, max_body=MOST_JSON)
            if answer.status in (401, 403):
                text = f"{self._url.authority} answers {answer.status}"
                raise PeerError(text, status=answer.status, code="mesh-denied")
            if answer.status != 200:
                raise PeerError(f"{self._url.authority} answers {answer.status}", status=answer.status)
            show.report(read_fields(from_json(answer.body), self._map))

        await each(self._config.every, ask)


class UbusReader:
    def __init__(self, config: UbusSource, name: str, connect: Connect) -> None:
        self._config = config
        self._name = name
        self._url = read_url(config.url)
        self._web = WebClient(connect, "", "", timeout_s=LATE_S)
        self._session = ""
        self._host = ""

    async def run(self, show: Show) -> None:
        self._session = ""

        async def ask() -> None:
            show.report(await self._report())

        await each(self._config.every, ask)

    async def _report(self) -> Report:
        if not self._session:
            await self._sign_in()
        try:
            return await self._read()
        except SessionOver:
            # It ends by itself after some minutes: once anew before that is a fault.
            await self._sign_in()
            return await self._read()

    async def _sign_in(self) -> None:
        password = self._config.password.get_secret_value()
        self._session, _ = session_of(await self._post([login(self._config.user, password)], NOBODY))
        ((status, board),) = await self._ask([Call("system", "board", {})])
        self._host = clean(board.get("hostname")) if status == OK else ""

    async def _read(self) -> Report:
        batman = self._config.batman
        batctl = [
            Call("file", "exec", {"command": "batctl", "params": ["meshif", batman, what]})
            for what in ("neighbors_json", "originators_json", "hardifs_json")
            if batman
        ]
        (status, data), *shell = await self._ask([Call("iwinfo", "devices", {}), *batctl])
        if status != OK and not batman:
            raise PeerError(f"the radio does not tell its wireless interfaces (ubus {status})", status=status)
        names = devices_of(data)
        calls = [Call("iwinfo", what, {"device": name}) for name in names for what in ("info", "assoclist")]
        answered = await self._ask(calls) if calls else []
        if any(status == DENIED for status, _ in answered):
            # Without its stations the radio would look as if it heard nobody.
            raise PeerError("the radio does not let iwinfo be asked (ubus 6)", status=DENIED, code="mesh-denied")
        told = [data for _, data in answered]
        report = read_radios(self._host, list(zip(told[::2], told[1::2], strict=True)), self._name)
        if not batman:
            return report
        near, far = (_output(status, data) for status, data in shell[:2])
        # Its own addresses: a radio whose batctl or rights are older tells the rest without them.
        own = _output(*shell[2]) if shell[2][0] == OK else ""
        mesh = read_batman(near, far, self._name, own)
        return Report(report.nodes + mesh.nodes, report.links + mesh.links)

    async def _ask(self, calls: Sequence[Call]) -> list[tuple[int, Mapping[str, Any]]]:
        return answers(await self._post(calls, self._session), len(calls))

    async def _post(self, calls: Sequence[Call], session: str) -> bytes:
        body = question(calls, session)
        headers = [("Content-Type", "application/json")]
        answer = await self._web.send(self._url, "POST", body, headers=headers, max_body=MOST_JSON)
        if answer.status != 200:
            text = f"{self._url.authority} answers {answer.status}: is JSON-RPC switched on?"
            raise LinkDown(text, code="mesh-silent")
        return answer.body


def _output(status: int, data: Mapping[str, Any]) -> str:
    if status != OK:
        raise PeerError(f"the radio does not let its batctl be run (ubus {status})", status=status, code="mesh-denied")
    text = data.get("stdout", "")
    if not isinstance(text, str):
        raise garbled("batctl printed no text")
    return text


def map_of(config: Mapped, name: str) -> Map:
    return Map(
        name,
        read_list(config.nodes),
        {key: read_field(text) for key, text in config.node_fields.items()},
        read_list(config.links),
        {key: read_field(text) for key, text in config.link_fields.items()},
    )


__all__ = ["HttpReader", "UbusReader", "map_of"]
