"""A second demo beside a first: which port is taken is said, and how to take others; they are all others."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.api.server import bind_tcp
from gateway.base.errors import ConfigError, LinkDown
from gateway.base.udp import bind_error
from gateway.cli import words
from gateway.cli.demo_ports import BLOCK, USUAL, block, taken, taken_by
from gateway.cli.demo_stage import Processes
from gateway.cli.demo_voice import write_config
from gateway.cli.output import show_error
from gateway.config.load import load_config
from gateway.config.ports import ports_of
from gateway.registry import Installed


@pytest.fixture
def held() -> Iterator[int]:
    """A TCP port that another program holds."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def last_words(port: int) -> str:
    with pytest.raises(ConfigError) as refused:
        bind_tcp("127.0.0.1", port)
    return f"2026-11-30 15:00:00,000 ERROR   gateway.daemon: {refused.value}"


@pytest.mark.parametrize("language", ["zh", "en"])
def test_its_port_and_how_to_take_others_are_told_in_both_languages(
    held: int, language: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(words, "_language", language)
    error = taken(last_words(held))
    assert error is not None and error.key == "api.port"
    show_error(error)
    told = "".join(capsys.readouterr().err.split())
    assert f"api.port:{'端口' if language == 'zh' else 'port'}{held}" in told
    assert "fieldgatedemo--ports20000" in told and "makedemoDEMO_ARGS='--ports20000'" in told


def test_a_gateway_that_ended_for_want_of_a_port_is_told_so_and_another_end_is_not(tmp_path: Path, held: int) -> None:
    with Processes(tmp_path) as children:
        for said, kind in ((last_words(held), ConfigError), ("api.tls_cert: can not be used", LinkDown)):
            children.start("gateway", "--version")
            (tmp_path / "gateway.log").write_text(said)
            children._running["gateway"].wait(60)
            (tmp_path / "gateway.log").write_text(said)
            with pytest.raises(kind) as caught:
                children.check()
            assert caught.value.code == ("demo-port" if kind is ConfigError else "demo-child")


def test_an_adapter_of_the_demos_picture_that_waits_for_its_port_ends_it_and_another_does_not() -> None:
    refused = bind_error("UDP", "0.0.0.0", 5060, OSError(errno.EADDRINUSE, "Address already in use"))
    waits = {"code": "port-in-use", "detail": f"adapter.gb28181.{refused}"}
    error = taken_by([{"name": "rtmp", **waits}, {"name": "gb28181", **waits}])
    assert error is not None and error.key == "adapter.gb28181.listen" and " 5060 " in str(error)
    assert taken_by([{"name": "rtmp", **waits}, {"name": "gb28181", "code": "", "detail": ""}]) is None


def test_a_block_of_ports_shares_none_with_the_usual_ones(tmp_path: Path) -> None:
    def listens(name: str, first: int) -> set[tuple[str, str]]:
        folder = tmp_path / name
        folder.mkdir()
        config = load_config(write_config(folder, block(first) if first else USUAL)[0], Installed())
        return {(use.protocol, use.ports) for use in ports_of(config) if not use.outward}

    usual, own = listens("usual", 0), listens("own", 20000)
    # Cameras announce themselves there (WS-Discovery): any number of programs may hear them.
    assert usual & own <= {("udp", "3702")}
    for _, ports in own - usual:
        first, _, last = ports.partition("-")
        assert 20000 <= int(first) <= int(last or first) < 20000 + BLOCK
