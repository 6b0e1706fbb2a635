"""The command: options to profiles, and a process that leaves politely."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from gateway.cli.sim import app
from gateway.sim.command import address, bits, seconds, size
from gateway.sim.faults import FAULTS
from tests.unit.sim.platform import BALL_ID, PASSWORD, PATIENCE_S, Platform

ROOT = Path(__file__).parents[3]


def test_values_as_people_write_them() -> None:
    assert [seconds(t) for t in ("5s", "200ms", "2m", "1.5")] == [5.0, 0.2, 120.0, 1.5]
    assert [bits(t) for t in ("2M", "800k", "64000", "1.5M")] == [2_000_000, 800_000, 64_000, 1_500_000]
    assert size("1280x720") == (1280, 720)
    assert address("10.0.0.1:5060") == ("10.0.0.1", 5060) and address("[::1]:5060") == ("::1", 5060)


@pytest.mark.parametrize(
    ("read", "text"), [(seconds, "soon"), (bits, "2G"), (size, "720p"), (address, "10.0.0.1"), (address, "a:99999")]
)
def test_values_that_mean_nothing(read: object, text: str) -> None:
    assert callable(read)
    with pytest.raises(typer.BadParameter, match=text[:4]):
        read(text)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--fault", "nonsense"], "nonsense"),
        (["--id", "123"], "20 digits"),
        (["--codec", "mjpeg"], "mjpeg"),
        (["--talk", "pigeon"], "pigeon"),
        (["--password-file", "/nonexistent/secret"], "secret"),
    ],
)
def test_what_is_wrong_is_said(options: list[str], words: str) -> None:
    done = CliRunner().invoke(app, ["ball", *options], env={"COLUMNS": "200"})
    assert done.exit_code == 2 and words in done.output


def test_faults_are_listed() -> None:
    done = CliRunner().invoke(app, ["ball", "--list-faults"])
    assert done.exit_code == 0 and all(name in done.output for name in FAULTS)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_process_registers_obeys_signals_and_logs_out(number: signal.Signals, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(PASSWORD + "\n")
    async with Platform() as platform:
        host, port = platform.address()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway.sim.ball", "--json", "--server", f"{host}:{port}"),
            *("--password-file", str(secret), "--keepalive", "200ms", "--size", "320x240"),
            *("--talk", "tcp", "--hear-to", str(tmp_path)),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            uri, _, _ = await platform.registered()
            assert BALL_ID in uri
            process.send_signal(signal.SIGUSR1)
            await platform.heard("Alarm")
            process.send_signal(signal.SIGUSR2)
            await platform.heard("VideoUploadNotify")
            process.send_signal(number)
            assert (await platform.registered())[1] == 0
            async with asyncio.timeout(PATIENCE_S):
                out, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0 and not list(tmp_path.glob("*.wav")), "nothing was heard"
        events = [json.loads(line)["event"] for line in out.decode().splitlines()]
        assert events[:2] == ["registering", "registered"] and "alarm" in events and events[-1] == "unregistered"
