"""What is asked by each link, and when: one target while all is well, all of them while there is doubt.

A target that is down (a center that starts anew) is no fault of a link: before a link is called down every target has
been asked by it, and the first of them that answers is the one that is asked from then on. When a probe is due the
judge says (`link_judge`).
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import socket
from collections.abc import Callable
from contextlib import suppress

from gateway.base.clock import Clock
from gateway.base.tasks import beat
from gateway.config.links import Links as LinksConfig
from gateway.core.link_entry import Entry
from gateway.net.links.prober import Prober, Target, parse_target

log = logging.getLogger(__name__)

RESOLVE_S, RESOLVE_AGAIN_S, RESOLVE_SOON_S = 300.0, 60.0, 5.0
ADDRESSES, TARGETS = 4, 6
"""Of one name; of one link."""
KEEP_S = 10.0
"""Sockets to targets that need not be asked any more are kept for so long."""


class _Asked:
    """One link's sockets."""

    def __init__(self, entry: Entry, key: tuple[object, ...]) -> None:
        self.entry = entry
        self.key = key
        self.probers: dict[Target, Prober] = {}
        self.current: Target | None = None
        self.waits: float | None = None  # since when the current one has owed an answer
        self.number = int.from_bytes(os.urandom(4), "big")
        self.unsure_at = 0.0


class LinkProbes:
    """On the event loop. `tend` each link often; `resolve` is a task."""

    def __init__(
        self, clock: Clock, config: Callable[[], LinksConfig], resolved: Callable[[], None] = lambda: None
    ) -> None:
        """`resolved`: a name leads to other addresses than before."""
        self._clock = clock
        self._config = config
        self._resolved = resolved
        self._asked: dict[str, _Asked] = {}
        self._found: dict[str, list[Target]] = {}

    def __len__(self) -> int:
        return len(self._asked)

    def due(self, now: float) -> float:
        """When a probe is due or a judge must be looked at, at the latest."""
        judges = [one.entry.judge for one in self._asked.values()]
        at = [at for judge in judges for at in (judge.due(now), judge.next_timer()) if at > now]
        return min(at, default=now + self._config().interval)

    def tend(self, entry: Entry, now: float) -> None:
        one = entry.interface
        targets = [] if one is None or entry.barred(self._config()) else self._targets(entry)
        if one is None or not targets:
            self.drop(entry.name)
            entry.probe = ""
            return
        key = (one.index, one.name)
        held = self._asked.get(entry.name)
        if held is None or held.entry is not entry or held.key != key:
            self.drop(entry.name)
            held = self._asked[entry.name] = _Asked(entry, key)
        if held.current not in targets:
            held.current, held.waits = targets[0], None
        entry.probe = str(held.current)
        judge = entry.judge
        unsure = judge.unsure(now)
        if unsure:
            held.unsure_at = now
        for target, prober in list(held.probers.items()):
            idle = target != held.current and now - held.unsure_at > KEEP_S
            if idle or target not in targets or prober.source not in entry.sources(target.family):
                held.probers.pop(target).close()
        if not judge.wants(now):
            return
        held.number += 1
        wanted = targets if unsure else [held.current]
        held.waits = now if held.waits is None else held.waits
        left = [self._send(held, target) for target in wanted]
        if any(left):
            judge.sent(held.number, now)
        else:
            judge.unsent(now)

    def drop(self, name: str) -> None:
        held = self._asked.pop(name, None)
        for prober in held.probers.values() if held is not None else ():
            prober.close()

    def keep(self, names: set[str]) -> None:
        """Of links of these names alone."""
        for name in self._asked.keys() - names:
            self.drop(name)

    def close(self) -> None:
        self.keep(set())

    async def resolve(self, texts: Callable[[], set[str]]) -> None:
        """Names lead to addresses; known ones stay while DNS is silent. For ever."""
        loop = asyncio.get_running_loop()
        again: dict[str, float] = {}
        while True:
            wanted = {text for text in texts() if not _is_address(parse_target(text)[1])}
            for text in wanted:
                if self._clock.monotonic() < again.get(text, 0.0):
                    continue
                scheme, host, port = parse_target(text)
                found: list[Target] = []
                with suppress(OSError, UnicodeError):
                    answers = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
                    found = [Target(scheme, str(where[0]), port) for *_, where in answers][:ADDRESSES]
                now = self._clock.monotonic()
                if found and found != self._found.get(text):
                    self._found[text] = found
                    self._resolved()
                again[text] = now + (RESOLVE_S if found else RESOLVE_AGAIN_S if text in self._found else 0.0)
            self._found = {text: found for text, found in self._found.items() if text in wanted}
            again = {text: at for text, at in again.items() if text in wanted}
            await beat(RESOLVE_SOON_S)

    # — within —

    def _targets(self, entry: Entry) -> list[Target]:
        """That this link has an address for, those named first before."""
        found: list[Target] = []
        for text in entry.said.probe or self._config().probe:
            scheme, host, port = parse_target(text)
            found += [Target(scheme, host, port)] if _is_address(host) else self._found.get(text, [])
        return [target for target in dict.fromkeys(found) if entry.sources(target.family)][:TARGETS]

    def _send(self, held: _Asked, target: Target) -> bool:
        prober = held.probers.get(target)
        if prober is None:
            entry = held.entry
            name = entry.interface.name if entry.interface is not None else ""
            try:
                prober = Prober(
                    name, entry.sources(target.family)[0], target, lambda number: self._answer(held, target, number)
                )
            except OSError as exc:
                log.debug("link %s: no probes: %s", entry.name, exc)  # it is going: the kernel tells in a moment
                return False
            held.probers[target] = prober
        return prober.send(held.number)

    def _answer(self, held: _Asked, target: Target, number: int) -> None:
        now, judge = self._clock.monotonic(), held.entry.judge
        if judge.answered(number, now):
            held.entry.heard_of = True
        if target == held.current:
            held.waits = None
        elif held.waits is not None and now - held.waits > judge.limit_s:
            log.info("link %s: %s is asked from now on, %s is silent", held.entry.name, target, held.current)
            held.current, held.waits = target, None
            held.entry.probe = str(target)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
