"""Languages, lazy loading and the configuration commands."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli import COMMANDS
from gateway.cli.times import ago, span
from gateway.cli.words import detect
from tests.unit.cli.conftest import Run


@pytest.mark.parametrize(
    ("environ", "argv", "language"),
    [
        ({}, [], "en"),
        ({"LANG": "zh_CN.UTF-8"}, [], "zh"),
        ({"LANG": "zh_CN.UTF-8"}, ["--lang", "en", "doctor"], "en"),
        ({"LANG": "C", "FIELDGATE_LANG": "zh"}, [], "zh"),
        ({"LC_ALL": "de_DE", "LANG": "zh_CN"}, ["--lang=zh"], "zh"),
        ({"LC_ALL": "de_DE", "LANG": "zh_CN"}, ["--lang"], "en"),
    ],
)
def test_language(environ: dict[str, str], argv: list[str], language: str) -> None:
    assert detect(environ, argv) == language


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_command_explains_itself(lang: str) -> None:
    """In a process of its own: help is made when a command's module loads."""
    code = (
        "import sys; from gateway.cli import COMMANDS, app\n"
        "for name in COMMANDS:\n"
        "    try: app([name, '--help'])\n"
        "    except SystemExit as end: print('=====', name, end.code)\n"
    )
    ran = [sys.executable, "-c", code, "--lang", lang]
    shown = subprocess.run(ran, capture_output=True, text=True, check=True).stdout
    for name in COMMANDS:
        assert f"===== {name} 0" in shown
    for page in shown.split("=====")[:-1]:
        chinese = sum("\u4e00" <= letter <= "\u9fff" for letter in page)
        assert chinese > 5 if lang == "zh" else chinese < 20, page  # 布控球 has no English word


def test_naming_a_command_loads_no_other() -> None:
    code = (
        "import sys; from gateway.cli import app\n"
        "try: app(['streams', '--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted(m for m in sys.modules if m in ('fastapi', 'aiortc', 'gateway.cli.demo', 'gateway.daemon')))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip().endswith("[]")


def test_times() -> None:
    assert (span(5), span(300), span(7300), span(200000)) == ("5 s", "5 min", "2 h", "2 d")
    assert ago(None) == ago(0) == "–"
    assert ago(100.0, now=112.0) == "12 s ago"
    assert ago(100.0, now=50.0) == "0 s ago"  # a clock that went back


def test_config_check_and_diff(fieldgate: Run, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text("[api]\nport = 9443\n")
    bad.write_text("[api]\nport = 'x'\n")
    assert fieldgate("config", "check", "--config", str(good)).code == 0
    assert "8443" in fieldgate("config", "diff", "--config", str(good)).out
    ran = fieldgate("config", "check", "--config", str(bad), "--json")
    assert ran.code == 1
    assert json.loads(ran.out)[0]["key"] == "api.port"


def test_config_print_is_a_configuration(fieldgate: Run, tmp_path: Path) -> None:
    printed = fieldgate("config", "print", "--defaults")
    assert printed.code == 0
    file = tmp_path / "printed.toml"
    file.write_text(printed.out)
    assert fieldgate("config", "check", "--config", str(file)).code == 0
    assert "No difference" in fieldgate("config", "diff", "--config", str(file)).out
