"""Lamps and voice as an adapter: both follow the field team's word, each fails and comes back by itself."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import ClassVar

from pydantic import BaseModel

from adapters.panel.announcer import Announcer
from adapters.panel.config import PanelConfig
from adapters.panel.lamp import Lamp, lit, parse_lamp
from adapters.panel.lines import Line, open_lamp
from adapters.panel.voice import play, render
from gateway.base.clock import Clock
from gateway.base.errors import GatewayError, LinkDown
from gateway.contract.adapter import Context
from gateway.model.doctor import Finding, Grade
from gateway.model.kit_state import FieldState, FieldWord

log = logging.getLogger(__name__)

AGAIN_S = 10.0
LOOK_S = 60.0


class Panel:
    """Implements contract.adapter.Adapter."""

    name: ClassVar[str] = "panel"
    Config: ClassVar[type[BaseModel]] = PanelConfig

    def __init__(self, config: BaseModel, context: Context, clock: Clock | None = None) -> None:
        assert isinstance(config, PanelConfig)  # noqa: S101  (the core made it of Config)
        self._config = config
        self._kit = context.kit
        self._ready = context.ready
        self._clock = clock or Clock()
        self._changed: set[asyncio.Event] = set()
        self._wrong: dict[str, str] = {}
        """What does not work: its name → what was said."""

    async def run(self) -> None:
        """Serve until cancelled."""
        undo = self._kit.on_field(self._told)
        try:
            self._ready()
            async with asyncio.TaskGroup() as tasks:
                for text in self._config.lamps:
                    tasks.create_task(self._lamp(parse_lamp(text)), name=f"lamp {text}")
                if self._config.speak:
                    tasks.create_task(self._voice(), name="voice")
                tasks.create_task(_for_ever(), name="panel")
        finally:
            undo()

    def findings(self) -> Sequence[Finding]:
        found = [self._finding(f"lamp {text}", text, "lamp") for text in self._config.lamps]
        return [*found, self._finding("voice", "voice", "speech")] if self._config.speak else found

    def _finding(self, check: str, key: str, code: str) -> Finding:
        said = self._wrong.get(key, "")
        return Finding(check, Grade.WARN if said else Grade.OK, said or "works", "works", code if said else "")

    def _told(self, _state: FieldState) -> None:
        for event in self._changed:
            event.set()

    # — lamps —

    async def _lamp(self, lamp: Lamp) -> None:
        while True:
            line: Line | None = None
            try:
                line = await asyncio.to_thread(open_lamp, lamp)
                self._well(lamp.text)
                await self._shine(lamp, line)
            except LinkDown as exc:
                self._fails(lamp.text, exc)
            finally:
                if line is not None:
                    line.close()
            await asyncio.sleep(AGAIN_S)

    async def _shine(self, lamp: Lamp, line: Line) -> None:
        """Raises LinkDown."""
        changed = asyncio.Event()
        self._changed.add(changed)
        try:
            word, since = self._kit.field.word, self._clock.monotonic()
            while True:
                changed.clear()
                if self._kit.field.word is not word:
                    word, since = self._kit.field.word, self._clock.monotonic()
                on, left_s = lit(word, self._clock.monotonic() - since)
                await asyncio.to_thread(line.set, on and word in lamp.words)
                try:
                    async with asyncio.timeout(left_s if word in lamp.words else None):
                        await changed.wait()
                except TimeoutError:
                    continue
        finally:
            self._changed.discard(changed)

    # — voice —

    async def _voice(self) -> None:
        config = self._config
        announcer = Announcer(config.pause, config.most_an_hour, config.repeat, config.quiet_minutes())
        changed = asyncio.Event()
        self._changed.add(changed)
        try:
            while True:
                changed.clear()
                announcer.put(self._kit.field)
                now, minute = self._clock.monotonic(), self._minute()
                state = announcer.take(now, minute)
                if state is not None:
                    if not await self._say(state):
                        announcer.failed()
                    continue
                try:
                    async with asyncio.timeout(min(LOOK_S, announcer.due_in(now, minute))):
                        await changed.wait()
                except TimeoutError:
                    continue
        finally:
            self._changed.discard(changed)

    async def _say(self, state: FieldState) -> bool:
        """Whether it was heard, in one language at least. What is missing for one does not silence the other."""
        heard, wrong = False, None
        for language in self._config.languages:
            try:
                await play(await render(state, language, self._config.recordings), self._config.sound)
                heard = True
            except GatewayError as exc:
                wrong = exc
        if wrong is None:
            self._well("voice")
        else:
            self._fails("voice", wrong)
        return heard

    def _minute(self) -> int | None:
        """Of the local day; None while the clock is not good."""
        if not self._kit.quality().good:
            return None
        local = time.localtime(self._clock.wall())
        return local.tm_hour * 60 + local.tm_min

    # — what does not work —

    def _fails(self, key: str, exc: GatewayError) -> None:
        if self._wrong.get(key) != str(exc):
            log.warning("%s: %s; it is tried again", exc.code, exc)
        self._wrong[key] = str(exc)[:200]

    def _well(self, key: str) -> None:
        if self._wrong.pop(key, None) is not None:
            log.info("%s works again", key)

    @classmethod
    async def checks(cls, config: BaseModel) -> Sequence[Finding]:
        """Whether what is named is there; nothing is lit and nothing is said."""
        import importlib.util
        import shutil

        assert isinstance(config, PanelConfig)  # noqa: S101
        found: list[Finding] = []
        if any(text.startswith("gpio:") for text in config.lamps) and importlib.util.find_spec("gpiod") is None:
            found.append(Finding("panel gpiod", Grade.FAIL, "missing", "fieldgate[gpio]", "lamp"))
        if config.speak:
            needed = ["aplay"] if _recorded(config) else ["espeak-ng", "aplay"]
            missing = [name for name in needed if shutil.which(name) is None]
            grade = Grade.FAIL if missing else Grade.OK
            found.append(
                Finding(
                    "panel voice", grade, ", ".join(missing) or "installed", "installed", "speech" if missing else ""
                )
            )
        return found


def _recorded(config: PanelConfig) -> bool:
    """Whether there is a recording of each word in each language."""
    folder = config.recordings
    return folder is not None and all(
        (folder / f"{word.value}.{language}.wav").is_file() for word in FieldWord for language in config.languages
    )


async def _for_ever() -> None:
    await asyncio.get_running_loop().create_future()
