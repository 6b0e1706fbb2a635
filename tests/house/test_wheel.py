"""The wheel runs on a clean virtual environment, without the repo, without an environment, from any folder.

Of `make wheel` if that was run since the last change, else built here with what `make build` has compiled already.
Its dependencies come from the environment of the tests: nothing is fetched.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD_S, ANSWER_S = 540, 30

pytestmark = pytest.mark.xdist_group("wheel")  # built once, by one worker


def sources() -> Iterator[Path]:
    yield from (ROOT / "pyproject.toml", ROOT / "codecs/Cargo.toml", ROOT / "codecs/Cargo.lock")
    for folder, pattern in (("gateway", "*.py"), ("adapters", "*.py"), ("codecs/src", "*.rs"), ("gateway", "*.sql")):
        yield from (ROOT / folder).rglob(pattern)
    yield from (path for path in (ROOT / "gateway/api/static").rglob("*") if path.is_file())


def run(*command: str | Path, timeout_s: float = 60, cwd: Path = ROOT) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    newest = max(path.stat().st_mtime for path in sources())
    made = sorted((ROOT / "dist").glob("fieldgate-*.whl"), key=lambda path: path.stat().st_mtime)
    if made and made[-1].stat().st_mtime >= newest:
        return made[-1]
    maturin = Path(sys.executable).with_name("maturin")
    if not maturin.exists() or shutil.which("cargo") is None:
        words = "maturin or cargo is missing: run `make setup`"
        if os.environ.get("CI") == "true":
            pytest.fail(words)
        pytest.skip(words)
    out = tmp_path_factory.mktemp("wheel")
    # One at a time: maturin moves the library through one place in target/.
    with (ROOT / ".make/wheel.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run(maturin, "build", "--release", "--quiet", "--locked", "--out", out, timeout_s=BUILD_S)
    (built,) = out.glob("fieldgate-*.whl")
    return built


class Installed:
    """The wheel in an environment of its own. Commands run in `folder` with no environment variables at all."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.folder = folder / "elsewhere"
        self.folder.mkdir()
        venv = folder / "venv"
        run(sys.executable, "-m", "venv", "--without-pip", venv)
        self.python = venv / "bin" / "python"
        self.fieldgate = venv / "bin" / "fieldgate"
        run(
            sys.executable, "-m", "pip", "--python", self.python, "install", "--quiet", "--no-deps", "--no-index", wheel
        )
        (site,) = (venv / "lib").glob("python*/site-packages")
        self.site = site
        # The packages of the tests' environment, but not the repo: .pth files in a folder added by a .pth are not read.
        (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def start(self, *words: str, log: Path) -> subprocess.Popen[bytes]:
        with log.open("wb") as out:
            return subprocess.Popen([self.fieldgate, *words], cwd=self.folder, env={}, stdout=out, stderr=out)

    def call(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, cwd=self.folder, env={}, capture_output=True, text=True, timeout=ANSWER_S, check=False
        )


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("clean"), wheel)


def test_the_wheel_holds_what_runs_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for needed in ("gateway/codecs.abi3.so", "gateway/api/static/index.html", "gateway/store/schema/0001_base.sql"):
        assert needed in names
    assert "cp311-abi3" in wheel.name
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops <= {"gateway", "adapters", "fieldgate.libs"}, tops


def test_it_is_the_installed_one_that_runs(installed: Installed) -> None:
    code = "import gateway, gateway.codecs as c, adapters.gb28181 as a; print(gateway.__file__, c.__file__, a.__file__)"
    told = installed.call(installed.python, "-I", "-c", code)
    assert told.returncode == 0, told.stderr
    assert all(path.startswith(str(installed.site)) for path in told.stdout.split()), told.stdout


def test_the_command_explains_itself(installed: Installed) -> None:
    told = installed.call(installed.fieldgate, "--help")
    assert told.returncode == 0, told.stderr
    assert all(word in told.stdout for word in ("run", "doctor", "devices", "sim"))


def test_the_doctor_speaks(installed: Installed, tmp_path: Path) -> None:
    told = installed.call(installed.fieldgate, "doctor", "--json", "--state-dir", tmp_path)
    assert told.returncode in (0, 1), told.stderr  # 1: something on this machine is wrong, and it says what
    grades = {one["check"]: one["grade"] for one in json.loads(told.stdout)}
    assert grades["webrtc.parts"] == "ok" and grades["config"] == "ok"
    assert any(check.startswith("gb28181 SIP") for check in grades)


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def gateway(installed: Installed, folder: Path) -> Iterator[tuple[str, Path]]:
    """`fieldgate run`; its address and its state directory."""
    api = free_port(socket.SOCK_STREAM)
    config, state, log = folder / "fieldgate.toml", folder / "state", folder / "log"
    config.write_text(
        f"[api]\nlisten = '127.0.0.1'\nport = {api}\n"
        f"[adapter.gb28181]\nlisten = '127.0.0.1:{free_port(socket.SOCK_STREAM)}'\n[adapter.webrtc]\nport = 0\n"
    )
    process = installed.start("run", "--config", str(config), "--state-dir", str(state), log=log)
    try:
        deadline = time.monotonic() + ANSWER_S
        while True:
            assert process.poll() is None and time.monotonic() < deadline, log.read_text(errors="replace")[-3000:]
            try:
                status, _ = get(f"https://127.0.0.1:{api}/healthz")
            except urllib.error.URLError:
                time.sleep(0.05)
                continue
            if status == 200:
                break
        yield f"https://127.0.0.1:{api}", state
        process.send_signal(signal.SIGTERM)
        assert process.wait(ANSWER_S) == 0, log.read_text(errors="replace")[-3000:]
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def get(url: str) -> tuple[int, str]:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with closing(urllib.request.urlopen(url, timeout=ANSWER_S, context=context)) as answer:  # noqa: S310
        return answer.status, answer.read().decode()


def test_the_gateway_runs(installed: Installed, tmp_path: Path) -> None:
    with gateway(installed, tmp_path) as (url, state):
        status, page = get(url + "/")
        assert status == 200 and '<script type="module"' in page
        script = page.split('src="')[1].split('"')[0]
        assert get(url + script)[0] == 200
    (store,) = state.glob("*.db")
    with closing(sqlite3.connect(store)) as db:
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert {"device", "alarm", "audit"} <= tables, tables
