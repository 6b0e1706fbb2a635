"""The interop matrix: `python -m tests.interop.matrix [--sample] [--only WORD …] [--write docs/interop.md]`.

One real daemon. Ingest after ingest: its program brings the stream, then five outputs are watched at once, each by a
program not of ours. Every cell plays with picture and sound, or shows a reason that stands in `REASONS`; anything else
is a failure and the exit code says so. The last line is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

from tests.bench.common import finish, say
from tests.interop.fixtures import TONE_HZ, fixture
from tests.interop.gates import Kit, kit
from tests.interop.rule import OUTPUTS, Ingest, ingests, sample
from tests.interop.senders import PASSWORD, commands
from tests.interop.table import Row, write
from tests.interop.watchers import Cell, Screen, read_url, watch_by_program
from tests.peers.browser import PageError, launch
from tests.peers.stage import Failed

BALL_HZ = 880.0

REASONS: dict[tuple[str, str, str], str] = {}
"""(output, picture, sound) → the one reason code that may stand there instead of a picture: none is needed today."""


def hz_of(one: Ingest) -> float:
    return BALL_HZ if one.program == "our ball" else float(TONE_HZ)


@asynccontextmanager
async def brought(one: Ingest, stage: Kit) -> AsyncIterator[None]:
    """Its programs run, and the gateway has the stream."""
    with (stage.folder / f"{one.slug}.log").open("wb") as log:
        running = []
        try:
            for command in commands(one, stage.gates):
                running.append(
                    await asyncio.create_subprocess_exec(
                        *command,
                        stdin=asyncio.subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                        env={**os.environ, "WHIP_TOKEN": PASSWORD},
                    )
                )
                await asyncio.sleep(0.3)  # a server listens, a relay is bound
            async with stage.own(one):
                yield
        finally:
            for process in reversed(running):
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGKILL)
                await process.wait()


async def watched(one: Ingest, stage: Kit, screen: Screen) -> dict[str, Cell]:
    """All outputs at once."""
    hz, sound = hz_of(one), one.audio != "none"
    slug = stage.name(one)
    hls = await asyncio.to_thread(stage.hls, slug)

    async def whep() -> Cell:
        try:
            return await screen.watch(slug, hz, sound)
        except (PageError, TimeoutError) as error:
            return Cell(False, str(error)[:200])

    jobs = {
        output: asyncio.create_task(
            whep() if output == "whep" else watch_by_program(read_url(output, slug, stage.gates, hls), hz, sound)
        )
        for output in OUTPUTS
    }
    return {output: await job for output, job in jobs.items()}


def judged(one: Ingest, row: Row) -> list[str]:
    """What is wrong with a row, in words."""
    wrong = []
    for output, cell in row.items():
        if cell.played:
            continue
        if cell.reason and REASONS.get((output, one.video, one.audio)) == cell.reason:
            continue
        wrong.append(f"{one} → {output}: {cell.words}{f' ({cell.reason})' if cell.reason else ''}")
    return wrong


async def tried(one: Ingest, stage: Kit, screen: Screen) -> Row:
    try:
        async with brought(one, stage):
            return await watched(one, stage, screen)
    except (Failed, PageError) as error:
        return {output: Cell(False, f"never came: {str(error)[:300]}") for output in OUTPUTS}


async def run(chosen: list[Ingest], folder: Path, *, again: bool) -> tuple[dict[Ingest, Row], list[str]]:
    results: dict[Ingest, Row] = {}
    wrong: list[str] = []
    async with kit(folder, chosen) as stage, launch(*stage.flags) as browser:
        screen = Screen(browser, stage.gates.http)
        await screen.open(stage.console())  # signs the browser in
        stage.browser = screen
        for number, one in enumerate(chosen, 1):
            began = time.monotonic()
            row = await tried(one, stage, screen)
            if judged(one, row) and again:
                say(f"         {one}: a second time, after {'; '.join(judged(one, row))[:400]}")
                row = await tried(one, stage, screen)
            results[one] = row
            new = judged(one, row)
            wrong += new
            marks = " ".join(f"{output}{'✓' if cell.played else '✗'}" for output, cell in row.items())
            say(f"{number:3}/{len(chosen)}  {one!s:56}  {marks}  {time.monotonic() - began:.0f} s")
            for words in new:
                say(f"         {words}")
    return results, wrong


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--sample", action="store_true", help="the fewest in which every way and pair of codecs stands")
    asked.add_argument("--again", action="store_true", help="what fails is tried once more, and it is said")
    asked.add_argument("--only", nargs="*", default=[], help="ingests whose name has one of these words")
    asked.add_argument("--write", type=Path, help="where the table goes")
    asked.add_argument("--keep", type=Path, help="folder for logs that is kept")
    given = asked.parse_args()
    chosen = sample(ingests()) if given.sample else ingests()
    chosen = [one for one in chosen if not given.only or any(word in str(one) for word in given.only)]
    say(f"{len(chosen)} ingests, {len(chosen) * len(OUTPUTS)} cells; making what is sent")
    for one in chosen:
        fixture(one.video, one.audio)
    with tempfile.TemporaryDirectory(prefix="fg-interop-") as made:
        folder = given.keep or Path(made)
        folder.mkdir(exist_ok=True)
        results, wrong = asyncio.run(run(chosen, folder, again=given.again))
    cells = [cell for row in results.values() for cell in row.values()]
    played = sum(cell.played for cell in cells)
    counted = {
        "cells": len(cells),
        "cells_played": played,
        "cells_with_reason": len(cells) - played - len(wrong),
        "cells_failed": len(wrong),
    }
    if given.write:
        given.write.write_text(write(results, counted, date.today().isoformat()))
        say(f"written to {given.write}")
    finish(dict(counted))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
