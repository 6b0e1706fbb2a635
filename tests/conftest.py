"""Tests with sockets and programs of others are tried a second time when they fail, and the summary says so: on a
machine that does other work, a program that we did not write may be late. What fails twice, fails."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

TWICE = {"peers", "paths"}
_again: list[str] = []


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    if TWICE.isdisjoint(Path(item.path).relative_to(Path(__file__).parent).parts):
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    if _failed(reports):
        _again.append(item.nodeid)
        item._initrequest()  # type: ignore[attr-defined]
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _failed(reports: Sequence[pytest.TestReport]) -> bool:
    return any(report.failed for report in reports)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for name in _again:
        terminalreporter.write_line(f"tried a second time: {name}")
