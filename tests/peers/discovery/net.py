"""A network of the test's own: a namespace with a cable to the outside, and programs in it."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import pytest


@dataclass(frozen=True, slots=True)
class Net:
    name: str
    cable: str
    here: str  # our address on the cable
    there: str  # theirs

    @property
    def within(self) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.name)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@contextmanager
def net(number: int = 0) -> Iterator[Net]:
    """RFC 2544's network for tests; one /24 a process and number."""
    place = f"198.18.{(os.getpid() + number * 97) % 250 + 1}"
    made = Net(f"fgd{os.getpid()}n{number}", f"fgc{os.getpid()}n{number}"[:15], f"{place}.1", f"{place}.2")
    try:
        ip("netns", "add", made.name)
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        words = f"no network namespace can be made here: {getattr(error, 'stderr', error)}"
        if os.environ.get("CI") == "true":
            pytest.fail(words)
        pytest.skip(words)
    try:
        ip("link", "add", made.cable, "type", "veth", "peer", "name", "inner", "netns", made.name)
        ip("-n", made.name, "addr", "add", f"{made.there}/24", "dev", "inner")
        ip("addr", "add", f"{made.here}/24", "dev", made.cable)
        ip("-n", made.name, "link", "set", "lo", "up")
        ip("-n", made.name, "link", "set", "inner", "up")
        ip("link", "set", made.cable, "up")
        ip("-n", made.name, "route", "add", "default", "dev", "inner")
        yield made
    finally:
        subprocess.run(["ip", "link", "del", made.cable], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "del", made.name], check=False, capture_output=True)


@asynccontextmanager
async def running(net: Net, command: Sequence[str], *, ready: bytes = b"") -> AsyncIterator[asyncio.subprocess.Process]:
    """A program in the network while the context lasts; `ready`: the line it is waited for."""
    process = await asyncio.create_subprocess_exec(
        *net.within, *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        if ready:
            assert process.stdout is not None
            async with asyncio.timeout(60):
                line = await process.stdout.readline()
            assert line.strip() == ready, line
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(10):
                    await process.communicate()
            except TimeoutError:
                process.kill()
                await process.communicate()
