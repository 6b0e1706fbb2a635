"""Fake modems in a process of their own, so that what they take of the processor is not the gateway's.

python -m tests.bench.links.fake_modems FOLDER COUNT      a pty each, FOLDER/0, FOLDER/1, …; "ready" when they are there
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import ExitStack
from pathlib import Path

from tests.fakes.modem import CHIPS, FakeModem, PtyEnd


async def main(folder: Path, count: int) -> None:
    chips = list(CHIPS.values())
    with ExitStack() as stack:
        for number in range(count):
            stack.enter_context(PtyEnd(FakeModem(chips[number % len(chips)]), folder / str(number)))
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
