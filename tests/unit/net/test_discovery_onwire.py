"""The process that listens to the wire, as the daemon hears it: what it can not do comes with a reason, whatever it
says or however it ends. And a search that left something out says so."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.base.errors import GatewayError, LinkDown
from gateway.model.discovery import FindKind, FindWay
from gateway.net import multicast
from gateway.net.discovery import onwire
from gateway.net.discovery.search import Search
from gateway.net.discovery.table import MAX_FINDS, Finds
from tests.unit.net.test_discovery import find

Process = Callable[[str], None]


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Process:
    """In place of the worker: a shell script. `$PYTHON` is the real interpreter."""

    def use(text: str) -> None:
        script = tmp_path / "worker"
        script.write_text(f"#!/bin/sh\n{text.replace('$PYTHON', real)}\n")
        script.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(script))

    real = sys.executable
    return use


WITHOUT_SCAPY = """exec $PYTHON -c 'import sys
sys.modules["scapy"] = None
from gateway.net.discovery.onwire_worker import main
sys.argv = ["worker", "lo"]
sys.exit(main())'"""


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (WITHOUT_SCAPY, "capture-not-installed"),
        ("echo 'Killed by nobody' >&2; exit 3", "capture-failed"),
        ("echo 'no JSON at all'", "capture-failed"),
        ("echo '[1, 2]'", "capture-failed"),
        ("head -c 1200000 /dev/zero | tr '\\0' x", "capture-failed"),
        (
            """echo '{"code": "capture-no-right", "detail": "eth0: a packet socket needs CAP_NET_RAW"}'""",
            "capture-no-right",
        ),
    ],
)
async def test_what_it_can_not_do_has_a_reason(process: Process, script: str, code: str) -> None:
    process(script)
    with pytest.raises(GatewayError) as ended:
        await onwire.listen(lambda _seen: None, "lo")
    assert ended.value.code == code


async def test_one_that_says_nothing_is_given_up(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onwire, "START_S", 0.05)
    process("exec sleep 60")
    with pytest.raises(GatewayError) as ended:
        await onwire.listen(lambda _seen: None)
    assert ended.value.code == "capture-failed"


async def test_a_search_that_left_something_out_says_so() -> None:
    finds = Finds()
    for number in range(MAX_FINDS + 7):
        finds.put(find(f"k{number}", FindKind.OTHER, FindWay.SSDP))
    search = Search(finds, lambda: 0.0)
    await search.run((), 0.01)
    assert search.notes == [("discovery-full", "7")]


async def test_no_network_and_one_that_is_gone_are_told() -> None:
    for on in ([], [multicast.Interface("gone0", 4711, "192.0.2.77")]):
        with pytest.raises(LinkDown) as nowhere:
            multicast.Group("239.255.77.1", 3702, lambda *_: None, listen=False, on=on)
        assert nowhere.value.code == "discovery-port"
