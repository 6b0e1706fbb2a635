"""What the daemon loads before it is ready: its own modules and little else.

A package that is needed by a call, a search or a viewer is loaded then (or after `Context.started`), in a thread if it
is slow: each one that stands here is time in which a kit that lost its power shows no picture.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

from adapters import ADAPTERS, IDLE
from gateway.registry import Installed

ROOT = Path(__file__).parents[2]

NEEDED = {
    "annotated_doc", "annotated_types", "anyio", "argon2", "click", "cryptography", "h11", "msgpack", "pydantic",
    "pydantic_core", "shellingham", "starlette", "typer", "typing_extensions", "typing_inspection", "uvicorn", "uvloop",
    "websockets",
    # What these bring themselves.
    "_argon2_cffi_bindings", "_cffi_backend", "_distutils_hack", "python_multipart",
}  # fmt: skip

PROGRAM = """
import json, sys
from gateway.cli.run import load_lightly
load_lightly()
import gateway.daemon
from gateway.api import server
from gateway.config.load import load_config
from gateway.registry import Installed
every = Installed()
for section in load_config(None, every).adapters.values():
    if section.type not in every.idle:
        every.adapter(section.type), section.values
print(json.dumps({name: getattr(module, "__file__", None) or "" for name, module in list(sys.modules.items())}))
"""


@pytest.fixture(scope="module")
def loaded() -> dict[str, str]:
    """Every module that is loaded before ready where nothing is configured, and its file."""
    command = [sys.executable, "-c", PROGRAM]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True).stdout
    return cast(dict[str, str], json.loads(said))


def test_the_start_loads_no_package_that_can_wait(loaded: dict[str, str]) -> None:
    packages = {name.partition(".")[0] for name, file in loaded.items() if "site-packages" in file}
    assert "starlette" in packages
    assert packages <= NEEDED, f"loaded before the daemon is ready: {sorted(packages - NEEDED)}"


def test_what_has_nothing_to_do_is_not_loaded(loaded: dict[str, str]) -> None:
    idle = {name for name in loaded if name.startswith("adapters.") and name.split(".")[1] in IDLE}
    assert "adapters.gb28181.config" in loaded
    assert not idle, f"idle adapters that are loaded before the daemon is ready: {sorted(idle)}"


def test_idle_adapters_are_known_and() -> None:
    assert set(IDLE) <= set(ADAPTERS) and set(IDLE.values()) <= {"", "devices", "centers"}
    for type_ in IDLE:
        assert Installed().model(type_)()
