"""What the daemon loads before it is ready: its own modules and little else.

A package that is needed by a call, a search or a viewer is loaded then (or after `Context.started`), in a thread if it
is slow: each one that stands here is time in which a kit that lost its power shows no picture.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

NEEDED = {
    "annotated_doc", "annotated_types", "anyio", "argon2", "click", "cryptography", "fastapi", "h11", "msgpack",
    "prometheus_client", "pydantic", "pydantic_core", "shellingham", "starlette", "typer", "typing_extensions",
    "typing_inspection", "uvicorn", "uvloop", "websockets",
    # What these bring themselves.
    "_argon2_cffi_bindings", "_cffi_backend", "_distutils_hack", "importlib_metadata", "opentelemetry",
}  # fmt: skip

PROGRAM = """
import json, sys
import gateway.cli.run, gateway.daemon
from gateway.api import server
from gateway.registry import Installed
every = Installed()
for one in every.types:
    every.model(one), every.adapter(one)
files = [(name, getattr(module, "__file__", None) or "") for name, module in list(sys.modules.items())]
print(json.dumps(sorted({name.partition(".")[0] for name, file in files if "site-packages" in file})))
"""


def test_the_start_loads_no_package_that_can_wait() -> None:
    command = [sys.executable, "-c", PROGRAM]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True).stdout
    loaded = set(json.loads(said))
    assert "fastapi" in loaded
    assert loaded <= NEEDED, f"loaded before the daemon is ready, all adapters included: {sorted(loaded - NEEDED)}"
