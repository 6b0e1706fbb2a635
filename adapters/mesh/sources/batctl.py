"""batctl of this machine, run and read. The kernel module decides who may ask; the unit's drop-in gives NET_ADMIN."""

from __future__ import annotations

import asyncio
import contextlib

from adapters.mesh.config import BatctlSource
from adapters.mesh.protocol.batman import read_batman
from adapters.mesh.protocol.report import MOST_JSON, clean
from adapters.mesh.sources.source import Show, each
from gateway.base.errors import LinkDown, RemoteProtocolError

ANSWER_S = 3.0


class BatctlReader:
    def __init__(self, config: BatctlSource, name: str, program: str = "batctl") -> None:
        self._config = config
        self._name = name
        self._program = program

    async def run(self, show: Show) -> None:
        async def ask() -> None:
            near, far = await self._output("neighbors_json"), await self._output("originators_json")
            show.report(read_batman(near, far, self._name, await self._output("hardifs_json")))

        await each(self._config.every, ask)

    async def _output(self, what: str) -> bytes:
        try:
            process = await asyncio.create_subprocess_exec(
                self._program,
                "meshif",
                self._config.batman,
                what,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as exc:
            raise LinkDown(f"batctl can not be run: {exc.strerror}", code="mesh-no-batctl") from exc
        assert process.stdout is not None and process.stderr is not None  # noqa: S101  (pipes)
        try:
            async with asyncio.timeout(ANSWER_S):
                output = await process.stdout.read(MOST_JSON + 1)
                more = b"" if len(output) > MOST_JSON else await process.stdout.read(MOST_JSON + 1 - len(output))
                while more:
                    output += more
                    if len(output) > MOST_JSON:
                        raise RemoteProtocolError("batctl prints without end", code="mesh-garbled")
                    more = await process.stdout.read(MOST_JSON + 1 - len(output))
                why = clean((await process.stderr.read(1024)).decode("utf-8", "replace"), 200)
                if await process.wait() != 0:
                    raise LinkDown(f"batctl {what}: {why or process.returncode}", code="mesh-no-batctl")
                return output
        except TimeoutError:
            raise LinkDown(f"batctl {what} does not end", code="mesh-silent") from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
