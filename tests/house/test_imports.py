"""The import rule of docs/house.md, as a test, so that it can't rot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_imports_go_right_never_back() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_adapter_stands_in_the_contracts() -> None:
    """A new adapter that nobody adds to the independence contract would be free to import its neighbours."""
    import tomllib

    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (strangers,) = (c for c in contracts if c["type"] == "independence")
    folders = {f"adapters.{p.parent.name}" for p in (ROOT / "adapters").glob("*/__init__.py")}
    assert set(strangers["modules"]) == folders


def test_no_python_under_codecs() -> None:
    """One `__init__.py` in codecs/ makes type checkers take it for the standard library's module."""
    strays = [p for p in (ROOT / "codecs").rglob("*.py") if "target" not in p.parts]
    assert strays == []


@pytest.mark.parametrize("name", sorted(p.parent.name for p in (ROOT / "adapters").glob("*/__init__.py")))
def test_adapter_folder_is_complete(name: str) -> None:
    folder = ROOT / "adapters" / name
    assert [f for f in ("config.py", "README.md") if not (folder / f).exists()] == []
    assert any((folder / f).exists() for f in ("session.py", "adapter.py")), "where is the Adapter?"
