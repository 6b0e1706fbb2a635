"""What people may see and try of sources, programs and outputs: the API's side. Fulfils `services.SourcesFace`."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence

from gateway.base.errors import Busy, NotFound
from gateway.base.url import SourceUrl, parse_url
from gateway.core.audit import Audit
from gateway.core.programs import PREFIX, Programs
from gateway.core.push_points import PushPoints
from gateway.core.pushes import Pushes
from gateway.core.rights import in_scope, require, require_role, require_whole
from gateway.core.sessions import Sessions
from gateway.core.source_book import SourceBook
from gateway.core.source_test import SourceTester
from gateway.core.sources import Sources, Wanted
from gateway.core.streams import Streams
from gateway.model.command import Action
from gateway.model.doctor import Finding, Grade
from gateway.model.ids import StreamId, device_id
from gateway.model.media import StreamState
from gateway.model.principal import SYSTEM, Principal, Role
from gateway.model.source import ProgramInfo, PushState, PushStatus, SourceChannel, SourceInfo, SourceOrigin, SourceTest

ASK_S = 8.0
"""For the answer of one that the doctor asks: a camera far away needs a few seconds for its first picture."""
ASK_AT_A_TIME = 3
"""Fewer than the tester bears, for a technician who tries one meanwhile."""
ASK_MOST = 36
"""So that an answer comes before who asked has gone (two minutes); the rest stays as `findings` has it."""


class SourceView:
    def __init__(
        self,
        gateway: str,
        book: SourceBook,
        sources: Sources,
        streams: Streams,
        programs: Programs,
        points: PushPoints,
        pushes: Pushes,
        sessions: Sessions,
        tester: SourceTester,
        audit: Audit,
    ) -> None:
        self._gateway = gateway
        self._book = book
        self._sources = sources
        self._streams = streams
        self._programs = programs
        self._points = points
        self._pushes = pushes
        self._sessions = sessions
        self._tester = tester
        self._audit = audit

    def sources(self, who: Principal) -> Sequence[SourceInfo]:
        return [self._info(w) for w in self._book.wanted() if in_scope(who, device_id(self._gateway, w.name))]

    def schemes(self, who: Principal) -> Sequence[str]:
        return self._sources.schemes()

    async def test(self, who: Principal, url: str) -> SourceTest:
        require(who, Action.SOURCE_ADD)
        parsed = parse_url(url, trusted=True)
        result = await self._tester.run(parsed)
        outcome = "done" if result.ok else "failed"
        self._audit.note(who, "source.test", outcome=outcome, code=result.code, detail=result.url)
        return result

    def pushes(self, who: Principal) -> Sequence[PushStatus]:
        return [push for push in self._pushes.all() if in_scope(who, self._full(push.stream))]

    def programs(self, who: Principal) -> Sequence[ProgramInfo]:
        require_role(who, Role.TECHNICIAN, "see programs")
        if not in_scope(who, self._gateway):
            return []
        publishing: dict[str, list[str]] = {}
        for stream, sender, _ in self._points.publishers():
            publishing.setdefault(sender.name, []).append(stream)
        reading: dict[str, list[str]] = {}
        for viewing in self._sessions.viewings(SYSTEM):
            reading.setdefault(viewing.name, []).append(viewing.stream)
        return [
            self._programs.info(
                name, tuple(publishing.get(PREFIX + name, ())), tuple(dict.fromkeys(reading.get(PREFIX + name, ())))
            )
            for name in self._programs.names()
        ]

    async def renew_program(self, who: Principal, name: str) -> str:
        """Its new password: the only time that it is seen."""
        require_role(who, Role.ADMINISTRATOR, "make a program's password anew")
        require_whole(who, self._gateway, "make a program's password anew")
        if name not in self._programs.names():
            raise NotFound(f"there is no program {name[:80]!r}")
        await self._audit.record(who, "program.secret", detail=name)
        return self._programs.renew(name)

    def findings(self) -> Sequence[Finding]:
        """For the doctor of a running daemon."""
        found: list[Finding] = []
        for source in self.sources(SYSTEM):
            if source.code:
                found.append(Finding(f"source {source.name}", Grade.FAIL, source.detail, "offered", source.code))
            for channel in source.channels:
                off = channel.code == "adapter-off"
                bad = off or channel.state in (StreamState.WAITING, StreamState.OFFLINE)
                grade = Grade.FAIL if off else Grade.WARN if bad else Grade.OK
                told = f"{channel.state} {channel.url} {channel.detail}".strip()
                found.append(
                    Finding(f"source {source.name}/{channel.channel}", grade, told, "", channel.code if bad else "")
                )
        for push in self.pushes(SYSTEM):
            bad = push.state is PushState.WAITING
            grade = Grade.WARN if bad else Grade.OK
            told = f"{push.state} {push.url} {push.detail}".strip()
            found.append(Finding(f"push {push.name}", grade, told, "running", push.code if bad else ""))
        return found

    async def ask(self) -> Sequence[Finding]:
        """What stands in `findings` of sources that nobody watches says nothing of them: each is opened once, and the
        finding is replaced by what came of it. Takes up to `ASK_S` for every `ASK_AT_A_TIME` of them."""
        turns = asyncio.Semaphore(ASK_AT_A_TIME)

        async def one(check: str, url: SourceUrl) -> Finding:
            async with turns:
                try:
                    result = await self._tester.run(url, ASK_S)
                except Busy as busy:
                    return Finding(check, Grade.WARN, str(busy), "", busy.code)
            if result.ok:
                codecs = ", ".join(track.codec for track in result.tracks)
                return Finding(check, Grade.OK, f"{result.url}: {codecs}")
            return Finding(check, Grade.WARN, result.detail or result.url, "", result.code)

        asked = [
            (f"source {source.name}/{channel.channel}", url)
            for source in self.sources(SYSTEM)
            for channel in source.channels
            if channel.state == StreamState.IDLE
            and channel.code != "adapter-off"
            and (url := self._url(source.name, StreamId(channel.stream))) is not None
        ]
        return list(await asyncio.gather(*itertools.starmap(one, asked[:ASK_MOST])))

    # — within —

    def _url(self, name: str, stream: StreamId) -> SourceUrl | None:
        return (self._sources.of(device_id(self._gateway, name)) or {}).get(stream)

    def _info(self, wanted: Wanted) -> SourceInfo:
        refused = self._sources.refused.get(wanted.name, "")
        urls = {} if refused else self._sources.of(device_id(self._gateway, wanted.name)) or {}
        channels = []
        for stream, url in urls.items():
            status = self._streams.status(stream)
            channels.append(
                SourceChannel(
                    channel=stream.rpartition("/")[2],
                    stream=stream,
                    url=str(url),
                    scheme=url.scheme,
                    state=status.state.value,
                    # Nobody has looked yet, and nobody could.
                    code=status.code if self._sources.has(url.scheme) else "adapter-off",
                    detail=status.detail,
                    since=status.since,
                    retry_in_s=status.retry_in_s,
                    viewers=status.viewers,
                )
            )
        return SourceInfo(
            name=wanted.name,
            title=wanted.title or wanted.name,
            origin=SourceOrigin.PERSON if wanted.by else SourceOrigin.CONFIG,
            on_demand=wanted.on_demand,
            channels=tuple(channels),
            added_by=wanted.by,
            added_at=wanted.added_at,
            code="name-taken" if refused else "",
            detail=refused,
        )

    def _full(self, stream: str) -> str:
        return stream if stream.startswith(f"{self._gateway}/") else f"{self._gateway}/{stream}"
