"""A fake daemon per test, and `fieldgate(...)` to run a command against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app, words
from gateway.core.services import Services
from tests.unit.api.fakes import fake_services
from tests.unit.cli.daemon import serving

Run = Callable[..., "Ran"]


class Ran:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("COLUMNS", "200")
    words.choose("en")
    yield
    words.choose("en")


@pytest.fixture
def services() -> Services:
    return fake_services()


@pytest.fixture
def fieldgate(tmp_path: Path) -> Run:
    """Run a command with this test's state directory."""

    def run(*words_: str, typed: str | None = None) -> Ran:
        result = CliRunner().invoke(app, list(words_), input=typed, env={"FIELDGATE_STATE_DIR": str(tmp_path)})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def daemon(services: Services, tmp_path: Path) -> Iterator[Services]:
    with serving(services, tmp_path):
        yield services
