"""Tests that have to do with sockets and programs of others are tried a second time when they fail, and the summary
says so, and of what the first try failed: on a machine that does other work, a program that we did not write may be
late. What fails twice, fails.

Where several workers (pytest-xdist) run tests beside each other, the second try has the machine for itself: the others
wait for it before their next test. What mostly waits is begun first, what only computes fills the end.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from _pytest.runner import runtestprotocol

from tests.turns import Turns

# How long an example took says how busy the machine was.
hypothesis.settings.register_profile("untimed", hypothesis.settings.default, deadline=None)
hypothesis.settings.load_profile("untimed")

TWICE = {"peers", "paths", "emu", "codecs", "local"}
"""Folders, on any level."""
ORDER = ("peers", "paths", "emu", "house", "properties")
AGAIN = "tried a second time"
_again: dict[str, str] = {}
"""Why the first try failed, by test."""
_shared = pytest.StashKey[Path]()
_turns = pytest.StashKey[Turns]()


def pytest_configure(config: pytest.Config) -> None:
    worker = getattr(config, "workerinput", None)
    config.stash[_turns] = Turns(Path(worker["turns"]) if worker else None)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """A worker is about to be started."""
    if _shared not in node.config.stash:
        node.config.stash[_shared] = Path(tempfile.mkdtemp(prefix="fieldgate-tests-"))
    node.workerinput["turns"] = str(node.config.stash[_shared])


def pytest_unconfigure(config: pytest.Config) -> None:
    if _shared in config.stash:
        shutil.rmtree(config.stash[_shared], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: next((at for at, name in enumerate(ORDER) if name in _folders(item)), len(ORDER)))


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    turns = item.config.stash[_turns]
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    with turns.beside():
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
    if _failed(reports) and not TWICE.isdisjoint(_folders(item)):
        why = _why(reports)
        item._initrequest()  # type: ignore[attr-defined]
        with turns.alone():
            reports = runtestprotocol(item, nextitem=nextitem, log=False)
        for report in reports:
            report.user_properties.append((AGAIN, why))  # on its way to the process that writes the summary
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _folders(item: pytest.Item) -> tuple[str, ...]:
    return Path(item.path).relative_to(Path(__file__).parent).parts


def _why(reports: Sequence[pytest.TestReport]) -> str:
    """Where it failed and of what, in a line."""
    failed = next(report for report in reports if report.failed)
    crash = getattr(failed.longrepr, "reprcrash", None)
    if crash is None:
        return f"{failed.when}: {failed.longreprtext[-200:]!r}"
    place = f"{Path(crash.path).name}:{crash.lineno}"
    test = next((line for line in reversed(failed.longreprtext.splitlines()) if line.startswith("tests")), "")
    return " ".join(f"{failed.when}: {place}: {crash.message} ({test})".split())[:300]


def _failed(reports: Sequence[pytest.TestReport]) -> bool:
    return any(report.failed for report in reports)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    for name, why in report.user_properties:
        if name == AGAIN:
            _again[report.nodeid] = str(why)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for name, why in _again.items():
        terminalreporter.write_line(f"{AGAIN}: {name}")
        terminalreporter.write_line(f"    at first: {why}")
