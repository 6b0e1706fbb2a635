"""adapters/mesh against babeld: three of them in network namespaces, each with its local socket read."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.programs import need
from tests.unit.mesh.test_adapter import running

pytestmark = pytest.mark.peer
PAIRS = ("ab", "bc", "ac")


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def triangle(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The namespaces' common name, and the folder of the sockets `a`, `b`, `c`."""
    need("babeld", "ip")
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    name = f"fgb{os.getpid()}"
    started: list[subprocess.Popen[bytes]] = []
    try:
        for node in "abc":
            ip("netns", "add", name + node)
            ip("-n", name + node, "link", "set", "lo", "up")
            ip("-n", name + node, "addr", "add", f"10.77.0.{ord(node) - 96}/32", "dev", "lo")
        for one, other in PAIRS:
            ends = (f"v{one}{other}", f"v{other}{one}")
            ip(
                "link",
                "add",
                ends[0],
                "netns",
                name + one,
                "type",
                "veth",
                "peer",
                "name",
                ends[1],
                "netns",
                name + other,
            )
            ip("-n", name + one, "link", "set", ends[0], "up")
            ip("-n", name + other, "link", "set", ends[1], "up")
        for node in "abc":
            interfaces = [f"v{node}{other}" for other in "abc" if other != node]
            said = ["redistribute local ip 10.77.0.0/24 allow", "redistribute local deny"]
            files = ["-I", tmp_path / f"{node}.pid", "-S", tmp_path / f"{node}.state", "-G", tmp_path / node]
            command = ["ip", "netns", "exec", name + node, "babeld", *files, "-h", "1", "-H", "1", "-L", "/dev/null"]
            started.append(subprocess.Popen([*command, *(w for s in said for w in ("-C", s)), *interfaces]))
        yield name, tmp_path
    finally:
        for process in started:
            process.terminate()
            process.wait(10)
        for node in "abc":
            subprocess.run(["ip", "netns", "del", name + node], check=False, capture_output=True)


async def test_three_nodes_a_cut_and_an_unknown(triangle: tuple[str, Path]) -> None:
    name, folder = triangle
    sources = {node: {"kind": "babel", "socket": str(folder / node), "own": node == "a"} for node in "abc"}
    async with asyncio.timeout(60), running(**sources) as context:
        whole = await context.until(lambda one: len(one.edges) == 6)
        by = {node.source: node.id for node in whole.nodes}
        assert set(by) == {"a", "b", "c"} and all(node.read for node in whole.nodes)
        assert {(e.a, e.b) for e in whole.edges} == {(by[x], by[y]) for x in "abc" for y in "abc" if x != y}
        assert all(e.cost and e.quality for e in whole.edges)
        # An interface that goes down: babeld says it, and of no neighbour that it is gone.
        await asyncio.to_thread(ip, "-n", name + "a", "link", "set", "vab", "down")
        cut = await context.until(lambda one: not any((e.a, e.b) == (by["a"], by["b"]) for e in one.edges))
        assert (by["a"], by["c"]) in {(e.a, e.b) for e in cut.edges}
    # Of a mesh in which one alone is read, the others are unknown, and nothing is made up between them.
    async with asyncio.timeout(60), running(c=sources["c"]) as context:
        alone = await context.until(lambda one: len(one.edges) == 2 and len(one.nodes) == 3)
        assert [node.read for node in alone.nodes if node.source != "c"] == [False, False]
        assert {edge.a for edge in alone.edges} == {by["c"]}
