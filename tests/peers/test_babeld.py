"""adapters/mesh against babeld: three of them in network namespaces, each with its local socket read."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.mesh.sources import babel
from tests.peers.babel_net import babel_triangle, ip
from tests.peers.programs import need
from tests.unit.mesh.test_adapter import running

pytestmark = pytest.mark.peer


@pytest.fixture
def triangle(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    need("babeld", "ip")
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    with babel_triangle(tmp_path) as name:
        yield name, tmp_path


async def test_three_nodes_a_cut_and_an_unknown(triangle: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    name, folder = triangle
    monkeypatch.setattr(babel, "PING_S", 0.1)
    monkeypatch.setattr(babel, "PATIENCE_S", 1.0)
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
        # One that hangs says nothing, as one does that has nothing to tell: it is asked.
        process = int((folder / "c.pid").read_text())
        os.kill(process, signal.SIGSTOP)
        try:
            await context.until(lambda one: one.sources[0].code == "mesh-silent")
        finally:
            os.kill(process, signal.SIGCONT)
        await context.until(lambda one: one.sources[0].code == "" and len(one.edges) == 2)
